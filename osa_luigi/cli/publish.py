"""``osa publish``: put the products of a closed night to their places in the site's tree."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import click

from osa_luigi.cli import options, site
from osa_luigi.config import load_main
from osa_luigi.errors import NightError
from osa_luigi.products.production import Production
from osa_luigi.products.receipt import Presence, current_receipt, presence
from osa_luigi.steps import publishing
from osa_luigi.steps.close import read_listing, require_decisions
from osa_luigi.steps.making import NIGHT
from osa_luigi.steps.publication_report import Report
from osa_luigi.steps.publish import said
from osa_luigi.steps.publishing import SHOWN
from osa_luigi.steps.targets import Layout, table_of


@click.command()
@options.night
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@click.option("--pro", is_flag=True, help="Take over links (pro, datacheck_files) that lead to another production.")
@options.as_json
def publish(
    day: date,
    production: str,
    procedure: str | None,
    config_file: Path | None,
    dry_run: bool,
    pro: bool,
    as_json: bool,
) -> None:
    """Put the products of a closed night to their places in the site's tree, as publication.templates say. It can be repeated.

    By hard links where these can be, else by copies that are compared with the receipts. What is there with the same content stays,
    what this production had put there before is replaced, anything else is refused and left as it is.

    \b
    Examples:
        osa publish --date 2024-11-15 --dry-run
        osa publish --date 2024-11-15
        osa publish --date 2024-11-15 --production v0.12.3 --pro

    \b
    Exit codes: 0 all is published (with --dry-run: it is, or could be), 1 something was refused,
    3 the night is not closed, the disk is full, or the configuration is wrong.
    """
    place = site.production_of_night(config_file, day, production, procedure)
    declared, decided = closed_with(place)
    table = load_main(options.the_config(config_file), check_files=False).publication
    layout = Layout.of(place, table_of(table))
    report = publishing.publish(layout, declared, decided, dry_run=dry_run, pro=pro)
    if as_json:
        options.print_json({"root": str(layout.root), "dry_run": dry_run, **report.as_json()})
    else:
        _print(layout, report, dry_run=dry_run)
    if report.refused:
        raise click.exceptions.Exit(1)


def closed_with(production: Production) -> tuple[Mapping[str, str], list[dict[str, Any]]]:
    """What a closed production declares, and the decisions by which that is all.

    Raises
    ------
    NightError
        It is not closed.
    ProductError
        Something was decided since.
    """
    receipt = current_receipt(production, "close", NIGHT)
    if receipt is None or presence(production, receipt) is Presence.LOST:
        day = production.root.parent.name
        raise NightError(
            f"{production.root}: is not closed, and only closed nights are published. "
            f"Next: osa close --date {day} --production {production.id}"
        )
    listing = next(Path(item["path"]).name for item in receipt.inputs if item["role"] == "declared")
    declared, decided = read_listing(production.state / "configs" / listing)  # by its name: a site may have been moved
    require_decisions(production, decided)
    return declared, decided


def _print(layout: Layout, report: Report, *, dry_run: bool) -> None:
    click.echo(f"Production {layout.production.id} of {layout.production.root.parent.name}, below {layout.root}:")
    click.echo(("would be: " if dry_run else "") + said(report), nl=False)
    for line in report.refused[:SHOWN]:
        click.echo(f"refused: {line}", err=True)
    if len(report.refused) > SHOWN:
        click.echo(f"… and {len(report.refused) - SHOWN} more (--json lists all)", err=True)
    if report.refused:
        again = publishing.again(layout.production)
        click.echo(f"Nothing that was there was changed. Move such files aside, then: {again}", err=True)
