"""A night in the terminal: the operator's table, or runs × stages, with what failed, and the conclusion."""

from __future__ import annotations

import click
from rich.table import Table
from rich.text import Text

from osa_luigi.batch.lease import Engine
from osa_luigi.cli.tables import coloured, plain_table, print_table
from osa_luigi.products.production import Production
from osa_luigi.steps.close import Verdict
from osa_luigi.tasks.grid import Cell
from osa_luigi.tasks.overview import Overview, Row, State
from osa_luigi.tasks.verdict import NightVerdict

COLUMNS = (
    *(
        "Tel",
        "Seq",
        "Parent",
        "Type",
        "Run",
        "Subruns",
        "Source",
        "Action",
        "Tries",
        "JobID",
        "State",
        "CPU_time",
        "Exit",
    ),
    *("DL1%", "MUONS%", "CAT-B", "DL1AB%", "DATACHECK%", "DL2%"),
)
"""The table that LST's operators know."""

STYLES = {
    State.CLOSED: "green",
    State.COMPLETED: "green",
    State.RUNNING: "cyan",
    State.FAILED: "bold red",
    State.CONFLICT: "bold red",
    State.PENDING: "",
    State.DISCARDED: "yellow",
    State.VETOED: "yellow",
}

LEVELS = {
    "merge_dl1": "DL1, merged",
    "merge_muons": "muons, merged",
    "run_datacheck": "datacheck",
    "run_plots": "datacheck plots",
    "dl2": "DL2",
    "longterm": "night check",
    "close": "marker",
}
"""Steps whose products a night is made for; the rest lies beside them."""

SHOWN = 3
"""Machines that the table names."""


def print_grid(seen: Overview) -> None:
    """Runs × stages, and the conclusion: 100 columns."""
    stages = list(seen.grid.runs[0].stages) if seen.grid.runs else []
    tight = "R0G" in stages  # a column more than otherwise
    table = plain_table("Run", "Out", *stages)
    for line in seen.grid.runs:
        left_out = coloured(str(line.left_out), "yellow") if line.left_out else coloured("-", "")
        table.add_row(f"{line.run:05d}", left_out, *(_cell(line.stages[name], tight=tight) for name in stages))
    print_table(table)
    if seen.grid.night:
        click.echo("; ".join(f"{name} {cell}" for name, cell in seen.grid.night.items()))
    click.echo("made/declared; ✗ failed, … under way; Out: subruns left out by decisions")
    click.echo(_conclusion(seen))


def _cell(cell: Cell, *, tight: bool) -> Text:
    text = (str(cell).replace(" ", "") if tight else str(cell)) or "-"
    if cell.failed:
        return coloured(text, STYLES[State.FAILED])
    if cell.running:
        return coloured(text, STYLES[State.RUNNING])
    done = cell.declared and cell.made == cell.declared
    return coloured(text, STYLES[State.COMPLETED] if done else "")


def print_overview(seen: Overview) -> None:
    """The table, the failures, the products, the conclusion."""
    print_table(_table(seen.rows))
    _print_failures(seen)
    _print_decisions(seen)
    _print_places(seen)
    click.echo(f"Verdict: {verdict_line(seen.verdict)}")
    for line in seen.verdict.beside:
        click.echo(f"Mind: {line}.")
    click.echo(_conclusion(seen))


def _table(rows: tuple[Row, ...]) -> Table:
    table = plain_table(*COLUMNS)
    for row in rows:
        state = coloured(_state(row), STYLES[row.state])
        percentages = (row.dl1, row.muons, row.cat_b, row.dl1ab, row.datacheck, row.dl2)
        table.add_row(
            *(row.tel, str(row.seq), _or_none(row.parent), row.type, f"{row.run:05d}", str(row.subruns)),
            *(_or_none(row.source), row.action, str(row.tries), row.job_id or "-", state, _clock(row.cpu_time_s)),
            "-" if row.exit is None else str(row.exit),
            *(_percent(value) for value in percentages),
        )
    return table


def _state(row: Row) -> str:
    if not row.running_on:
        return str(row.state)
    others = ", ".join(row.running_on[:SHOWN]) + ", …" * (len(row.running_on) > SHOWN)
    return f"{row.state} on {others}"


