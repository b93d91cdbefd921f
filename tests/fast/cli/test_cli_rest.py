"""What all commands share, the configuration, the simulated telescope, and the files beside the package."""

from __future__ import annotations

import configparser
import dataclasses
import json
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import click
import pytest
from cli_nights import DATE, Site
from click.testing import CliRunner

from osa_luigi.cli import simulation_progress, telescope
from osa_luigi.cli.app import COMMANDS, app
from osa_luigi.errors import NightError
from osa_luigi.night import read_run_catalog
from osa_luigi.telescope import RunType, SimulatedNight, SimulatedRun, SimulationOptions

CHECKOUT = Path(__file__).parents[3]
PAGE = CHECKOUT / "docs" / "command-line.md"


def commands(command: click.Command = app, path: str = "osa") -> Iterator[tuple[str, click.Command]]:
    """Every command that is no group, with its words."""
    if not isinstance(command, click.Group):
        yield path, command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        assert found is not None
        yield from commands(found, f"{path} {name}")


ALL = dict(commands())


@pytest.mark.parametrize("path", ALL)
def test_a_command_is_documented_with_every_option_and_an_example(path: str) -> None:
    section = re.search(rf"^## {path}$\n(.*?)(?=^## |\Z)", PAGE.read_text(), re.M | re.S)
    assert section, f"docs/command-line.md has no section {path!r}"
    assert f"    {path}" in section[1], "no example"
    assert "exit code" in section[1].lower()
    for option in ALL[path].params:
        names = [*option.opts, *option.secondary_opts] if isinstance(option, click.Option) else [option.name.upper()]
        for name in names:
            assert re.search(rf"`[^`]*{re.escape(name)}\b", section[1]), f"{path}: {name} is not documented"


@pytest.mark.parametrize("path", ALL)
def test_the_help_has_an_example_and_exit_codes(path: str) -> None:
    result = CliRunner().invoke(app, [*path.split()[1:], "--help"])
    assert result.exit_code == 0
    assert path in result.output.partition("\n")[2]
    for option in ALL[path].params:
        assert not isinstance(option, click.Option) or option.help, f"{path}: {option.name} has no help"


def test_the_page_documents_nothing_else() -> None:
    assert set(re.findall(r"^## (osa .*)$", PAGE.read_text(), re.M)) == set(ALL)


def test_help_of_all() -> None:
    result = CliRunner().invoke(app, ["-h"])
    assert result.exit_code == 0
    assert all(name in result.output for name in COMMANDS)


def test_a_command_that_does_not_exist() -> None:
    result = CliRunner().invoke(app, ["statsu"])
    assert result.exit_code == 2
    assert "Did you mean status?" in result.output


@pytest.mark.parametrize("written", ["2024-11-15", "20241115"])
def test_dates_are_written_either_way(site: Site, written: str) -> None:
    assert site.data("plan", "--date", written)["date"] == "2024-11-15"


@pytest.mark.parametrize("written", ["15.11.2024", "2024-13-01", "yesterday"])
def test_a_date_that_is_none_is_wrong_usage(site: Site, written: str) -> None:
    assert "2024-11-15 or 20241115" in site.osa("status", "--date", written, code=2).stderr


def test_our_errors_are_one_message_without_traceback(site: Site) -> None:
    result = site.osa("status", "--date", "2020-01-17", code=3)
    assert "no raw data of 2020-01-17" in result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr


