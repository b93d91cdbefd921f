"""The report in a few lines, for a terminal or a mail."""

from __future__ import annotations

from collections.abc import Iterator

from osa_luigi.ledger.report.model import Cell, GridRow, NightReport, Problem
from osa_luigi.ledger.report.page import moment
from osa_luigi.ledger.report.use import duration

SHOWN = 10
"""Lines of a kind."""

LONG = 200
"""Characters of a reason."""


def text(report: NightReport) -> Iterator[str]:
    """Line by line."""
    yield f"{report.telescope}, night {report.date}, production {report.production}: {report.verdict}"
    yield f"  {report.conclusion}"
    yield f"  closed at {moment(report.closed)} UTC" if report.closed else "  not closed"
    yield from (f"  mind: {line}" for line in report.beside)
    failed = sum(attempt.failed for attempt in report.attempts)
    yield f"  {len(report.attempts)} attempts, {failed} failed, {duration(report.cpu_s)} CPU time"
    yield from _section("Missing", [line for one in report.actions for line in _problem(one)], 3 * SHOWN)
    if report.waiting:
        yield f"  {report.waiting} more steps wait for these"
    yield from _section("Not complete", [_row(row) for row in report.runs if row.verdict == "INCOMPLETE"])
    yield from _section(
        "Decisions",
        [
            f"{one.number}: {one.kind} {one.unit}{'' if one.stands else ' (taken back)'}, {one.who}: {one.reason}"
            for one in report.decisions
        ],
    )
    yield from _section("Advice", report.advice)


def _section(title: str, lines: list[str], shown: int = SHOWN) -> Iterator[str]:
    if lines:
        yield f"{title}:"
    yield from (f"  {line}" for line in lines[:shown])
    if len(lines) > shown:
        yield f"  … and {len(lines) - shown} more lines (the page has them)"


def _problem(one: Problem) -> Iterator[str]:
    more = one.count - len(one.units)
    units = ", ".join(one.units) + (f" and {more} more" if more else "")
    why = one.why.partition("\n")[0]
    yield f"{one.step} {units}: {why[:LONG]}{' …' if len(why) > LONG else ''}"
    if one.next:
        yield f"  next: {one.next}"


def _row(row: GridRow) -> str:
    return f"{row.unit} {row.source}: ".replace(" :", ":") + ", ".join(
        f"{step} {_cell(cell)}" for step, cell in row.cells.items() if cell.made < cell.declared
    )


def _cell(cell: Cell) -> str:
    marks = (("✗", cell.failed), ("running ", cell.running))
    return f"{cell.made}/{cell.declared}" + "".join(f" {mark}{count}" for mark, count in marks if count)
