"""``osa plan``: what would run for a night, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from osa_luigi.cli import options
from osa_luigi.cli.tables import plain_table, print_table
from osa_luigi.errors import NightError
from osa_luigi.products.decisions import about
from osa_luigi.steps.plan import NightPlan
from osa_luigi.tasks.notices import left_out, newer_calibration, not_selected
from osa_luigi.tasks.outlook import REFUSED, TO_MAKE, Kind, Outlook, outlooks

SHOWN = 10
"""Differences that the summary shows; --all shows every step's."""


@click.command()
@options.night
@click.option("--run", "run_id", type=int, help="Only this run.")
@click.option("--all", "every", is_flag=True, help="List every step of every unit, with its reason.")
@options.as_json
def plan(
    day: date,
    production: str,
    procedure: str | None,
    config_file: Path | None,
    run_id: int | None,
    every: bool,
    as_json: bool,
) -> None:
    """What would run for a night and why, by the rules that the run itself goes by. Starts nothing.

    A step is to be made because it is new, has grown (there are more subruns than it was made from), or was lost. What another
    production of the night holds under the same step key is linked. What was made with other scientific settings under the same
    production id is a conflict: the run would be refused; where only a unit's own input changed, that unit would be.

    \b
    Examples:
        osa plan --date 2024-11-15
        osa plan --date 2024-11-15 --production tight --run 2003 --all

    \b
    Exit codes: 0 it can run, 1 conflicts, 3 the configuration or the night is wrong.
    """
    session = options.open_night(config_file, day, production, procedure)
    items = _chosen(session.plan, list(outlooks(session).values()), run_id)
    if as_json:
        options.print_json(_data(session.plan, items, every=every))
    else:
        _print(session.plan, items, every=every)
    if any(item.kind in REFUSED for item in items):
        raise click.exceptions.Exit(1)


def _chosen(plan: NightPlan, items: list[Outlook], run_id: int | None) -> list[Outlook]:
    if run_id is None:
        return items
    run = plan.night.run(run_id)  # says which runs there are
    chosen = [item for item in items if item.call.unit.partition(".")[0] == run.label]
    if left_out := about(plan.decided, run.label):
        raise NightError(f"{run.label} is left out, by {left_out[-1]}. `osa undo` takes that back.")
    if not chosen:
        raise NightError(
            f"{run.label} is a {run.run_type} run that this night's plan does not use: nothing is done for it"
        )
    return chosen


def summary(items: Sequence[Outlook]) -> list[dict[str, Any]]:
    """Per step, in the order of the chain: how many units, and how they stand."""
    steps: dict[str, Counter[Kind]] = {}
    linked: dict[str, Counter[str]] = {}
    for item in items:
        steps.setdefault(item.call.step, Counter())[item.kind] += 1
        if item.kind is Kind.LINK:
            linked.setdefault(item.call.step, Counter())[item.detail[0]] += 1
    return [
        {
            "step": step,
            "units": counts.total(),
            **{str(kind): counts[kind] for kind in Kind},
            "linked_from": dict(linked.get(step, {})),
        }
        for step, counts in steps.items()
    ]


def _data(plan: NightPlan, items: Sequence[Outlook], *, every: bool) -> dict[str, Any]:
    source = plan.source
    data: dict[str, Any] = {
        "date": plan.night.date.isoformat(),
        "production": plan.production.id,
        "folder": str(plan.production.root),
        "calibration": source
        and {
            "date": source.date.isoformat(),
            "drs4_run": source.drs4_run,
            "pedcal_run": source.pedcal_run,
            "of_this_night": source.date == plan.night.date,
        },
        "newer_calibration": plan.newer
        and {
            "date": plan.newer.date.isoformat(),
            "drs4_run": plan.newer.drs4_run,
            "pedcal_run": plan.newer.pedcal_run,
        },
        "data_runs": list(plan.runs),
        "unlisted_runs": list(plan.night.unlisted_runs),
        "left_out": list(plan.decided),
        "erroneous_runs": [run.run_id for run in plan.night.erroneous],
        "unselected_runs": dict(plan.night.unselected),
        "to_make": sum(item.kind in TO_MAKE for item in items),
        "steps": summary(items),
        "conflicts": [item.as_json() for item in items if item.kind in REFUSED],
    }
    if every:
        data["all"] = [item.as_json() for item in items]
    return data


