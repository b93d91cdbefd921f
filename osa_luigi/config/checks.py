"""What a schema cannot say: values that do not go together, resources that cannot be had, files that are not there."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from osa_luigi.config.frozen import FrozenMapping
from osa_luigi.config.main_schema import STEPS
from osa_luigi.config.model import LocalExecutor, Procedure, Site
from osa_luigi.config.model_choice_checks import check_model_choice
from osa_luigi.config.paths import not_a_folder, not_writable
from osa_luigi.config.problems import Key, suggestion
from osa_luigi.config.procedure_schema import STANDARD_CONFIG
from osa_luigi.config.validate import Checked

CLEANINGS = ("tailcut", "tailcuts_clean_with_pedestal_threshold")
THRESHOLDS = ("picture_thresh", "boundary_thresh")
_PASSWORD = re.compile(r"[^/]*://[^/@:]*:([^/]+)@")
_VARIABLES = re.compile(r"(\$\{\w+\})+", re.ASCII)
IDLE = "has no effect where tailcuts.source is per_run"


def check_resources(main: Checked, steps: Iterable[str]) -> None:
    """No step may ask for more than this machine's pool has; what a cluster has, the cluster says."""
    if main.get("executor", "type") != "local":
        return
    local = main.get("executor", "local")
    executor = LocalExecutor(cores=local["cores"], memory_mb=local["memory_mb"])
    totals = {"memory_mb": (executor.total_memory_mb(), " MB"), "cores": (executor.total_cores(), "")}
    for name, (total, unit) in totals.items():
        for step in steps:
            _check_resource(main, step, name, total, unit)


def _check_resource(main: Checked, step: str, name: str, total: int, unit: str) -> None:
    # In the place of a wrong value stands its default, which nobody asked for.
    if not (main.good("resources", step, name) and main.good("executor", "local", name)):
        return
    wanted = main.get("resources", step, name)
    given = main.given("resources", step, name)
    if wanted <= total:
        return
    limited = main.get("executor", "local", name) is not None
    default = "" if given else ", by default"
    budget = "executor.local" if limited else "this machine's share"
    text = f"{step} asks for {wanted}{unit}{default}; the executor has only {total}{unit} ({budget})"
    blamed = ("executor", "local", name) if limited and not given else ("resources", step, name)
    main.report(blamed, text)


def check_folders(main: Checked, site: Site) -> None:
    """What every procedure needs of a site is there."""
    _check_base(main, site)
    if not os.path.lexists(site.paths.r0g):
        _check_input(main, site, "r0")


def check_writable(main: Checked, site: Site) -> None:
    """What a run writes to can be written; who only reads need not ask."""
    for name in ("run_summary", "running_analysis", "numba_cache"):
        _check_output(main, site, name)


def _check_base(main: Checked, site: Site) -> None:
    trouble = not_a_folder(site.base)
    if trouble and main.good("site", "base"):
        main.report(("site", "base"), trouble)


def _check_input(main: Checked, site: Site, name: str) -> None:
    path = getattr(site.paths, name)
    trouble = not_a_folder(path)
    if trouble and _matters(main, site, name, path):
        main.report(("site", "paths", name), trouble)


def _check_output(main: Checked, site: Site, name: str) -> None:
    path = getattr(site.paths, name)
    trouble = not_writable(path)
    if trouble and _matters(main, site, name, path):
        main.report(("site", "paths", name), trouble)


def _matters(main: Checked, site: Site, name: str, path: Path) -> bool:
    """Whether trouble with a folder is news: not when the setting or the base it lies in is known to be wrong."""
    return main.good("site", "paths", name) and _base_is_good(main, site, path)


def _base_is_good(main: Checked, site: Site, path: Path) -> bool:
    return main.good("site", "base") or not path.is_relative_to(site.base)


def check_models(main: Checked, checked: Checked, site: Site, procedure: Procedure) -> None:
    """The random forests are there, where they are needed."""
    models, key = procedure.dl2.models, "models"
    if choice := procedure.dl2.choice:
        models, key = choice.base, "model_choice"
    if models is None or procedure.fake is not None or not procedure.dl2.enabled:
        return
    trouble = not_a_folder(models)
    if trouble and checked.good("dl2", key) and _base_is_good(main, site, models):
        checked.report(("dl2", key) if key == "models" else ("dl2", key, "base"), trouble)


def check_site_for(main: Checked, site: Site, procedure: Mapping[str, Any]) -> None:
    """What this procedure needs of the site is there."""
    if procedure["gain_selection"]["enabled"]:
        _check_input(main, site, "r0")
    if procedure["fake"] is not None:
        return
    _check_input(main, site, "drive")
    if procedure["calibration"]["time"]["source"] == "site":
        _check_input(main, site, "time_calibration")
    if procedure["calibration"]["charge"]["systematics"]:
        _check_input(main, site, "systematics")


def check_ledger(main: Checked) -> None:
    """A password in the file is read by whoever reads the file, and printed by ``osa config show``."""
    url = main.get("ledger", "url")
    written = _PASSWORD.match(url) if url and main.good("ledger", "url") else None
    if written and not _VARIABLES.fullmatch(written[1]):
        main.report(
            ("ledger", "url"), "must not hold a password: leave it out, and set OSA_LEDGER_PASSWORD in the environment"
        )


