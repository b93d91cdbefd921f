"""Find one step of a night's plan by what an operator types."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from difflib import get_close_matches
from pathlib import Path

import click

from osa_luigi.cli import options
from osa_luigi.config import load
from osa_luigi.errors import NightError
from osa_luigi.night import compact, leave_out_damaged, scan_raw
from osa_luigi.products.production import Production
from osa_luigi.steps.call import StepCall
from osa_luigi.steps.catalogue import STEPS
from osa_luigi.steps.planner import run_summary_group
from osa_luigi.tasks.opening import night_paths
from osa_luigi.tasks.session import Session

RUN_SUMMARY = "run_summary"
"""The one step that does not stand in a night's plan: the plan is made from what it makes."""

SHOWN = 8


def check_step(name: str) -> None:
    """A wrong step's name is wrong usage, with a suggestion."""
    if name not in STEPS:
        near = get_close_matches(name, STEPS, n=1)
        hint = f"Did you mean {near[0]}? " if near else ""
        raise click.UsageError(f"No such step {name!r}. {hint}The steps are {', '.join(STEPS)}.")


def run_summary_call(
    config_file: Path | None, day: date, unit: str, *, to_write: bool = False
) -> tuple[Production, StepCall]:
    """The step that makes a night's run summary, which needs none yet."""
    if unit not in ("night", compact(day)):
        raise click.UsageError(f"{RUN_SUMMARY} is made for the night as a whole: its unit is night, not {unit!r}.")
    configuration = load(options.the_config(config_file), to_write=to_write)
    paths = night_paths(configuration)
    scan = scan_raw(paths.r0, paths.r0g, day)
    if to_write:
        scan, left_out = leave_out_damaged(scan)
        for reason in left_out:
            click.echo(reason, err=True)
    group = run_summary_group(configuration, day, scan)
    return group.production, group.calls[0]


def planned_call(session: Session, step: str, unit: str) -> tuple[Production, StepCall]:
    """A step of the plan.

    Raises
    ------
    NightError
        The plan does not hold it.
    """
    calls = session.plan.calls
    found = calls.get(f"{step}.{unit}")
    if found is None:
        raise NightError(_not_planned(session, step, unit, (call for _, call in calls.values())))
    return found


def _not_planned(session: Session, step: str, unit: str, calls: Iterable[StepCall]) -> str:
    units = [call.unit for call in calls if call.step == step]
    where = f"night {session.plan.night.date.isoformat()}, production {session.plan.production.id}"
    if not units:
        return f"{step}: not part of the plan of {where}: its procedure does not ask for it"
    near = get_close_matches(unit, units, n=3)
    hint = f"Did you mean {', '.join(near)}? " if near else ""
    more = f", … ({len(units)} in all)" if len(units) > SHOWN else ""
    return f"{step} {unit}: not part of the plan of {where}. {hint}Its units are {', '.join(units[:SHOWN])}{more}."
