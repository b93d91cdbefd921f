"""From YAML files to a Configuration: all is validated before anything runs, and all problems are said at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from osa_luigi.config import checks, slurm_checks
from osa_luigi.config.analysis import Analysis
from osa_luigi.config.analysis_building import build_analysis, check_provided
from osa_luigi.config.build import build_main, build_procedure, build_site
from osa_luigi.config.campaign import CAMPAIGN_TYPE, Campaign, parse_point
from osa_luigi.config.campaign_building import build_campaign, check_point, on_cluster
from osa_luigi.config.kinds import ANALYSIS_TYPE, COMMANDS, RECONSTRUCTION, WORKFLOW_COMMAND, with_article
from osa_luigi.config.library import Surroundings, choose, names, procedure_files, read_all, read_library
from osa_luigi.config.main_schema import STEPS
from osa_luigi.config.model import Configuration, MainConfig, Procedure, used_steps
from osa_luigi.config.problems import Position, Problems, suggestion
from osa_luigi.config.publication_checks import check_publication
from osa_luigi.config.validate import Checked, check_main
from osa_luigi.config.workflows import Workflow
from osa_luigi.config.yamlfile import read_yaml


def load(
    path: Path | str, procedure: str | None = None, *, check_files: bool = True, to_write: bool = True
) -> Configuration:
    """The main file and one of its procedures (the default one unless named).

    `check_files` also looks whether folders and models are there, and with `to_write` whether those can be written that a run
    writes to; configurations of lstchain are always read.

    Raises
    ------
    ConfigurationError
        With every problem, one line each: ``file:line:column: key: what is wrong (hint)``. Of a procedure asked for by its name: those of
        the main file and its own; else of all files.
    """
    problems = Problems()
    main = _read_main(Path(path), problems, check_files, to_write)
    if main and (point := parse_point(procedure or "")):
        loaded = _read_point(main, *point, problems, check_files)
    else:
        made = _read_procedure(main, RECONSTRUCTION, procedure, problems, check_files) if main else None
        loaded = Configuration(main.config, made) if main and made else None
    problems.raise_if_any()
    assert loaded is not None
    return loaded


def load_main(path: Path | str, *, check_files: bool = True) -> MainConfig:
    """The main file alone; its procedures are not looked at.

    Raises
    ------
    ConfigurationError
        As `load`.
    """
    problems = Problems()
    main = _read_main(Path(path), problems, check_files, check_files)
    if main:
        asked = [step for step in STEPS if main.checked.given("resources", step)]
        checks.check_resources(main.checked, asked)
        slurm_checks.check_slurm(main.checked, asked)
    problems.raise_if_any()
    assert main is not None
    return main.config


def load_procedure(main: MainConfig, name: str | None = None, *, check_files: bool = True) -> Procedure:
    """One reconstruction of a site's library (the default one unless named).

    Raises
    ------
    ConfigurationError
        As `load`.
    """
    return load(main.path, name, check_files=check_files).procedure


def load_of_type(main: MainConfig, kind: str, name: str | None = None, *, check_files: bool = True) -> Any:
    """What the builder of a type makes of one procedure (the only one of its type unless named).

    Raises
    ------
    ConfigurationError
        As `load`.
    """
    problems = Problems()
    read = _read_main(main.path, problems, check_files, to_write=False)
    loaded = _read_procedure(read, kind, name, problems, check_files) if read else None
    problems.raise_if_any()
    assert loaded is not None
    return loaded


def load_analysis(main: MainConfig, name: str | None = None, *, check_files: bool = True) -> Analysis:
    """One analysis of a site's library (the only one unless named).

    Raises
    ------
    ConfigurationError
        As `load`.
    """
    analysis: Analysis = load_of_type(main, ANALYSIS_TYPE, name, check_files=check_files)
    return analysis


def load_campaign(main: MainConfig, name: str | None = None, *, each_value: bool = True) -> Campaign:
    """A campaign of a site's library (the only one unless named); with `each_value` all values of its grid are tried.

    Raises
    ------
    ConfigurationError
        As `load`.
    """
    problems = Problems()
    read = _read_main(main.path, problems, check_files=False, to_write=False)
    found = _read_campaign(read, name, problems, each_value=each_value) if read else None
    problems.raise_if_any()
    assert found is not None
    return found[2]


def procedure_names(main: MainConfig, kind: str = RECONSTRUCTION) -> tuple[str, ...]:
    """The names of all procedures of a type, in the order of the library's files; what is wrong with them, `validate` says."""
    problems = Problems()
    read = _read_main(main.path, problems, check_files=False, to_write=False)
    return tuple(names(read_library(read.checked, problems), kind)) if read else ()


