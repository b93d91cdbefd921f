"""``osa cancel`` and ``osa retry``: the jobs of some units, taken back or tried again."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import click

from osa_luigi.batch.lease import engine
from osa_luigi.batch.slurm.desk import Desk, Stand, Where
from osa_luigi.cli import options
from osa_luigi.tasks.parts import chosen
from osa_luigi.tasks.why import open_desk, stand_of

every = click.option("--all", "every", is_flag=True, help="All of the night.")


@click.command()
@click.argument("units", nargs=-1)
@options.night
@every
@click.option("--yes", is_flag=True, help="Do not ask.")
@options.as_json
def cancel(
    units: tuple[str, ...],
    day: date,
    production: str,
    procedure: str | None,
    config_file: Path | None,
    every: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Cancel the SLURM jobs of UNITS: runs (2003), subruns (2003.1), night, or --all. Nothing else of this user is touched.

    What is cancelled is given up, and not tried again before `osa retry`; what is not with SLURM yet is not affected. It works beside
    a living engine, and without one.

    \b
    Examples:
        osa cancel 2003.1 2004 --date 2024-11-15
        osa cancel --all --yes --date 2024-11-15

    \b
    Exit codes: 0 they are cancelled, 1 there was nothing to cancel, or the answer was no, 2 wrong usage,
    3 no such unit, SLURM does not answer, or the configuration or the night is wrong.
    """
    desk, known = _asked(config_file, day, production, procedure, units, every=every)
    stands = [stand for stand in known if stand.where.may_run]
    if stands and not yes and sys.stdin.isatty():
        click.confirm(f"Cancel {len(stands)} jobs: {_names(stands)}?", abort=True, err=True)
    cancelled = desk.cancel(stands, lambda text: click.echo(text, err=True))
    if as_json:
        options.print_json([{"job": stand.job.wish.name, "element": stand.element} for stand in cancelled])
    elif cancelled:
        click.echo("\n".join(f"cancelled SLURM {stand.element} {_name(stand)}" for stand in cancelled))
        click.echo(f"{_taken_in(desk)} `osa retry` lets them be tried again.")
    else:
        click.echo(f"Nothing of this is with SLURM. {desk.trouble}".rstrip())
    if not cancelled:
        raise click.exceptions.Exit(1)


@click.command()
@click.argument("units", nargs=-1)
@options.night
@every
@options.as_json
def retry(
    units: tuple[str, ...],
    day: date,
    production: str,
    procedure: str | None,
    config_file: Path | None,
    every: bool,
    as_json: bool,
) -> None:
    """Let what was given up of UNITS be tried again: runs (2003), subruns (2003.1), night, or --all.

    An engine on SLURM gives a job up once its cause has used up its retries, and remembers that in the night's folder; after the cause
    is gone this takes the mark away.

    \b
    Examples:
        osa retry 2003.1 --date 2024-11-15
        osa retry --all --date 2024-11-15

    \b
    Exit codes: 0 there is something to be tried again, 1 nothing was given up, 2 wrong usage,
    3 no such unit, or the configuration or the night is wrong.
    """
    desk, known = _asked(config_file, day, production, procedure, units, every=every)
    stands = [stand for stand in known if stand.where is Where.GIVEN_UP]
    desk.retry(stands)
    if as_json:
        options.print_json([{"job": stand.job.wish.name, "given_up": stand.job.text} for stand in stands])
    elif stands:
        click.echo("\n".join(f"will be tried again: {_name(stand)}" for stand in stands))
        click.echo(_next(desk))
    else:
        click.echo("Nothing of this was given up.")
    if not stands:
        raise click.exceptions.Exit(1)


def _asked(
    config_file: Path | None,
    day: date,
    production: str,
    procedure: str | None,
    units: Sequence[str],
    *,
    every: bool,
) -> tuple[Desk, list[Stand]]:
    """The production's desk, and of the jobs that are meant those that the engine knows."""
    if every == bool(units):
        raise click.UsageError("Give runs (2003), subruns (2003.1) or night; or --all.")
    if every:  # without a look at the night: the job that is meant may be the one that makes its run summary
        configuration, made = options.open_production(config_file, day, production, procedure)
        if not made.root.is_dir():
            options.open_night(config_file, day, production, procedure)  # says it if there is no such night
        desk = open_desk(configuration.main, made)
        return desk, list(desk.stands.values())
    session = options.open_night(config_file, day, production, procedure)
    desk = open_desk(session.configuration.main, session.plan.production)
    found = [stand_of(desk, part) for unit in units for part in chosen(session.plan, unit)]
    return desk, list({stand.job.wish.key: stand for stand in found if stand}.values())


def _name(stand: Stand) -> str:
    wish = stand.job.wish
    return f"{wish.group} {wish.index}" if wish.index is not None else wish.name


def _names(stands: Sequence[Stand]) -> str:
    more = f", … ({len(stands)} in all)" if len(stands) > 5 else ""
    return ", ".join(map(_name, stands[:5])) + more


def _is_alive(desk: Desk) -> bool | None:
    holder = engine(desk.production)
    return False if holder is None else holder.alive


def _taken_in(desk: Desk) -> str:
    if _is_alive(desk) is False:
        return "No engine works on the night: the next one gives them up."
    return "The engine gives them up at its next look."


def _next(desk: Desk) -> str:
    again = "run the night again with luigi"
    return {
        True: f"The engine of the night submits it at its next look; if it ends before, {again}.",
        False: f"No engine works on the night: {again}.",
        None: f"If the engine on the other machine still works, it submits it at its next look; else {again}.",
    }[_is_alive(desk)]