def test_the_option_goes_before_the_environment(site: Site, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    assert str(other) in site.osa("status", *DATE, "--config", str(other), code=3).stderr


def test_a_good_configuration(site: Site) -> None:
    assert "good (procedures: fake)" in site.osa("config", "validate").stdout
    assert site.data("config", "validate")["good"] is True


def test_every_problem_of_every_procedure_once(site: Site) -> None:
    site.configure({"name": "other", "production_id": "bad id"})
    said = site.osa("config", "validate", code=3).stderr
    assert "procedures.yaml" in said
    assert "bad id" in said
    data = site.data("config", "validate", code=3)
    assert data["good"] is False
    assert len(set(data["problems"])) == len(data["problems"])


def test_a_procedure_that_does_not_exist(site: Site) -> None:
    assert "fake" in site.osa("config", "validate", "--procedure", "fakee", code=3).stderr
    assert "fake" in site.osa("status", *DATE, "--procedure", "fakee", code=3).stderr


def test_the_configuration_complete(site: Site) -> None:
    assert "default_procedure: fake" in site.osa("config", "show").stdout
    shown = site.data("config", "show", "--procedure", "fake")
    assert shown["production_id"] == "fake"
    assert shown["base"] == str(site.base)


def test_the_shipped_configurations_hold() -> None:
    for name in ("simulated", "lst1"):
        arguments = ["config", "validate", "--config", str(CHECKOUT / "configs" / f"{name}.yaml"), "--no-files"]
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, result.output


def test_the_simulation_has_all_options_of_the_telescope() -> None:
    fields = {field.name for field in dataclasses.fields(SimulationOptions)} - {"base", "date", "models", "faults"}
    assert set(telescope.SIZES) == fields


def test_options_reach_the_simulation(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[SimulationOptions] = []

    def simulate(options: SimulationOptions, progress: Any = None) -> SimulatedNight:
        asked.append(options)
        progress("raw data", 0.5)
        run = SimulatedRun(2001, RunType.DRS4, 1, 1100, None)  # type: ignore[arg-type]
        some = options.base
        return SimulatedNight(
            *(some, options.date, "Crab", (run,), some, some, some, some, None, some, None, None), fresh=True
        )

    monkeypatch.setattr(simulation_progress, "simulate", simulate)
    arguments = (
        "telescope",
        "simulate",
        *DATE,
        "--base",
        str(site.base),
        "--seed",
        "5",
        "--no-models",
        "--subruns",
        "2",
    )
    data = site.data(*arguments)
    assert asked == [SimulationOptions(base=site.base, date=date(2024, 11, 15), seed=5, models=False, subruns=2)]
    assert data["source"] == "Crab"
    result = site.osa(*arguments)
    assert "made now" in result.stdout
    assert "simulating: raw data (50%)" in result.stderr


def test_sizes_that_cannot_be_written(site: Site) -> None:
    said = site.osa("telescope", "simulate", *DATE, "--base", str(site.base), "--events", "1", code=3).stderr
    assert "events is 1, must be 4 or more" in said


def test_faults_reach_the_simulation_and_what_was_held_back_is_delivered(tmp_path: Path, site: Site) -> None:
    base = str(tmp_path / "bad")
    small = (
        "--no-models",
        "--drs4-events=4",
        "--pedcal-events=4",
        "--data-runs=1",
        "--subruns=1",
        "--events=4",
        "--processes=1",
    )
    asked = ("--fault", "late:2003.0.2", "--fault", "no-pointing")
    data = site.data("telescope", "simulate", *DATE, "--base", base, *small, *asked)
    assert data["faults"] == ["late:2003.0.2", "no-pointing"]
    again = site.osa("telescope", "simulate", *DATE, "--base", base, *small, *asked).stdout
    assert "was there already. Its faults: late:2003.0.2, no-pointing." in again
    late = f"{base}/R0/20241115/LST-1.2.Run02003.0000.fits.fz"
    assert site.data("telescope", "deliver", *DATE, "--base", base)["delivered"] == [late]
    assert Path(late).exists()
    assert (
        "3 files delivered" in site.osa("telescope", "deliver", *DATE, "--base", base, "--repair").stdout
    )  # drive logs
    assert "nights there: none" in site.osa("telescope", "deliver", *DATE, "--base", str(site.base), code=3).stderr


def test_a_fault_that_makes_no_sense_is_wrong_usage(site: Site) -> None:
    simulate = ("telescope", "simulate", *DATE, "--base", str(site.base))
    assert "there is no fault 'trunc'" in site.osa(*simulate, "--fault", "trunc:1", code=2).stderr
    assert "--fault is for real raw data" in site.osa(*simulate, "--fake", "--fault", "late:2003", code=2).stderr


def test_placeholders_once(site: Site, tmp_path: Path) -> None:
    base = str(tmp_path / "big")
    arguments = ("telescope", "simulate", "--fake", "--base", base, *DATE, "--data-runs", "3", "--subruns", "5")
    assert site.data(*arguments) == {"base": base, "date": "2024-11-15", "fresh": True, "files_written": 2 + 4 * 17}
    assert site.data(*arguments)["fresh"] is False
    sources = read_run_catalog(Path(base) / "monitoring" / "RunCatalog" / "RunCatalog_20241115.ecsv")
    assert [source.name for source in sources.values()] == ["Crab Nebula", "Mrk 421", "1ES 1959+650"]


def test_placeholders_never_replace_a_night(site: Site) -> None:
    raw = sorted((site.base / "R0").rglob("*.fz"))[0]
    raw.write_text("real data")
    said = site.osa("telescope", "simulate", "--fake", "--base", str(site.base), *DATE, "--subruns", "2", code=3).stderr
    assert raw.name in said
    assert raw.read_text() == "real data"


def test_placeholders_say_what_is_in_their_way(tmp_path: Path) -> None:
    from osa_luigi.cli.placeholder import PlaceholderNight

    PlaceholderNight(tmp_path, date(2024, 11, 15)).write()
    with pytest.raises(NightError, match="choose another --base"):
        PlaceholderNight(tmp_path, date(2024, 11, 15), first_run=3001).write()


def test_constraints_are_versions_and_nothing_else() -> None:
    lines = [line for line in (CHECKOUT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert len(lines) > 100
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+==[A-Za-z0-9_.!+-]+", line) for line in lines), "no paths, no hosts"


def test_luigis_configuration_leads_to_ours() -> None:
    parser = configparser.ConfigParser()
    parser.read(CHECKOUT / "luigi.cfg")
    assert (CHECKOUT / parser["osa_luigi"]["config"]).is_file()
    assert len(set(parser["retcode"].values())) == 6


def test_json_is_json_for_every_command_that_has_it(site: Site) -> None:
    reading = [path for path, command in ALL.items() if any(option.name == "as_json" for option in command.params)]
    groups = {
        "config",
        "plan",
        "status",
        "why",
        "close",
        "publish",
        "clean",
        "adopt",
        "discard",
        "veto",
        "release",
        "undo",
        "decisions",
        "cancel",
        "retry",
        "replay",
        "step",
        "logs",
        "environment",
        "telescope",
        "provenance",
        "verify",
        "morning",
        "doctor",
        "ledger",
        "nights",
        "report",
        "campaign",
        "analysis",
    }
    assert {path.split()[1] for path in reading} == groups
    assert json.loads(site.osa("step", "list", "--json").stdout)