def load_workflow(main: MainConfig, name: str) -> Workflow:
    """One workflow of a site's library; its procedures are not looked at.

    Raises
    ------
    ConfigurationError
        There is none of this name, or something is wrong with the workflows.
    """
    problems = Problems()
    found = {one.name: one for one in _workflows(main, problems)}
    if name not in found and not problems:
        kind = next((kind for kind in COMMANDS if name in procedure_names(main, kind)), "")
        said = (
            f"{name!r} is {with_article(kind)}, not a workflow (run it by: {COMMANDS[kind].format(name=name)})"
            if kind
            else ""
        )
        problems.add(Position(main.path), "", said or f"no workflow {name!r} {suggestion(name, found)}")
    problems.raise_if_any()
    return found[name]


def workflows(main: MainConfig) -> tuple[Workflow, ...]:
    """All workflows of a site's library; what is wrong with them, `validate` says."""
    return tuple(_workflows(main, Problems()))


def _workflows(main: MainConfig, problems: Problems) -> list[Workflow]:
    read = _read_main(main.path, problems, check_files=False, to_write=False)
    return read_all(read.checked, problems).workflows if read else []


def open_library(path: Path, problems: Problems) -> tuple[Surroundings, list[Workflow]] | None:
    """A site with all procedures as checked, and its workflows; what is wrong around the procedures goes into `problems`."""
    read = _read_main(path, problems, check_files=False, to_write=False)
    if read is None:
        return None
    library = read_all(read.checked, problems)
    return Surroundings(read.checked, read.config, library.procedures, check_files=False), library.workflows


def build_of(around: Surroundings, chosen: Checked, problems: Problems) -> Any:
    """What the builder of its type makes of a procedure; it counts only if no problem was noted."""
    whole = chosen.good("extends")
    built = _BUILDERS[chosen.values["type"]](around, chosen) if whole else None
    problems.absorb(chosen.problems)
    return built


def validate(path: Path, procedure: str | None = None, *, check_files: bool = True) -> tuple[list[str], list[str]]:
    """Look for every mistake, in the main file and in its procedures alike (all, or the named one).

    Returns
    -------
    tuple
        The procedures looked at, and all problems, each once, in the order of the files.
    """
    problems, around = Problems(), Problems()
    main = _read_main(path, problems, check_files, check_files)
    if main is None:
        return [], problems.lines()
    library = read_library(main.checked, around)
    looked_at = [one for one in library if one.values["name"] == procedure] if procedure else library
    if (procedure or main.config.default_procedure) and not (procedure and looked_at):
        chosen = _choose(main, library, RECONSTRUCTION, around, procedure, problems)
        looked_at = looked_at or [one for one in (chosen,) if one]
    if not procedure:
        problems.absorb(around)
    for one in looked_at:
        _build(main, one, library, problems, check_files)
    return [procedure] if procedure else _names(library), problems.lines()


def _names(library: list[Checked]) -> list[str]:
    return list(dict.fromkeys(str(entry.values["name"]) for entry in library if entry.values["name"]))


@dataclass(frozen=True, slots=True)
class _Main:
    """A main file, checked and built; the result counts only if no problem was noted."""

    checked: Checked
    config: MainConfig


