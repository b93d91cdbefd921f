"""All checks, each in a process of its own, and all at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path

from osa_luigi.config import Configuration, load, validate
from osa_luigi.errors import ConfigurationError
from osa_luigi.tasks.doctor import cluster, folders, machine, services
from osa_luigi.tasks.doctor.apart import Apart, Check
from osa_luigi.tasks.doctor.finding import Finding, bad, ok

LIMIT_S = 30.0
SUBMIT_S = 120.0
"""For so long a job may wait in the queue, if one is asked for."""


def checkup(
    config: Path, procedure: str | None, *, submit: bool, limit_s: float = LIMIT_S
) -> Iterator[tuple[str, Finding]]:
    """Area and finding, in the order of the areas.

    Parameters
    ----------
    submit
        Also a job of a second on the cluster.
    limit_s
        After so long a check is given up.
    """
    yield from _gathered({"configuration": partial(valid, config, procedure), "software": machine.software}, limit_s)
    try:
        configuration = load(config, procedure, check_files=False)
    except (ConfigurationError, OSError):
        return  # said; the rest goes by it
    yield from _gathered(dict(_checks(configuration)), limit_s)
    executor = configuration.main.executor
    if submit and executor.type == "slurm":
        waiting = partial(cluster.job, executor.slurm, configuration.main.site.paths.running_analysis, SUBMIT_S)
        yield from _gathered({"job": waiting}, SUBMIT_S + limit_s)


def _checks(configuration: Configuration) -> Iterator[tuple[str, Check]]:
    areas: Mapping[str, Callable[[Configuration], Iterable[Finding]]] = {
        "folders": folders.folders,
        "file systems": folders.file_systems,
        "links": folders.links,
        "room": folders.room,
        "sharing": folders.sharing,
        "machine": machine.limits,
        "ledger": services.ledger,
    }
    yield from ((area, partial(check, configuration)) for area, check in areas.items())
    yield "luigid", services.luigid
    if configuration.main.executor.type == "slurm":
        yield "SLURM", partial(cluster.cluster, configuration.main.executor.slurm)


def _gathered(checks: Mapping[str, Check], limit_s: float) -> Iterator[tuple[str, Finding]]:
    running = {area: Apart.start(check) for area, check in checks.items()}
    until = time.monotonic() + limit_s
    for area, one in running.items():
        yield from ((area, finding) for finding in one.findings(until))


def valid(config: Path, procedure: str | None) -> Iterator[Finding]:
    """All that `osa config validate` says."""
    procedures, problems = validate(config, procedure)
    for problem in problems:
        yield bad(problem, "Correct it; `osa config validate` lists all problems.")
    if not problems:
        yield ok(f"{config}: good (procedures: {', '.join(procedures)})")