def _or_none(value: object) -> str:
    return "None" if value is None else str(value)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest:02d}"


def _percent(value: float | None) -> str:
    """Rounded down: 100 only when nothing is missing."""
    return "None" if value is None else str(int(value))


def _print_failures(seen: Overview) -> None:
    # What an engine on a cluster has given up it does not try again by itself.
    retry = {(one.step, one.unit): one.next for one in seen.verdict.missing if one.next.startswith("osa retry")}
    for failure in seen.failures:
        lines = failure.reason.splitlines() or ["no reason was recorded"]
        click.echo(f"\nFAILED {failure.step} {failure.unit} ({_times(failure.tries)}): {lines[0]}")
        for line in lines[1:]:
            click.echo(f"  {line}")
        if failure.log:
            click.echo(f"  log:  {failure.log}")
        first = f"`{again}`, " if (again := retry.get((failure.step, failure.unit))) else ""
        click.echo(f"  next: remove the cause, {first}then run the night again, or this step alone: {failure.next}")


def _print_decisions(seen: Overview) -> None:
    if seen.decisions:
        click.echo("\nLeft out:")
    for decision in seen.decisions:
        click.echo(f"  {decision}")


def verdict_line(verdict: NightVerdict) -> str:
    """The night's verdict in a line."""
    night = verdict.night
    if not verdict.is_complete:
        whole = sum(run.verdict is not Verdict.INCOMPLETE for run in verdict.runs)
        return (
            f"{night.verdict}, the products of {night.missing} of {night.declared} steps are missing; "
            f"{whole} of {len(verdict.runs)} runs are complete. `osa close --dry-run` says what is missing and why."
        )
    numbers = ", ".join(map(str, night.decisions))
    by = f" ({'decisions' if len(night.decisions) > 1 else 'decision'} {numbers})" if numbers else ""
    return f"{night.verdict}{by}, the products of all {night.declared} declared steps are there."


def _times(tries: int) -> str:
    return "tried once" if tries == 1 else f"tried {tries} times"


def _print_places(seen: Overview) -> None:
    click.echo(f"\nProducts: {seen.production.root}")
    places = [place for place in seen.places if place.step in LEVELS]
    if not places:
        return
    table = plain_table("", "Files", "MB", "Folder")
    for place in places:
        table.add_row(f"  {LEVELS[place.step]}", str(place.files), f"{place.bytes / 2**20:.1f}", str(place.folder))
    print_table(table)


def _conclusion(seen: Overview) -> str:
    night = f"Night {seen.date.isoformat()}, production {seen.production.id}"
    if seen.closed:
        return f"{night}: CLOSED at {_utc(seen.closed)}."
    next_ = _at_work(seen.engine) or "no engine works on it: run the night (again) with luigi."
    if seen.was_closed:
        lost = f"the products of {seen.missing} step{'s' * (seen.missing > 1)} were lost since"
        what = "but is not published" if seen.verdict.is_complete else lost
        return f"{night}: was closed at {_utc(seen.was_closed)}, {what}; {next_}"
    if seen.closed_otherwise:
        return f"{night}: was closed at {_utc(seen.closed_otherwise)} by other decisions than hold now; {next_}"
    if not seen.production.root.is_dir():
        return f"{night}: {not_begun(seen.production)}; {next_}"
    return f"{night}: not closed, {seen.steps - seen.missing} of {seen.steps} steps made; {next_}"


def _utc(time: str) -> str:
    return f"{time.replace('T', ' ')} UTC"


def not_begun(production: Production) -> str:
    """For people: nothing was made under this id; which there are."""
    others = ", ".join(sibling.id for sibling in production.siblings())
    return f"no such production yet: {production.root} (there {f'are {others}' if others else 'is none'})"


def _at_work(engine: Engine | None) -> str:
    if engine is None or engine.alive is False:
        return ""
    who = f"process {engine.pid} on {engine.host} since {engine.since}"
    if engine.alive is None:
        return f"{who} held it last; whether it still works is known there only."
    return f"{who} works on it."
