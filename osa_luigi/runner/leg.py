"""Run the calls of a job in order, as one process that imported lstchain once does."""

from __future__ import annotations

import importlib
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from osa_luigi.errors import OsaError
from osa_luigi.products.production import Production
from osa_luigi.products.receipt import current_receipt
from osa_luigi.products.scratch import scratches
from osa_luigi.runner.attempt import Result, attempt
from osa_luigi.runner.environment import prepare, stay_offline
from osa_luigi.steps.behaviour import behaviour
from osa_luigi.steps.call import StepCall

Report = Callable[[StepCall, Result | None], None]
"""Told of each call twice: when it starts (without a result), and when it ended."""


def run_calls(production: Production, calls: Iterable[StepCall], report: Report) -> bool:
    """Run calls in order; the first failure ends the leg, since what follows needs it.

    Returns
    -------
    bool
        Whether every call's products are there.
    """
    for call in calls:
        report(call, None)
        result = attempt(production, call)
        report(call, result)
        if not result.good:
            return False
    return True


def warm_up(calls: Iterable[StepCall], cache: Path) -> None:
    """Import once what the tools of these calls import, with the environment of a compute node set before.

    Six seconds of CPU and 55,000 file-system calls that each forked attempt then does not pay.
    """
    prepare(os.environ, cache)
    modules = {behaviour(call).command(call).tool.entry.partition(":")[0] for call in calls if call.fake is None}
    for module in sorted(modules):
        importlib.import_module(module)
    if modules:
        stay_offline()


def sweep_scratch(production: Production) -> int:
    """Remove what attempts left when they were killed; returns how many.

    Only folders of attempts that surely have ended, and that no committed receipt still waits for, are removed.
    """
    swept = 0
    for scratch in scratches(production):
        if scratch.alive() is False and not awaited(production, scratch.name, scratch.folder):
            shutil.rmtree(scratch.folder, ignore_errors=True)
            swept += 1
    return swept


def awaited(production: Production, name: str, folder: Path) -> bool:
    """Whether files of a committed receipt still lie in a folder; if nobody can tell, they do."""
    step, _, unit = name.partition(".")
    try:
        receipt = current_receipt(production, step, unit)
        waiting = [production.root / made.scratch for made in receipt.outputs] if receipt else []
        return any(path.is_relative_to(folder) and path.exists() for path in waiting)
    except (OsaError, OSError):
        return True
