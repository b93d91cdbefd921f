"""From YAML files to a Configuration: everything is validated before anything runs, and all problems are said at once."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from osa_luigi.config import checks
from osa_luigi.config import model as m
from osa_luigi.config.frozen import FrozenMapping, freeze, thaw
from osa_luigi.config.lstchain_config import lstchain_version, resolve
from osa_luigi.config.paths import PathError, located
from osa_luigi.config.problems import Key, Problems, dotted, suggestion
from osa_luigi.config.schema import STEPS
from osa_luigi.config.validate import Checked, check_main, check_procedure
from osa_luigi.config.yamlfile import Document, read_yaml


def load(path: Path | str, procedure: str | None = None, *, check_files: bool = True) -> m.Configuration:
    """The main file and one of its procedures (the default one unless named).

    `check_files` also looks whether folders and models are there; configurations of lstchain are always read.

    Raises
    ------
    ConfigurationError
        With every problem of all files, one line each: ``file:line:column: key: what is wrong (hint)``.
    """
    problems = Problems()
    main = _main(Path(path), problems, check_files)
    problems_of_main = len(problems)
    library = _library(main.checked, problems) if main else []
    chosen = _chosen(main, library, procedure, len(problems) > problems_of_main) if main else None
    if main and chosen:
        checks.check_resources(main.checked, m.used_steps(chosen.values))
        loaded = _procedure(chosen, main, check_files)
        problems.raise_if_any()
        return m.Configuration(main.config, loaded)
    problems.raise_if_any()
    raise AssertionError("a file that cannot be read leaves a problem")


def load_main(path: Path | str, *, check_files: bool = True) -> m.MainConfig:
    """The main file alone; its procedures are not looked at.

    Raises
    ------
    ConfigurationError
        As `load`.
    """
    problems = Problems()
    main = _main(Path(path), problems, check_files)
    if main:
        asked = [step for step in STEPS if main.checked.given("resources", step)]
        checks.check_resources(main.checked, asked)
    problems.raise_if_any()
    assert main is not None
    return main.config


def load_procedure(main: m.MainConfig, name: str | None = None, *, check_files: bool = True) -> m.Procedure:
    """One procedure of a site's library (the default one unless named).

    Raises
    ------
    ConfigurationError
        As `load`.
    """
    return load(main.path, name, check_files=check_files).procedure


def procedure_names(main: m.MainConfig) -> tuple[str, ...]:
    """The names of all procedures in a site's library, in the order of its files.

    Raises
    ------
    ConfigurationError
        As `load`.
    """
    problems = Problems()
    draft = _main(main.path, problems, check_files=False)
    library = _library(draft.checked, problems) if draft else []
    problems.raise_if_any()
    return tuple(str(entry.values["name"]) for entry in library)


@dataclass(frozen=True, slots=True)
class _Main:
    """A main file, checked and built; the result counts only if no problem was noted."""

    checked: Checked
    config: m.MainConfig


def _main(path: Path, problems: Problems, check_files: bool) -> _Main | None:
    document = read_yaml(path, problems)
    if document is None:
        return None
    checked = check_main(document, problems)
    site = _site(checked)
    if check_files:
        checks.check_folders(checked, site)
    return _Main(checked, _main_config(checked, site))


def _main_config(checked: Checked, site: m.Site) -> m.MainConfig:
    values = checked.values
    executor = values["executor"]
    return m.MainConfig(
        path=_absolute(checked.document.path),
        site=site,
        procedures=tuple(_absolute(path) for path, _ in _procedure_files(checked)),
        default_procedure=values["default_procedure"],
        executor=m.Executor(executor["type"], m.LocalExecutor(**executor["local"])),
        resources=FrozenMapping({step: _resources(need) for step, need in values["resources"].items()}),
        log_level=values["log_level"],
        settings=freeze(values),
        origins=_origins(checked),
    )


def _resources(need: Mapping[str, Any]) -> m.Resources:
    return m.Resources(need["memory_mb"], 60.0 * need["time_limit_minutes"], need["cores"])


def _site(checked: Checked) -> m.Site:
    values = checked.values["site"]
    here = _absolute(checked.document.path).parent
    base = _path(checked, ("site", "base"), values["base"] or ".", here)
    paths = {
        name: None if text is None else _path(checked, ("site", "paths", name), text, base)
        for name, text in values["paths"].items()
    }
    return m.Site(values["name"], values["telescope"], base, m.Paths(**paths))  # type: ignore[arg-type]


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100 (Path.resolve would follow links)


def _path(checked: Checked, key: Key, text: str, folder: Path) -> Path:
    try:
        return located(text, folder)
    except PathError as error:
        checked.report(key, str(error))
        return folder


def _procedure_files(main: Checked) -> Iterator[tuple[Path, Key]]:
    if not main.good("procedures"):
        return
    for index, text in enumerate(main.values["procedures"]):
        key = ("procedures", index)
        folder = main.document.path.parent
        path = _path(main, key, text, folder)
        if path != folder:
            yield path, key


def _library(main: Checked, problems: Problems) -> list[Checked]:
    """Every procedure of every listed file, checked against the schema; a name stands for one procedure."""
    library: list[Checked] = []
    for path, key in _procedure_files(main):
        if not os.path.lexists(path):
            main.report(key, f"no such file: {path}")
            continue
        library.extend(check_procedure(document, problems) for document in _documents(path, problems))
    _check_names(library)
    return library


def _documents(path: Path, problems: Problems) -> Iterator[Document]:
    document = read_yaml(path, problems)
    if document is None:
        return
    entries = document.value.get("procedures")
    if "procedures" not in document.value:
        yield document
        return
    others = [name for name in document.value if name != "procedures"]
    for name in others:
        problems.add(document.where_name((name,)), name, "unknown key beside 'procedures' (put it into a procedure)")
    if not isinstance(entries, list) or not entries:
        problems.add(document.where(("procedures",)), "procedures", "must be a list of procedures")
        return
    for index, entry in enumerate(entries):
        key = ("procedures", index)
        if isinstance(entry, dict):
            yield document.part(key)
        else:
            problems.add(document.where(key), dotted(key), "must be a procedure: 'key: value' lines")


def _check_names(library: list[Checked]) -> None:
    first: dict[str, Checked] = {}
    for procedure in library:
        name = procedure.values["name"]
        if name in first:
            there = first[name].document.where(("name",)).short
            procedure.report(("name",), f"{name!r} is the name of another procedure, too ({there})")
        elif name is not None:
            first[name] = procedure


def _chosen(main: _Main, library: list[Checked], name: str | None, broken: bool) -> Checked | None:
    """The procedure asked for; None, with a problem noted, if there is none."""
    wanted = name or main.config.default_procedure
    named = {str(entry.values["name"]): entry for entry in library if entry.values["name"]}
    if wanted is None and len(library) == 1:
        return library[0]
    if wanted in named:
        return named[wanted]
    if not broken and library:
        main.checked.report(("default_procedure",), _not_chosen(wanted, list(named)))
    return library[0] if len(library) == 1 and broken else None


def _not_chosen(wanted: str | None, known: list[str]) -> str:
    if wanted is None:
        return f"which procedure? Name one here or ask for one: {', '.join(known)}"
    return f"no procedure {wanted!r} {suggestion(wanted, known)}"


def _procedure(checked: Checked, main: _Main, check_files: bool) -> m.Procedure:
    checks.check_together(checked)
    if check_files:
        checks.check_site_for(main.checked, main.config.site, checked.values)
    values = thaw(checked.values)
    calibration, dl1ab = values["calibration"], values["dl1ab"]
    return m.Procedure(
        path=_absolute(checked.document.path),
        name=values["name"],
        type=values["type"],
        production_id=_production_id(checked),
        gain_selection=m.GainSelection(**values["gain_selection"]),
        calibration=m.Calibration(
            look_back_days=calibration["look_back_days"],
            drs4_baseline=m.Drs4Baseline(**calibration["drs4_baseline"]),
            time=m.TimeCalibration(**calibration["time"]),
            charge=m.ChargeCalibration(**_resolved(checked, "calibration", "charge")),
        ),
        r0_to_dl1=m.R0ToDl1(**_resolved(checked, "r0_to_dl1", over_standard=True)),
        cat_b=m.CatB(**_resolved(checked, "cat_b")),
        tailcuts=m.Tailcuts(**values["tailcuts"]),
        dl1ab=m.Dl1ab(_dl1ab_config(checked), dl1ab["images"], dl1ab["pedestal_cleaning"]),
        datacheck=m.Datacheck(**values["datacheck"]),
        merge=m.Merge(**values["merge"]),
        dl2=_dl2(checked, main, check_files),
        longterm=m.Longterm(**values["longterm"]),
        fake=_fake(values["fake"]),
        settings=freeze(values),
        origins=_origins(checked),
    )


def _production_id(checked: Checked) -> str:
    text = str(checked.values["production_id"])
    version = lstchain_version()
    if "{lstchain}" in text and version is None:
        checked.report(("production_id",), "lstchain is not installed here: write the id without {lstchain}")
    production_id = text.replace("{lstchain}", version or "")
    if len(production_id) > 64:
        checked.report(("production_id",), f"{production_id!r} is longer than 64 characters")
    return production_id


def _resolved(checked: Checked, *section: str, over_standard: bool = False) -> dict[str, Any]:
    """A section's values with its lstchain configuration in the place of its name and overrides."""
    values = dict(checked.get(*section))
    config = resolve(checked, section, over_standard=over_standard)
    checks.check_cleaning(checked, section[0], config)
    del values["overrides"]
    return {**values, "config": config}


