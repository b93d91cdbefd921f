"""From checked values to the frozen dataclasses of the model."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from osa_luigi.config import checks
from osa_luigi.config import model as m
from osa_luigi.config.frozen import FrozenMapping, freeze, thaw
from osa_luigi.config.lstchain_config import lstchain_version, resolve
from osa_luigi.config.model_choice import ModelChoice, built
from osa_luigi.config.paths import PathError, located
from osa_luigi.config.problems import Key
from osa_luigi.config.selection_checks import build_select
from osa_luigi.config.validate import Checked


def build_main(checked: Checked, site: m.Site, procedures: Iterable[Path]) -> m.MainConfig:
    """A main file's result; it counts only if no problem was noted."""
    values = checked.values
    executor = values["executor"]
    return m.MainConfig(
        path=_absolute(checked.document.path),
        site=site,
        procedures=tuple(_absolute(path) for path in procedures),
        default_procedure=values["default_procedure"],
        executor=m.Executor(executor["type"], m.LocalExecutor(**executor["local"]), _slurm(checked)),
        ledger=m.Ledger(**values["ledger"]),
        report=m.Report(**values["report"]),
        publication=_publication(checked, site),
        retention=m.Retention(**values["retention"]),
        morning=m.Morning(**values["morning"]),
        resources=FrozenMapping({step: _resources(need) for step, need in values["resources"].items()}),
        log_level=values["log_level"],
        settings=freeze(values),
        origins=FrozenMapping(checked.document.origins()),
    )


def _publication(checked: Checked, site: m.Site) -> m.Publication:
    values = dict(checked.get("publication"))
    root = _path(checked, ("publication", "root"), values.pop("root") or ".", site.base)
    return m.Publication(root=root, **{name: freeze(value) for name, value in values.items()})


def _resources(need: Mapping[str, Any]) -> m.Resources:
    return m.Resources(need["memory_mb"], 60.0 * need["time_limit_minutes"], need["cores"])


def _slurm(checked: Checked) -> m.SlurmExecutor:
    values = dict(checked.get("executor", "slurm"))
    place = m.SlurmPlace(**{name: freeze(values.pop(name)) for name in _PLACE})
    steps = {step: _place(place, own) for step, own in values.pop("steps").items() if own is not None}
    return m.SlurmExecutor(
        place=place,
        steps=FrozenMapping(steps),
        retries=FrozenMapping(values.pop("retries")),
        growth=m.SlurmGrowth(**values.pop("growth")),
        environment=_environment(checked, values.pop("environment")),
        **values,
    )


_PLACE = ("partition", "account", "qos", "nice", "throttle", "extra")


def _place(general: m.SlurmPlace, own: Mapping[str, Any]) -> m.SlurmPlace:
    """Where a step's jobs go: what it does not say is as for all, and its options come after those for all."""
    said = {name: value for name, value in own.items() if value is not None and name != "extra"}
    return replace(general, **said, extra=(*general.extra, *own["extra"]))


def _environment(checked: Checked, values: Mapping[str, Any]) -> m.SlurmEnvironment:
    here = _absolute(checked.document.path).parent
    key = ("executor", "slurm", "environment")
    image = values["image"] is not None
    paths = {
        name: None if values[name] is None else _path(checked, (*key, name), values[name], here)
        for name in ("image", "archive")
    }
    python = values["python"]
    if python is not None and not (image and "/" not in python):  # in an image a bare name is looked for in its PATH
        python = _path(checked, (*key, "python"), python, here)
    return m.SlurmEnvironment(
        prologue=tuple(values["prologue"]),
        python=Path(python) if python is not None else None,
        local_folder=Path(values["local_folder"]),
        **paths,
    )


def build_site(checked: Checked) -> m.Site:
    """The site with absolute paths; `site.base` is relative to the file, the others to the base."""
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
    """The path a setting means; a malformed one is reported and stays the folder it is relative to."""
    try:
        return located(text, folder)
    except PathError as error:
        checked.report(key, str(error))
        return folder


def build_procedure(checked: Checked, base: Path) -> m.Procedure:
    """A procedure with resolved lstchain configurations; `base` is the site's."""
    values = thaw(checked.values)
    dl1ab = values["dl1ab"]
    return m.Procedure(
        path=_absolute(checked.document.path),
        name=values["name"],
        type=values["type"],
        production_id=_production_id(checked),
        select=build_select(checked),
        gain_selection=m.GainSelection(**values["gain_selection"]),
        calibration=_calibration(checked, values["calibration"]),
        r0_to_dl1=m.R0ToDl1(**_resolved(checked, "r0_to_dl1", over_standard=True)),
        cat_b=m.CatB(**_resolved(checked, "cat_b")),
        tailcuts=m.Tailcuts(**values["tailcuts"]),
        dl1ab=m.Dl1ab(_dl1ab_config(checked), dl1ab["images"], dl1ab["pedestal_cleaning"], dl1ab["calibration"]),
        datacheck=m.Datacheck(**values["datacheck"]),
        merge=m.Merge(**values["merge"]),
        dl2=_dl2(checked, base),
        longterm=m.Longterm(**values["longterm"]),
        discard=m.DiscardRules(**{name: freeze(value) for name, value in values["decisions"]["discard"].items()}),
        fake=_fake(values["fake"]),
        settings=freeze(values),
        origins=FrozenMapping(checked.document.origins()),
    )


def _calibration(checked: Checked, values: Mapping[str, Any]) -> m.Calibration:
    return m.Calibration(
        look_back_days=values["look_back_days"],
        drs4_baseline=m.Drs4Baseline(**values["drs4_baseline"]),
        time=m.TimeCalibration(**values["time"]),
        charge=m.ChargeCalibration(**_resolved(checked, "calibration", "charge")),
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


def _dl2(checked: Checked, base: Path) -> m.Dl2:
    values = _resolved(checked, "dl2", over_standard=True)
    text = values["models"]
    models = None if text is None else _path(checked, ("dl2", "models"), text, base)
    return m.Dl2(values["enabled"], models, values["config"], _model_choice(checked, values["model_choice"], base))


def _model_choice(checked: Checked, values: Mapping[str, Any] | None, base: Path) -> ModelChoice | None:
    if values is None or not checked.sound("dl2", "model_choice"):
        return None
    return built(values, _path(checked, ("dl2", "model_choice", "base"), values["base"], base))


def _fake(values: Mapping[str, Any] | None) -> m.Fake | None:
    if values is None:
        return None
    return m.Fake(**{name: freeze(value) for name, value in values.items()})
