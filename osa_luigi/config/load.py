"""From YAML files to a Configuration: all is validated before anything runs, and all problems are said at once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from osa_luigi.config import checks, slurm_checks
from osa_luigi.config.build import build_main, build_procedure, build_site
from osa_luigi.config.library import choose, procedure_files, read_library
from osa_luigi.config.model import Configuration, MainConfig, Procedure, used_steps
from osa_luigi.config.problems import Problems
from osa_luigi.config.schema import STEPS
from osa_luigi.config.validate import Checked, check_main
from osa_luigi.config.yamlfile import read_yaml


def load(path: Path | str, procedure: str | None = None, *, check_files: bool = True) -> Configuration:
    """The main file and one of its procedures (the default one unless named).

    `check_files` also looks whether folders and models are there; configurations of lstchain are always read.

    Raises
    ------
    ConfigurationError
        With every problem of all files, one line each: ``file:line:column: key: what is wrong (hint)``.
    """
    problems = Problems()
    main = _read_main(Path(path), problems, check_files)
    loaded = _read_procedure(main, procedure, problems, check_files) if main else None
    problems.raise_if_any()
    assert main is not None
    assert loaded is not None
    return Configuration(main.config, loaded)


def load_main(path: Path | str, *, check_files: bool = True) -> MainConfig:
    """The main file alone; its procedures are not looked at.

    Raises
    ------
    ConfigurationError
        As `load`.
    """
    problems = Problems()
    main = _read_main(Path(path), problems, check_files)
    if main:
        asked = [step for step in STEPS if main.checked.given("resources", step)]
        checks.check_resources(main.checked, asked)
        slurm_checks.check_slurm(main.checked, asked)
    problems.raise_if_any()
    assert main is not None
    return main.config


def load_procedure(main: MainConfig, name: str | None = None, *, check_files: bool = True) -> Procedure:
    """One procedure of a site's library (the default one unless named).

    Raises
    ------
    ConfigurationError
        As `load`.
    """
    return load(main.path, name, check_files=check_files).procedure


def procedure_names(main: MainConfig) -> tuple[str, ...]:
    """The names of all procedures in a site's library, in the order of its files.

    Raises
    ------
    ConfigurationError
        As `load`.
    """
    problems = Problems()
    read = _read_main(main.path, problems, check_files=False)
    library = read_library(read.checked, problems) if read else []
    problems.raise_if_any()
    return tuple(str(entry.values["name"]) for entry in library)


@dataclass(frozen=True, slots=True)
class _Main:
    """A main file, checked and built; the result counts only if no problem was noted."""

    checked: Checked
    config: MainConfig


def _read_main(path: Path, problems: Problems, check_files: bool) -> _Main | None:
    document = read_yaml(path, problems)
    if document is None:
        return None
    checked = check_main(document, problems)
    site = build_site(checked)
    slurm_checks.check_options(checked)
    slurm_checks.check_alternatives(checked)
    config = build_main(checked, site, procedure_files(checked))
    if check_files:
        checks.check_folders(checked, site)
        slurm_checks.check_environment_files(checked, config.executor.slurm.environment)
    return _Main(checked, config)


def _read_procedure(main: _Main, name: str | None, problems: Problems, check_files: bool) -> Procedure | None:
    before = len(problems)
    library = read_library(main.checked, problems)
    broken = len(problems) > before or not main.checked.sound("procedures")
    chosen = choose(main.checked, library, name, quiet=broken)
    if chosen is None:
        return None
    site = main.config.site
    used = used_steps(chosen.values)
    checks.check_resources(main.checked, used)
    slurm_checks.check_slurm(main.checked, used)
    checks.check_together(chosen)
    procedure = build_procedure(chosen, site.base)
    if check_files:
        checks.check_site_for(main.checked, site, chosen.values)
        checks.check_models(main.checked, chosen, site, procedure)
    return procedure