def _read_main(path: Path, problems: Problems, check_files: bool, to_write: bool) -> _Main | None:
    document = read_yaml(path, problems)
    if document is None:
        return None
    checked = check_main(document, problems)
    site = build_site(checked)
    checks.check_ledger(checked)
    check_publication(checked)
    slurm_checks.check_options(checked)
    slurm_checks.check_alternatives(checked)
    config = build_main(checked, site, procedure_files(checked))
    if check_files:
        checks.check_folders(checked, site)
    if check_files and to_write:  # who only looks may sit in the very image
        slurm_checks.check_environment_files(checked, config.executor.slurm.environment)
        checks.check_writable(checked, site)
    return _Main(checked, config)


def _read_procedure(main: _Main, kind: str, name: str | None, problems: Problems, check_files: bool) -> Any:
    around = Problems()
    library = read_library(main.checked, around)
    chosen = _choose(main, library, kind, around, name, problems)
    return _build(main, chosen, library, problems, check_files) if chosen else None


def _read_campaign(
    main: _Main, name: str | None, problems: Problems, *, check_files: bool = False, each_value: bool = False
) -> tuple[Surroundings, Checked, Campaign] | None:
    around = Problems()
    library = read_library(main.checked, around)
    chosen = _choose(main, library, CAMPAIGN_TYPE, around, name, problems)
    if chosen is None:
        return None
    beside = Surroundings(main.checked, main.config, library, check_files)
    campaign = build_campaign(beside, chosen, each_value=each_value)
    problems.absorb(chosen.problems)
    return beside, chosen, campaign


def _read_point(
    main: _Main, campaign_name: str, index: int, problems: Problems, check_files: bool
) -> Configuration | None:
    """A point of a campaign's grid, as the reconstruction that it stands for."""
    found = _read_campaign(main, campaign_name, problems, check_files=check_files)
    if found is None:
        return None
    around, chosen, campaign = found
    changed = None if chosen.bad else check_point(around, chosen, campaign, index)
    problems.absorb(chosen.problems)
    if changed is None:
        return None
    procedure = _reconstruction(around, changed)
    problems.absorb(changed.problems)
    point = campaign.point(index)
    procedure = replace(procedure, name=point.procedure, production_id=point.production)
    return Configuration(on_cluster(main.config, campaign), procedure)


def _choose(
    main: _Main, library: list[Checked], kind: str, around: Problems, name: str | None, problems: Problems
) -> Checked | None:
    """The procedure to use; what is wrong elsewhere in the library counts where none was asked for by name, or it is not found."""
    if name and all(one.values["name"] != name for one in library) and _is_workflow(main, name):
        text = f"{name!r} is a workflow, not {with_article(kind)} (run it by: {WORKFLOW_COMMAND.format(name=name)})"
        problems.add(Position(main.config.path), "", text)
        return None
    sound = all(main.checked.sound(name) for name in ("procedures", "libraries"))
    broken = bool(around or any(one.problems for one in library) or not sound)
    chosen = choose(main.checked, library, kind, name, quiet=broken)
    if name is None or chosen is None or chosen.values["name"] != name:
        for basket in (around, *(one.problems for one in library)):
            problems.absorb(basket)
    return chosen


def _is_workflow(main: _Main, name: str) -> bool:
    return any(one.name == name for one in read_all(main.checked, Problems()).workflows)


def _build(main: _Main, chosen: Checked, library: list[Checked], problems: Problems, check_files: bool) -> Any:
    """A procedure's result; it counts only if no problem was noted."""
    return build_of(Surroundings(main.checked, main.config, library, check_files), chosen, problems)


def _reconstruction(around: Surroundings, chosen: Checked) -> Procedure:
    main, site = around.main, around.config.site
    used = used_steps(chosen.values)
    checks.check_resources(main, used)
    slurm_checks.check_slurm(main, used)
    checks.check_together(chosen)
    check_provided(around, chosen)
    procedure = build_procedure(chosen, site.base)
    if around.check_files:
        checks.check_site_for(main, site, chosen.values)
        checks.check_models(main, chosen, site, procedure)
    return procedure


_BUILDERS: Mapping[str, Callable[[Surroundings, Checked], Any]] = {
    RECONSTRUCTION: _reconstruction,
    ANALYSIS_TYPE: build_analysis,
    CAMPAIGN_TYPE: build_campaign,
}
"""Type → what makes the frozen object of a checked procedure, and notes what a schema cannot see."""
