"""``osa morning``: process every night that waits for it."""

from __future__ import annotations

import signal
from collections import Counter
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from osa_luigi.cli import options

if TYPE_CHECKING:
    from osa_luigi.tasks.morning.engines import Run
    from osa_luigi.tasks.morning.look import Asked, Night

INTERRUPTED = 130


@click.command()
@options.config
@options.procedure
@options.production
@options.several_dates
@click.option("--last", type=click.IntRange(0), help="So many days back. Default: morning.look_back_days.")
@click.option("--parallel", type=click.IntRange(1), help="Nights at a time. Default: morning.parallel.")
@click.option("--local-scheduler", is_flag=True, help="Without a luigid.")
@click.option("--dry-run", is_flag=True, help="Say what would be started; start nothing.")
@options.as_json
def morning(
    config_file: Path | None,
    procedure: str | None,
    production: str,
    days: tuple[date, ...],
    last: int | None,
    parallel: int | None,
    local_scheduler: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Process what is new: starts luigi for each of the last nights that has raw data and is not closed, or has grown since.

    A night that is still arriving, or that another engine works on, is left alone, and said so. It may be started twice, and by two
    operators. Stopped (Ctrl-C, SIGTERM), it stops its nights; started again, they go on where they were.

    \b
    Examples:
        osa morning
        osa morning --last 30 --parallel 3
        osa morning --dry-run --json | jq -r '.nights[] | select(.state == "to do").date'

    \b
    Exit codes: 0 nothing is left for a person to do, 1 a night is incomplete or blocked, 3 the configuration is wrong,
    or a log cannot be written, 130 it was stopped.
    """
    from osa_luigi.tasks.morning.engines import Engines
    from osa_luigi.tasks.morning.look import Asked, State, last_nights, look, now_utc

    main = options.the_config(config_file)
    chosen = procedure or (options.procedure_of(main, production) if production else "")
    asked = Asked(main, production, chosen)
    configuration = asked.configuration(to_write=not dry_run)
    settings, paths = configuration.main.morning, configuration.main.site.paths
    back = settings.look_back_days if last is None else last
    now = now_utc()
    nights = look(asked, days or last_nights(now, back), now)
    quiet = as_json
    if not quiet:
        _print_nights(nights)
    runs: list[Run] = []
    stopped = False
    to_do = [night for night in nights if night.state is State.TO_DO]
    if to_do and not dry_run:
        engines = Engines(
            asked,
            paths.logs,
            parallel or settings.parallel,
            ["--local-scheduler"] if local_scheduler else [],
            told=(lambda night, log: None) if quiet else _print_start,
        )
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, engines.stop)
        runs = engines.run(to_do, (lambda run: None) if quiet else _print_end)
        stopped = engines.stopped
    final = _final(nights, runs)
    if as_json:
        options.print_json(_data(asked, final, runs, stopped=stopped, dry_run=dry_run))
    else:
        _print_summary(final, ran=bool(runs))
    _exit(final, stopped=stopped)


def _final(nights: list[Night], runs: list[Run]) -> list[Night]:
    """How each night stands now."""
    ended = {run.night.date: run.night for run in runs}
    return [ended.get(night.date, night) for night in nights]


def _exit(nights: list[Night], *, stopped: bool) -> None:
    from osa_luigi.tasks.morning.look import NEEDS_A_PERSON

    if stopped:
        raise click.exceptions.Exit(INTERRUPTED)
    if any(night.state in NEEDS_A_PERSON for night in nights):
        raise click.exceptions.Exit(1)


def _print_nights(nights: list[Night]) -> None:
    from osa_luigi.tasks.morning.look import State

    empty = [night.date.isoformat() for night in nights if night.state is State.NO_DATA]
    for night in nights:
        if night.state is not State.NO_DATA:
            click.echo(line(night))
    if empty:
        click.echo(f"no raw data: {', '.join(empty)}")


def line(night: Night) -> str:
    """A night in a line; of a longer reason its beginning."""
    first, *more = night.why.splitlines() or [""]
    rest = " … (`osa plan` says all)" if more else ""
    return f"{night.date.isoformat()}  {night.production}  {night.state}{f': {first}{rest}' if first else ''}"


def _print_start(night: Night, log: Path) -> None:
    click.echo(f"{night.date.isoformat()}  started; log: {log}")


def _print_end(run: Run) -> None:
    click.echo(f"{line(run.night)} ({run.minutes:g} min; log: {run.log})")


def summary(nights: list[Night]) -> str:
    """The last line: fit for the subject of a mail."""
    counts = Counter(str(night.state) for night in nights)
    return "Nights: " + (", ".join(f"{count} {state}" for state, count in sorted(counts.items())) or "none") + "."


def _print_summary(nights: list[Night], *, ran: bool) -> None:
    """How all nights stand now, where that is not what was said before."""
    if ran:
        click.echo()
        _print_nights(nights)
    click.echo(summary(nights))


def _data(asked: Asked, nights: list[Night], runs: list[Run], *, stopped: bool, dry_run: bool) -> dict[str, Any]:
    from osa_luigi.tasks.morning.look import NEEDS_A_PERSON

    ran = {run.night.date: {"log": str(run.log), "code": run.code, "minutes": run.minutes} for run in runs}
    return {
        "config": str(asked.config),
        "dry_run": dry_run,
        "stopped": stopped,
        "good": not any(night.state in NEEDS_A_PERSON for night in nights),
        "summary": summary(nights),
        "nights": [{**asdict(night), "started": ran.get(night.date)} for night in nights],
    }
