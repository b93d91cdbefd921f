"""``osa clean``: free disk space of what nobody needs any more, by the site's retention policy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import click

from osa_luigi.cli import options, site
from osa_luigi.config import Retention, load_main
from osa_luigi.errors import OsaError
from osa_luigi.ledger.lineage import DATE
from osa_luigi.ledger.places import productions
from osa_luigi.night import compact, parse_date
from osa_luigi.products.production import Production
from osa_luigi.tasks.clean import Item, abandoned, left_half_removed, removable, remove

WORDS = {
    "scratch": "working folders of dead attempts",
    "log": "old logs",
    "aside": "damaged products put aside",
    "production": "abandoned productions",
}
SHOWN = 10
"""Abandoned productions that are named."""


@dataclass
class Cleaning:
    """What may go, and what became of it."""

    items: list[Item] = field(default_factory=list)
    gone: list[Item] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)

    def of(self, kind: str) -> list[Item]:
        """What may go of a kind."""
        return [item for item in self.items if item.kind == kind]


@click.command()
@click.option("--date", "day", metavar="DATE", callback=site.optional_date, help="Only this night.")
@click.option("--older-than", type=click.IntRange(0), metavar="DAYS", help="Only nights of at least so many days ago.")
@click.option("--production", default="", help="Only productions of this id.")
@click.option("--productions", "whole", is_flag=True, help="Also abandoned productions, after asking.")
@click.option("--yes", is_flag=True, help="With --productions: do not ask.")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@options.config
@options.as_json
def clean(
    day: date | None,
    older_than: int | None,
    production: str,
    whole: bool,
    yes: bool,
    dry_run: bool,
    config_file: Path | None,
    as_json: bool,
) -> None:
    """Remove what nobody needs any more, by the site's section retention: working folders of dead attempts, old logs, damaged products
    that were put aside; with --productions also productions that were never closed, and not touched for long.

    Receipts, archives and decisions stay, and so do products of closed nights. A production that an engine works on is passed over.

    \b
    Examples:
        osa clean --dry-run
        osa clean --older-than 30
        osa clean --date 2024-11-15 --production test --productions

    \b
    Exit codes: 0 good, 1 something could not be removed, 2 wrong usage, 3 the configuration is wrong.
    """
    if day and older_than is not None:
        raise click.UsageError("Give --date or --older-than, not both.")
    main = load_main(options.the_config(config_file), check_files=False)
    root = main.site.paths.running_analysis
    cleaning = Cleaning()
    chosen = list(_chosen(root, day, older_than, production))
    for one in chosen:
        _look(cleaning, root, one, main.retention, whole=whole)
    if whole and not dry_run:
        _ask(cleaning, yes=yes)
    for one in () if dry_run else chosen:
        items = [item for item in cleaning.items if item.production == one]
        gone, troubles = remove(one, items) if items else ([], [])
        cleaning.gone += gone
        cleaning.troubles += troubles
    if as_json:
        options.print_json(_data(cleaning, dry_run=dry_run))
    else:
        _print(cleaning, dry_run=dry_run)
    if cleaning.troubles:
        raise click.exceptions.Exit(1)


def _chosen(root: Path, day: date | None, older_than: int | None, production: str) -> Iterator[Production]:
    night = compact(day) if day else ""
    today = datetime.now(UTC).date()
    for one in dict.fromkeys((*productions(root, night), *left_half_removed(root, night))):
        name = one.root.parent.name
        if not DATE.fullmatch(name) or (production and one.id != production):
            continue
        if older_than is None or (today - parse_date(name)).days >= older_than:
            yield one


def _look(cleaning: Cleaning, root: Path, one: Production, retention: Retention, *, whole: bool) -> None:
    """What may go of a production; of one that goes as a whole, nothing else is told."""
    try:
        itself = abandoned(root, one, retention.abandoned_days) if whole else None
        cleaning.items += [itself] if itself else removable(one, retention)
    except (OsaError, OSError) as error:
        cleaning.troubles.append(str(error))


def _ask(cleaning: Cleaning, *, yes: bool) -> None:
    found = cleaning.of("production")
    for item in found:
        click.echo(_line(item), err=True)
    if found and not yes and not click.confirm(f"Remove these {len(found)} productions for good?", err=True):
        cleaning.items = [item for item in cleaning.items if item.kind != "production"]


def _line(item: Item) -> str:
    return f"  {item.path}: {item.bytes / 2**20:.1f} MB, not touched for {item.days:.0f} days"


def _print(cleaning: Cleaning, *, dry_run: bool) -> None:
    shown = cleaning.items if dry_run else cleaning.gone
    for kind, words in WORDS.items():
        if several := [item for item in shown if item.kind == kind]:
            click.echo(f"{words}: {len(several)}, {sum(item.bytes for item in several) / 2**20:.1f} MB")
            for item in several[:SHOWN] if kind == "production" else ():
                click.echo(_line(item))
    freed = sum(item.bytes for item in shown) / 2**20
    click.echo(f"{'Would free' if dry_run else 'Freed'} {freed:.1f} MB.")
    for trouble in cleaning.troubles:
        click.echo(f"left: {trouble}", err=True)


def _data(cleaning: Cleaning, *, dry_run: bool) -> dict[str, Any]:
    gone = set(map(id, cleaning.gone))
    return {
        "dry_run": dry_run,
        "bytes": sum(item.bytes for item in (cleaning.items if dry_run else cleaning.gone)),
        "items": [
            {
                "kind": item.kind,
                "path": str(item.path),
                "bytes": item.bytes,
                "days": round(item.days, 1),
                "removed": id(item) in gone,
            }
            for item in cleaning.items
        ],
        "troubles": cleaning.troubles,
    }
