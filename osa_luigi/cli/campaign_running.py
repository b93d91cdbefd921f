"""What ``osa campaign start`` and ``resume`` do: run a campaign in this process, and say how it goes."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import click

from osa_luigi.cli import options

if TYPE_CHECKING:
    from osa_luigi.tasks.campaign.standing import Nights, Standing
    from osa_luigi.tasks.campaign.work import Progress, Work

INTERRUPTED = 130


def run(nights: Nights, local_scheduler: bool, thorough: bool, as_json: bool) -> None:
    """Run what is not closed; the exit code says how that ended."""
    from osa_luigi.tasks.campaign.standing import DONE
    from osa_luigi.tasks.campaign.work import Work

    name = nights.campaign.name
    if held := nights.folder.paused():
        click.echo(f"{name} is {held}. `osa campaign resume {name}` goes on with it.", err=True)
        raise click.exceptions.Exit(1)
    _require_free(nights)
    asked = ["--local-scheduler"] if local_scheduler else []
    told: dict[str, Any] = {} if as_json else {"started": _print_start, "ended": _print_end}
    work = Work(nights, asked, thorough=thorough, **told)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, work.stop)
    progress = work.run()
    left = {state: count for state, count in progress.states.items() if state not in DONE}
    good = not left and not work.stopped and not work.paused
    if as_json:
        _print_progress(name, work, progress, good)
    else:
        click.echo(f"Campaign {name}: {progress}." + (f" `osa campaign report {name}` says why." if left else ""))
    if work.stopped and not work.paused:
        raise click.exceptions.Exit(INTERRUPTED)
    if not good:
        raise click.exceptions.Exit(1)


def _require_free(nights: Nights) -> None:
    """Another process may run it: then this one has nothing to do."""
    from osa_luigi.errors import ExecutorError
    from osa_luigi.tasks.morning.engines import ALREADY_RUNNING

    try:
        nights.folder.take_lease()
    except ExecutorError as error:
        if nights.folder.runner() is None:
            raise
        click.echo(str(error), err=True)
        raise click.exceptions.Exit(ALREADY_RUNNING) from error


def _print_progress(name: str, work: Work, progress: Progress, good: bool) -> None:
    states = {str(state): count for state, count in progress.states.items()}
    data = {"campaign": name, "good": good, "stopped": work.stopped, "paused": work.paused}
    options.print_json({**data, "looked_at": progress.looked_at, "of": progress.of, "states": states})


def _print_start(standing: Standing) -> None:
    click.echo(f"{standing.date.isoformat()}  {standing.point}  started; log: {standing.log}")


def _print_end(standing: Standing, progress: Progress) -> None:
    from osa_luigi.tasks.campaign.report import line

    click.echo(f"{line(standing)} ({standing.minutes or 0:g} min)  [{progress}]")