def _dl1ab_config(checked: Checked) -> FrozenMapping:
    config = thaw(resolve(checked, ("dl1ab",), over_standard=True))
    for name, value in (checked.get("dl1ab", "tailcuts") or {}).items():
        for cleaning in checks.CLEANINGS:
            if value is not None and isinstance(config.get(cleaning), dict):
                config[cleaning][name] = value
    frozen = FrozenMapping(config)
    checks.check_cleaning(checked, "dl1ab", frozen)
    return frozen


def _dl2(checked: Checked, main: _Main, check_files: bool) -> m.Dl2:
    values = _resolved(checked, "dl2", over_standard=True)
    text = values["models"]
    models = None if text is None else _path(checked, ("dl2", "models"), text, main.config.site.base)
    needed = values["enabled"] and checked.values["fake"] is None and main.checked.good("site", "base")
    if models and needed and check_files:
        checks.check_models(checked, main.config.site, models)
    return m.Dl2(values["enabled"], models, values["config"])


def _fake(values: Mapping[str, Any] | None) -> m.Fake | None:
    if values is None:
        return None
    return m.Fake(**{name: freeze(value) for name, value in values.items()})


def _origins(checked: Checked) -> FrozenMapping:
    """Where the file sets what: full key → ``file:line``."""
    document = checked.document
    root = len(document.root)
    inside = (key for key in document.values if key[:root] == document.root and len(key) > root)
    return FrozenMapping({dotted(key[root:]): document.values[key].short for key in inside})