def _print(plan: NightPlan, items: Sequence[Outlook], *, every: bool) -> None:
    click.echo(_head(plan))
    if plan.decided:
        click.echo(f"Left out: {', '.join(plan.decided)} (`osa decisions` says why)")
    if plan.night.unlisted_runs:
        runs = ", ".join(map(str, plan.night.unlisted_runs))
        click.echo(f"Raw files of runs that the run summary lacks: {runs}. Make the run summary again to include them.")
    if plan.night.erroneous:
        click.echo(f"Mind: {left_out(plan.night)}.")
    if plan.night.unselected:
        click.echo(f"By the procedure's `select` {not_selected(plan.night)}.")
    print_table(_every(items) if every else _summary_table(items))
    for line in (*_conclusion(items), *_choices(items, every=every)):
        click.echo(line)


def _head(plan: NightPlan) -> str:
    source, night = plan.source, plan.night
    subruns = sum(len(run.run.subruns) for run in plan.runs.values())
    head = f"Night {night.date.isoformat()}, production {plan.production.id}: {len(plan.runs)} DATA runs, {subruns} subruns"
    if source is None:
        return f"{head}\nCalibration: none; the event builder has calibrated the data"
    none = "" if night.has_calibration else ": this night has none"
    whose = "this night's" if source.date == night.date else f"of {source.date.isoformat()}{none}"
    used = f"{head}\nCalibration: DRS4 run {source.drs4_run}, PEDCALIB run {source.pedcal_run} ({whose})"
    return f"{used}; {newer_calibration(plan.newer)}" if plan.newer else used


def _summary_table(items: Sequence[Outlook]) -> Table:
    table = plain_table("Step", "Units", "New", "Grown", "Lost", "Made already", "Linked from", "Conflicts")
    for row in summary(items):
        linked = ", ".join(f"{origin}: {count}" for origin, count in row["linked_from"].items())
        refused = row["conflict"] + row["foreign"]
        numbers = (row["units"], row["new"], row["grown"], row["lost"], row["made"])
        table.add_row(row["step"], *(str(n or "") for n in numbers), linked, str(refused or ""))
    return table


def _every(items: Sequence[Outlook]) -> Table:
    table = plain_table("Step", "Unit", "", "Why")
    for item in items:
        why = f"{item.why}; {item.choice}" if item.choice else item.why
        table.add_row(item.call.step, item.call.unit, str(item.kind), why)
    return table


def _conclusion(items: Sequence[Outlook]) -> list[str]:
    refused = [item for item in items if item.kind in REFUSED]
    if not refused:
        make, link = (sum(item.kind in kinds for item in items) for kinds in (TO_MAKE, (Kind.LINK,)))
        return [f"{make} steps to be made, {link} to be linked, {sum(item.made for item in items)} made already."]
    told = Counter(f"{item.call.step}: {line}" for item in refused for line in item.detail)
    lines = [f"  {line} ({count} units)" for line, count in list(told.items())[:SHOWN]]
    more = [f"  … and {len(told) - SHOWN} more (--all lists every step)"] if len(told) > SHOWN else []
    return [
        f"{len(refused)} steps would be refused: made otherwise before, or a file without a receipt in their place:",
        *lines,
        *more,
        _advice(refused),
    ]


def _choices(items: Sequence[Outlook], *, every: bool) -> Iterator[str]:
    """What was chosen run by run; what could not be, is told in any case."""
    lacking = {item.call.unit: str(item.call.chosen["lacks"]) for item in items if "lacks" in item.call.chosen}
    for text in dict.fromkeys(lacking.values()):
        units = [unit for unit, said in lacking.items() if said == text]
        yield f"Mind: DL2 of {', '.join(units[:SHOWN])} cannot be made: {text}"
    if not every:
        chosen = Counter(str(item.chosen.get("models", "")) for item in items if "why" in item.chosen)
        for models, count in chosen.items():
            yield f"Models of {count} runs: {models or 'chosen once the NSB of the run is found'} (--all says why)."


def _advice(refused: Sequence[Outlook]) -> str:
    if any(item.refuses_night for item in refused):
        return (
            "Nothing would be made. Give the new settings a production id of their own (--production), or restore the settings; "
            "move foreign files aside."
        )
    return (
        "All that does not need them would be made. Restore their inputs, or give the night another production id (--production); "
        "move foreign files aside."
    )
