"""The main file: what comes out, and each mistake with its place."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from osa_luigi.config import STEPS, Resources, load, load_main, load_procedure, procedure_names
from osa_luigi.errors import ConfigurationError

if TYPE_CHECKING:
    from tests.fast.config.conftest import SiteOnDisk

requires_permissions = pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")


def test_paths_are_absolute_and_below_the_base(site: SiteOnDisk) -> None:
    main = site.load().main
    assert main.site.base == site.folder / "data"
    assert main.site.paths.r0 == site.folder / "data/R0"
    assert main.site.paths.running_analysis == site.folder / "data/running_analysis"
    assert main.procedures == (site.procedure,)
    assert main.path == site.main


def test_a_relative_main_file(site: SiteOnDisk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(site.folder)
    main = load("main.yaml").main
    assert main.path == site.main
    assert main.site.base == site.folder / "data"
    monkeypatch.chdir("/")
    assert load_procedure(main).name == "p"


def test_an_absolute_path_leaves_the_base(site: SiteOnDisk, tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    site.edit("  base: data", f"  base: data\n  paths: {{r0: {tmp_path}/raw}}")
    assert site.load().main.site.paths.r0 == tmp_path / "raw"


def test_no_pedestal_ids(site: SiteOnDisk) -> None:
    site.edit("  base: data", "  base: data\n  paths: {pedestal_ids: null}")
    assert site.load().main.site.paths.pedestal_ids is None


def test_resources_given_and_default(site: SiteOnDisk) -> None:
    main = site.load().main
    assert main.resources_for("r0_to_dl1") == Resources(memory_mb=3000, time_limit_s=120, cores=1)
    assert main.resources_for("dl2") == Resources(memory_mb=60_000, time_limit_s=10_800, cores=1)
    assert set(main.resources) == set(STEPS)


def test_the_executors_totals(site: SiteOnDisk) -> None:
    local = site.load().main.executor.local
    assert (local.total_cores(), local.total_memory_mb()) == (2, 100_000)


def test_the_executor_takes_the_machine_unless_told(site: SiteOnDisk) -> None:
    site.edit("  local: {cores: 2, memory_mb: 100000}", "  type: local")
    local = load_main(site.main).executor.local
    assert local.cores is None
    assert local.total_cores() == len(os.sched_getaffinity(0))
    assert local.total_memory_mb() > 100


def test_empty_sections_mean_defaults(site: SiteOnDisk) -> None:
    site.edit("  r0_to_dl1: {memory_mb: 3000, time_limit_minutes: 2}\n", "")
    assert site.load().main.resources_for("r0_to_dl1").memory_mb == 6000


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (
            "  name: test",
            "  nmae: test",
            "main.yaml:2:3: site.nmae: unknown key (did you mean 'name'?)",
        ),
        (
            "procedures:",
            "zzz: 1\nprocedures:",
            "main.yaml:4:1: zzz: unknown key (known here: site, procedures, libraries, workflows, default_procedure, "
            "executor, ledger, report, publication, "
            "retention, morning, resources, log_level)",
        ),
        ("  name: test\n", "", "main.yaml:1:1: site.name: is missing: The site's name in reports."),
        ("  base: data\n", "", "main.yaml:1:1: site.base: is missing: Root of the site's data tree."),
        (
            "  name: test",
            "  name: 3",
            'main.yaml:2:9: site.name: must be a text, not 3 (put it in quotes: "3")',
        ),
        (
            "  name: test",
            "  name: a b",
            "main.yaml:2:9: site.name: 'a b' will not do: letters, digits and . _ + - only, 64 at most",
        ),
        (
            "  base: data",
            "  base: ${OSA_NOT_SET}/x",
            "main.yaml:3:9: site.base: the environment variable OSA_NOT_SET is not set "
            "(${OSA_NOT_SET:-default} gives one)",
        ),
        (
            "  base: data",
            "  base: $HOME/x",
            "main.yaml:3:9: site.base: '$HOME/x' cannot be expanded (write ${NAME} or ${NAME:-default})",
        ),
        ("  base: data", "  base: ~/x", "main.yaml:3:9: site.base: ~ is not expanded (write ${HOME})"),
        ("  base: data", '  base: ""', "main.yaml:3:9: site.base: must not be empty"),
        ("  base: data", '  base: "a\\0b"', "main.yaml:3:9: site.base: must not hold control characters"),
        (
            "  base: data",
            "  base:",
            "main.yaml:3:3: site.base: must be a text, not empty",
        ),
        (
            "executor:\n",
            "executor:\n  type: pbs\n",
            "main.yaml:6:9: executor.type: must be one of local, slurm; not 'pbs'",
        ),
        ("cores: 2", "cores: 0", "main.yaml:6:18: executor.local.cores: must be at least 1, not 0"),
        (
            "cores: 2",
            "cores: two",
            "main.yaml:6:18: executor.local.cores: must be a whole number, not 'two' "
            "(a number stands without quotes and unit)",
        ),
        (
            "memory_mb: 3000",
            "memory_mb: 3 GB",
            "main.yaml:8:26: resources.r0_to_dl1.memory_mb: must be a whole number, not '3 GB' "
            "(a number stands without quotes and unit)",
        ),
        (
            "memory_mb: 3000",
            "memory_mb: -1",
            "main.yaml:8:26: resources.r0_to_dl1.memory_mb: must be at least 1 MB, not -1",
        ),
        (
            "memory_mb: 3000",
            "memory_mb: 200000",
            "main.yaml:8:26: resources.r0_to_dl1.memory_mb: r0_to_dl1 asks for 200000 MB; "
            "the executor has only 100000 MB (executor.local)",
        ),
        (
            "memory_mb: 3000",
            "cores: 3",
            "main.yaml:8:22: resources.r0_to_dl1.cores: r0_to_dl1 asks for 3; the executor has only 2 (executor.local)",
        ),
        (
            "memory_mb: 100000",
            "memory_mb: 50000",
            "main.yaml:6:32: executor.local.memory_mb: dl2 asks for 60000 MB, by default; "
            "the executor has only 50000 MB (executor.local)",
        ),
        (
            "time_limit_minutes: 2",
            "time_limit_minutes: .inf",
            "main.yaml:8:52: resources.r0_to_dl1.time_limit_minutes: must be a finite number, not inf",
        ),
        (
            "  r0_to_dl1:",
            "  r0_to_dl:",
            "main.yaml:8:3: resources.r0_to_dl: unknown key (did you mean 'r0_to_dl1'?)",
        ),
        (
            "  r0_to_dl1: {memory_mb: 3000, time_limit_minutes: 2}",
            "  r0_to_dl1: 3000",
            "main.yaml:8:14: resources.r0_to_dl1: must be 'key: value' lines, not 3000",
        ),
        ("[p.yaml]", "p.yaml", "main.yaml:4:13: procedures: must be a list, not 'p.yaml'"),
        ("[p.yaml]", "[]", "main.yaml:4:13: procedures: must not be empty"),
        ("[p.yaml]", "[p.yaml, 3]", 'main.yaml:4:22: procedures[1]: must be a text, not 3 (put it in quotes: "3")'),
        (
            "executor:",
            "log_level: LOUD\nexecutor:",
            "main.yaml:5:12: log_level: must be one of DEBUG, INFO, WARNING, ERROR; not 'LOUD'",
        ),
        (
            "executor:",
            "default_procedure: q\nexecutor:",
            "main.yaml:5:20: default_procedure: no procedure 'q' (known here: p)",
        ),
    ],
)
def test_a_mistake_is_named_with_its_place(site: SiteOnDisk, old: str, new: str, complaint: str) -> None:
    site.edit(old, new)
    assert complaint in site.problems()


def test_only_one_complaint_for_one_mistake(site: SiteOnDisk) -> None:
    site.edit("cores: 2", "cores: 0")
    assert site.problem().startswith("main.yaml:6:18: executor.local.cores")


def test_a_missing_procedure_file_is_named_in_full(site: SiteOnDisk) -> None:
    site.edit("[p.yaml]", "[p.yaml, ../x/q.yaml]")
    path = site.folder.parent / "x/q.yaml"
    assert site.problem() == f"main.yaml:4:22: procedures[1]: no such file: {path}"


def test_a_missing_base_is_reported_once(site: SiteOnDisk) -> None:
    site.edit("base: data", "base: elsewhere")
    assert site.problem() == f"main.yaml:3:9: site.base: no such folder: {site.folder}/elsewhere"
    assert site.load(check_files=False).main.site.base == site.folder / "elsewhere"


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("R0", "r0"),
        ("monitoring/DrivePositioning", "drive"),
        ("monitoring/PixelCalibration/Cat-A/drs4_time_sampling_from_FF", "time_calibration"),
        ("monitoring/PixelCalibration/Cat-A/ffactor_systematics", "systematics"),
    ],
)
def test_a_missing_folder_is_named_in_full(site: SiteOnDisk, folder: str, name: str) -> None:
    path = site.folder / "data" / folder
    path.rmdir()
    assert site.problem() == f"main.yaml:1:1: site.paths.{name}: no such folder: {path}"


def test_gain_selected_data_make_up_for_raw_data(site: SiteOnDisk) -> None:
    (site.folder / "data/R0").rename(site.folder / "data/R0G")
    assert site.load().main.site.paths.r0g.is_dir()
    site.add("gain_selection: {enabled: true}\n")
    assert site.problem().startswith("main.yaml:1:1: site.paths.r0: no such folder")


def test_a_file_where_a_folder_is_expected(site: SiteOnDisk) -> None:
    (site.folder / "data/R0").rmdir()
    (site.folder / "data/R0").write_text("")
    assert site.problem() == f"main.yaml:1:1: site.paths.r0: is not a folder: {site.folder}/data/R0"


def test_output_below_a_file(site: SiteOnDisk) -> None:
    (site.folder / "data/cache").write_text("")
    base = site.folder / "data"
    wanted = f"main.yaml:1:1: site.paths.numba_cache: {base}/cache/numba cannot be made: {base}/cache is not a folder"
    assert site.problem() == wanted


@requires_permissions
def test_output_that_may_not_be_written(site: SiteOnDisk) -> None:
    out = site.folder / "data/running_analysis"
    out.mkdir(mode=0o555)
    assert site.problem() == f"main.yaml:1:1: site.paths.running_analysis: is not writable: {out}"


def test_a_variable_and_its_default(site: SiteOnDisk, monkeypatch: pytest.MonkeyPatch) -> None:
    site.edit("base: data", "base: ${OSA_TEST_BASE:-data}")
    monkeypatch.delenv("OSA_TEST_BASE", raising=False)
    assert site.load().main.site.base == site.folder / "data"
    monkeypatch.setenv("OSA_TEST_BASE", "")
    assert site.load().main.site.base == site.folder / "data"
    monkeypatch.setenv("OSA_TEST_BASE", str(site.folder / "other"))
    assert site.problem() == f"main.yaml:3:9: site.base: no such folder: {site.folder}/other"


def test_variables_are_for_paths_only(site: SiteOnDisk) -> None:
    site.edit("name: test", "name: ${HOME}")
    assert site.problem().startswith("main.yaml:2:9: site.name: '${HOME}' will not do")


def test_the_mistakes_of_both_files_come_together(site: SiteOnDisk) -> None:
    site.edit("cores: 2", "cores: 0")
    site.edit("name: test", "nam: test")
    site.add("dl1ab: {imags: true}\nmerge: {dl1: 1}\n")
    assert [line.split(": ")[0] for line in site.problems()] == [
        "main.yaml:1:1",
        "main.yaml:2:3",
        "main.yaml:6:18",
        "p.yaml:5:9",
        "p.yaml:6:14",
    ]


def test_the_message_holds_every_problem(site: SiteOnDisk) -> None:
    site.edit("cores: 2", "cores: 0")
    site.edit("name: test", "name: 3")
    with pytest.raises(ConfigurationError, match=r"2 problems in the configuration:\n  .*main.yaml:2:9: "):
        site.load()


def test_load_main_does_not_look_at_procedures(site: SiteOnDisk) -> None:
    site.procedure.write_text("name: [\n")
    assert load_main(site.main).site.name == "test"


def test_load_main_checks_what_the_file_asks_for(site: SiteOnDisk) -> None:
    site.edit("memory_mb: 3000", "memory_mb: 200000")
    with pytest.raises(ConfigurationError, match=r"r0_to_dl1 asks for 200000 MB"):
        load_main(site.main)


def test_a_missing_main_file(tmp_path: Path) -> None:
    for read in (load, load_main):
        with pytest.raises(ConfigurationError, match="no such file"):
            read(tmp_path / "none.yaml")


def test_procedure_names(site: SiteOnDisk) -> None:
    site.edit("[p.yaml]", "[p.yaml, more.yaml]")
    (site.folder / "more.yaml").write_text("procedures:\n- name: b\n- name: a\n")
    assert procedure_names(load_main(site.main)) == ("p", "b", "a")


def test_a_base_that_cannot_be_expanded_is_all_that_is_said_of_it(site: SiteOnDisk) -> None:
    site.edit("base: data", "base: ${OSA_NOT_SET}")
    assert site.problem().startswith("main.yaml:3:9: site.base: the environment variable OSA_NOT_SET is not set")


def test_absolute_folders_are_looked_at_without_a_base(site: SiteOnDisk) -> None:
    site.edit("  base: data", "  base: elsewhere\n  paths: {drive: /nonexistent/drive}")
    assert [line.split(": ")[1] for line in site.problems()] == ["site.base", "site.paths.drive"]


def test_procedures_keep_their_place_behind_a_bad_one(site: SiteOnDisk) -> None:
    site.edit("[p.yaml]", "[3, q.yaml]")
    assert site.problems()[1] == f"main.yaml:4:17: procedures[1]: no such file: {site.folder}/q.yaml"


def test_more_than_the_machine_has(site: SiteOnDisk) -> None:
    site.edit(", memory_mb: 100000", "")
    site.edit("memory_mb: 3000", "memory_mb: 1000000000")
    (problem,) = [line for line in site.problems() if line.startswith("main.yaml:8:26: ")]
    assert "resources.r0_to_dl1.memory_mb: r0_to_dl1 asks for 1000000000 MB; " in problem
    assert problem.endswith(" MB (this machine's share)")


def test_steps_that_are_not_run_may_ask_for_anything(site: SiteOnDisk) -> None:
    site.edit("r0_to_dl1: {memory_mb: 3000", "tailcuts: {memory_mb: 200000")
    assert site.load().main.resources_for("tailcuts").memory_mb == 200_000


def test_a_wrong_value_is_all_that_is_said_of_it(site: SiteOnDisk) -> None:
    """Its default, put in its place, asks for too much: nobody wrote that."""
    site.edit("memory_mb: 100000", "memory_mb: 1000")
    site.edit("memory_mb: 3000", "memory_mb: 800 MB")
    assert [line.partition(" ")[0] for line in site.problems() if "r0_to_dl1" in line] == ["main.yaml:8:26:"]


def test_a_wrong_total_refuses_no_step(site: SiteOnDisk) -> None:
    site.edit("memory_mb: 100000", "memory_mb: 100 GB")
    site.edit("memory_mb: 3000", "memory_mb: 1000000000")
    assert site.problem().startswith("main.yaml:6:32: executor.local.memory_mb: must be a whole number")


def test_who_only_reads_needs_no_place_to_write(site: SiteOnDisk) -> None:
    (site.folder / "data/cache").write_text("")
    assert site.load(to_write=False).main.site.name == "test"
    assert site.problem().startswith("main.yaml:1:1: site.paths.numba_cache")


def test_gain_selected_data_of_the_site_are_never_written(site: SiteOnDisk) -> None:
    (site.folder / "data/R0G").write_text("not a folder")
    site.add("gain_selection: {enabled: true}\n")
    assert site.load().procedure.gain_selection.enabled
