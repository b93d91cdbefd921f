"""``osa close``: judge a night, and close it if nothing is missing."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path
from typing import Any

import click

from osa_luigi.cli import options
from osa_luigi.cli.night_table import verdict_line
from osa_luigi.cli.report import write_page
from osa_luigi.errors import OsaError
from osa_luigi.ledger.report.page import PAGE
from osa_luigi.runner.attempt import Result
from osa_luigi.runner.environment import ONE_THREAD
from osa_luigi.runner.leg import run_calls, warm_up
from osa_luigi.steps.close import MARKER
from osa_luigi.tasks.looking import overview
from osa_luigi.tasks.overview import Overview
from osa_luigi.tasks.report import night_report
from osa_luigi.tasks.session import Session
from osa_luigi.tasks.verdict import Missing, NightVerdict, next_of

SHOWN = 20
"""Missing products that are listed; --json has all."""


@click.command()
@options.night
@click.option("--dry-run", is_flag=True, help="Judge only; close nothing.")
@options.as_json
def close(
    day: date, production: str, procedure: str | None, config_file: Path | None, dry_run: bool, as_json: bool
) -> None:
    """Judge a night by its products and receipts, and close it if nothing is missing. It can be repeated.

    What is missing is listed with the reason and a command. A night that is closed stays as it is; one that lost its marker, or about
    which something was decided since, is closed again.

    \b
    Examples:
        osa close --date 2024-11-15
        osa close --date 2024-11-15 --dry-run --json | jq .missing_products

    \b
    Exit codes: 0 it is closed (with --dry-run: it is, or could be), 1 something is missing, or closing failed,
    3 the configuration, the night or a decision is wrong.
    """
    # The runner forks, so no library that planning imports may start threads.
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
    session = options.open_night(config_file, day, production, procedure, to_write=not dry_run)
    seen = overview(session)
    # Also where it is closed: a move that was cut short is finished then.
    result = _close(session) if seen.verdict.is_complete and not dry_run else None
    good = seen.verdict.is_complete and (result is None or result.good)
    if good and result and result.outcome != "present" and session.configuration.main.report.after_closing:
        _report(config_file, day, production, procedure)
    if as_json:
        options.print_json(_data(seen, result, good=good))
    else:
        _print(seen, result)
    if not good:
        raise click.exceptions.Exit(1)


def _close(session: Session) -> Result:
    """The night's last steps, by the same runner as in the night: the first that fails, or what was done last."""
    session.plan.write_configs()
    calls = session.plan.close.calls
    warm_up(calls, session.configuration.main.site.paths.numba_cache)
    results: list[Result] = []
    run_calls(session.plan.production, calls, lambda _, result: results.append(result) if result else None)
    return next((result for result in reversed(results) if result.outcome != "present"), results[-1])


def _report(config_file: Path | None, day: date, production: str, procedure: str | None) -> None:
    """The page beside the marker; that it cannot be made is said, and closes nothing less."""
    try:
        made = night_report(options.open_night(config_file, day, production, procedure))
        write_page(made, made.folder / PAGE)
    except (OsaError, OSError) as error:
        click.echo(f"The night's report was not made: {error}. Try `osa report`.", err=True)


def _data(seen: Overview, result: Result | None, *, good: bool) -> dict[str, Any]:
    return {
        "date": seen.date.isoformat(),
        "production": seen.production.id,
        "closed": good and bool(seen.closed or result),
        "outcome": result.outcome if result else None,
        "reason": result.reason if result else "",
        **seen.verdict.as_json(),
    }


def _print(seen: Overview, result: Result | None) -> None:
    night = f"Night {seen.date.isoformat()}, production {seen.production.id}"
    click.echo(f"{night}: {verdict_line(seen.verdict)}")
    for line in (*_missing(seen.verdict), *(f"  Mind: {line}." for line in seen.verdict.beside)):
        click.echo(line)
    if result is not None and not result.good:
        click.echo(f"Closing failed: {result.reason}", err=True)
    elif result is not None and result.outcome != "present":
        click.echo(f"Closed: {seen.production.root / MARKER}")
    elif seen.closed:
        click.echo(f"It was closed at {seen.closed.replace('T', ' ')} UTC; nothing was done.")
    elif seen.verdict.is_complete:
        click.echo("It is not closed yet, and can be.")


def _missing(verdict: NightVerdict) -> list[str]:
    """What is missing and could be made now, the same together; then how much waits for it."""
    groups: dict[tuple[str, str, str], list[Missing]] = {}
    for one in verdict.missing:
        groups.setdefault((one.step, one.why, one.for_all or one.next), []).append(one)
    lines: list[str] = []
    for several in list(groups.values())[:SHOWN]:
        first, more = several[0], len(several) - 1
        others = f" and {more} more" if more else ""
        said, *rest = first.why.splitlines() or [""]
        lines += [f"  {first.step} {first.unit}{others}: {said}", *(f"    {line}" for line in rest)]
        lines.append(f"    next: {next_of(several)}")
    if len(groups) > SHOWN:
        lines.append(f"  … and {len(groups) - SHOWN} more (--json lists all)")
    if verdict.waiting:
        lines.append(f"  {verdict.waiting} more steps wait for these.")
    if verdict.missing:
        lines.append("  A subrun or run that cannot be made is left out by `osa discard UNIT --reason …`.")
    return lines
