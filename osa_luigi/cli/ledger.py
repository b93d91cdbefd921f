"""``osa ledger``: the history in SQL, made, brought up to date, and looked at."""

from __future__ import annotations

import time
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import click

from osa_luigi.cli import options
from osa_luigi.cli.main_file import open_main
from osa_luigi.cli.nights import age

if TYPE_CHECKING:
    from osa_luigi.config import MainConfig
    from osa_luigi.ledger.rows import Reading
    from osa_luigi.ledger.update import Outcome
    from osa_luigi.products.production import Production

SHOWN = 10
"""Files that could not be read, of those a message names."""


@click.group()
def ledger() -> None:
    """The history of nights in SQL. It is made from the nights' files, and can be made again at any time."""


def _days(_context: click.Context, _option: click.Parameter, values: tuple[str, ...]) -> frozenset[date]:
    return frozenset(options.observation_date(_context, _option, value) for value in values)


dates = click.option(
    "--date", "days", metavar="DATE", multiple=True, callback=_days, help="Only this observation date; may be repeated."
)


@ledger.command()
@options.config
@dates
@click.option("--last", type=click.IntRange(1), help="Only so many nights, the newest ones.")
@options.as_json
def update(config_file: Path | None, days: frozenset[date], last: int | None, as_json: bool) -> None:
    """Read the nights whose files changed since the last time. The database is made if there is none.

    \b
    Examples:
        osa ledger update
        osa ledger update --last 14          for cron: looks at two weeks only

    \b
    Exit codes: 0 good, 1 something could not be read (the rest is in the ledger),
    3 the database or the configuration is wrong.
    """
    from osa_luigi.ledger.site import Choice
    from osa_luigi.ledger.update import update_ledger

    main = _opened(config_file)
    _report(update_ledger(main, Choice(days, last), progress=None if as_json else _Told()), as_json=as_json)


@ledger.command()
@options.config
@dates
@options.as_json
def rebuild(config_file: Path | None, days: frozenset[date], as_json: bool) -> None:
    """Delete the ledger's tables, and make them again from the files; with --date the rows of these nights only.

    \b
    Examples:
        osa ledger rebuild
        osa ledger rebuild --date 2024-11-15

    \b
    Exit codes: 0 good, 1 something could not be read (the rest is in the ledger),
    3 the database or the configuration is wrong.
    """
    from osa_luigi.ledger.site import Choice
    from osa_luigi.ledger.update import rebuild_ledger, update_ledger

    main = _opened(config_file)
    progress = None if as_json else _Told()
    if days:
        _report(update_ledger(main, Choice(days), again=True, progress=progress), as_json=as_json)
    else:
        _report(rebuild_ledger(main, progress=progress), as_json=as_json)


@ledger.command()
@options.config
@options.as_json
def upgrade(config_file: Path | None, as_json: bool) -> None:
    """Bring the tables that an older osa_luigi made up to date, or make them.

    \b
    Examples:
        osa ledger upgrade

    \b
    Exit codes: 0 good, 3 the database or the configuration is wrong.
    """
    from osa_luigi.ledger.database import address, open_engine, said_plainly, shown
    from osa_luigi.ledger.schema import upgrade as upgrade_tables

    url = address(_opened(config_file))
    with said_plainly(url):
        before = upgrade_tables(open_engine(url, to_write=True), url)
    if as_json:
        options.print_json({"ledger": shown(url), "before": before})
    else:
        click.echo(f"{shown(url)}: {'nothing to do' if before == 'current' else 'the tables are up to date now'}.")


@ledger.command()
@options.config
@options.as_json
def status(config_file: Path | None, as_json: bool) -> None:
    """Where the ledger is, what it holds, and how old its view is.

    \b
    Examples:
        osa ledger status
        osa ledger status --json

    \b
    Exit codes: 0 good, 1 its tables are missing, older or newer,
    3 there is none, it cannot be read, or the configuration is wrong.
    """
    from osa_luigi.ledger.database import address, shown
    from osa_luigi.ledger.history import contents
    from osa_luigi.ledger.schema import TROUBLE, Version

    main = _opened(config_file)
    url = address(main)
    found = contents(main)
    good = found.version is Version.CURRENT
    if as_json:
        told = {"rows": found.rows, "unreadable": found.unreadable, "seen": found.seen}
        options.print_json({"ledger": shown(url), "tables": found.version, **told})
    else:
        click.echo(f"{shown(url)}: {'' if good else TROUBLE[found.version]}")
        for table, count in found.rows.items():
            click.echo(f"  {table:10} {count:>12,}")
        if good:
            click.echo(age(found.seen))
        if found.unreadable:
            click.echo(f"{found.unreadable} files could not be read: `osa ledger rebuild` names them.")
    if not good:
        raise click.exceptions.Exit(1)


def _opened(config_file: Path | None) -> MainConfig:
    """The site's settings; where the ledger lies badly, it is said."""
    from osa_luigi.ledger.database import address, place_warning

    main = open_main(config_file)
    if warning := place_warning(address(main)):
        click.echo(f"WARNING {warning}", err=True)
    return main


class _Told:
    """A line for each production that was read, with the time it took."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def __call__(self, day: date, production: Production, reading: Reading) -> None:
        now = time.monotonic()
        counts = {table.__tablename__: len(rows) for table, rows in reading.rows.items()}
        click.echo(
            f"{day.isoformat()} {production.id}: {counts['runs']} runs, {counts['subruns']} subruns, "
            f"{counts['attempts']} attempts, {counts['products']} products ({now - self._last:.1f} s)"
        )
        self._last = now


def _report(outcome: Outcome, *, as_json: bool) -> None:
    trouble = [*outcome.failed, *outcome.unreadable]
    if as_json:
        keys = {name: getattr(outcome, name) for name in ("read", "unchanged", "gone")}
        told = {name: [{"date": day, "production": one} for day, one in found] for name, found in keys.items()}
        options.print_json({**told, "failed": outcome.failed, "unreadable": outcome.unreadable})
    else:
        for line in trouble[:SHOWN]:
            click.echo(f"could not be read: {line}", err=True)
        if len(trouble) > SHOWN:
            click.echo(f"… and {len(trouble) - SHOWN} more", err=True)
        click.echo(f"{len(outcome.read)} read, {len(outcome.unchanged)} as they were, {len(outcome.gone)} gone.")
    if trouble:
        raise click.exceptions.Exit(1)