def check_together(procedure: Checked) -> None:
    """Settings of a procedure that contradict each other."""
    for broken, key, text in (
        (
            _flatfield_range(procedure),
            ("calibration", "charge", "min_flatfield_adc"),
            "must be below max_flatfield_adc",
        ),
        (
            _no_models(procedure),
            ("dl2", "models"),
            "is needed where dl2.enabled is true: the folder of the random forests, or how they are chosen (dl2.model_choice)",
        ),
        (_unmerged_dl2(procedure), ("merge", "dl1"), "must be true where dl2.enabled is: DL2 is made of merged files"),
        (_blind_longterm(procedure), ("longterm", "enabled"), "needs datacheck.enabled: true (or set it to false)"),
        (_idle_tailcuts(procedure), ("dl1ab", "tailcuts"), IDLE),
        (_idle_overrides(procedure), ("dl1ab", "overrides"), f"{IDLE}: lstchain takes the found levels only"),
        (_idle_config(procedure), ("dl1ab", "config"), f"{IDLE}: lstchain adds its standard to the found levels"),
        (
            _per_run(procedure) and not procedure.get("dl1ab", "pedestal_cleaning"),
            ("dl1ab", "pedestal_cleaning"),
            "must be true where tailcuts.source is per_run: only levels for it are found",
        ),
    ):
        if broken and procedure.good(*key):
            procedure.report(key, text)
    _check_tailcuts_twice(procedure)
    check_model_choice(procedure)
    _check_patterns(procedure)


def _flatfield_range(procedure: Checked) -> bool:
    charge = procedure.get("calibration", "charge")
    return bool(charge["min_flatfield_adc"] >= charge["max_flatfield_adc"])


def _no_models(procedure: Checked) -> bool:
    real = procedure.get("fake") is None
    chosen = procedure.get("dl2", "model_choice") is not None
    return real and not chosen and procedure.get("dl2", "enabled") and procedure.get("dl2", "models") is None


def _unmerged_dl2(procedure: Checked) -> bool:
    return procedure.get("dl2", "enabled") and not procedure.get("merge", "dl1")


def _blind_longterm(procedure: Checked) -> bool:
    return procedure.get("longterm", "enabled") and not procedure.get("datacheck", "enabled")


def _per_run(procedure: Checked) -> bool:
    return bool(procedure.get("tailcuts", "source") == "per_run")


def _idle_tailcuts(procedure: Checked) -> bool:
    short = procedure.get("dl1ab", "tailcuts") or {}
    return _per_run(procedure) and any(value is not None for value in short.values())


def _idle_overrides(procedure: Checked) -> bool:
    return _per_run(procedure) and bool(procedure.get("dl1ab", "overrides"))


def _idle_config(procedure: Checked) -> bool:
    return _per_run(procedure) and procedure.get("dl1ab", "config") != STANDARD_CONFIG


def _check_tailcuts_twice(procedure: Checked) -> None:
    short = procedure.get("dl1ab", "tailcuts") or {}
    for name, value in short.items():
        for cleaning in CLEANINGS:
            key = ("dl1ab", "overrides", cleaning, name)
            if value is not None and procedure.given(*key):
                procedure.report(key, f"is set twice, here and as dl1ab.tailcuts.{name} (leave one out)")


def _check_patterns(procedure: Checked) -> None:
    for name, patterns in (procedure.get("fake") or {}).items():
        if isinstance(patterns, list) and procedure.sound("fake", name):
            for index, pattern in enumerate(patterns):
                _check_pattern(procedure, ("fake", name, index), pattern)


def _check_pattern(procedure: Checked, key: Key, pattern: str) -> None:
    step, colon, _ = pattern.partition(":")
    if not colon:
        procedure.report(key, f"{pattern!r} is no pattern: write step:unit, as r0_to_dl1:Run02003.0001 or *:Run02003*")
    elif not fnmatch.filter(STEPS, step):
        procedure.report(key, f"no step is called {step!r} {suggestion(step, STEPS)}")


def check_cleaning(procedure: Checked, section: str, config: FrozenMapping) -> None:
    """No boundary threshold above its picture threshold in a resolved lstchain configuration."""
    for cleaning in CLEANINGS:
        levels = config.get(cleaning)
        if isinstance(levels, Mapping):
            _check_levels(procedure, section, cleaning, levels)


def _check_levels(procedure: Checked, section: str, cleaning: str, levels: Mapping[str, Any]) -> None:
    picture, boundary = (levels.get(name) for name in THRESHOLDS)
    if not (isinstance(picture, int | float) and isinstance(boundary, int | float)):
        return
    if boundary > picture:
        key = _set_at(procedure, section, cleaning)
        procedure.report(key, f"boundary_thresh {boundary} is above picture_thresh {picture} in {cleaning}")


def _set_at(procedure: Checked, section: str, cleaning: str) -> Key:
    """Where the file sets the thresholds; its configuration file if nowhere."""
    for name in reversed(THRESHOLDS):
        for key in ((section, "tailcuts", name), (section, "overrides", cleaning, name)):
            if procedure.given(*key):
                return key
    return (section, "config")
