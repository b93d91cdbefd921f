"""``osa report``: the night's report, as a page and as a few lines."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import click

from osa_luigi.cli import options
from osa_luigi.cli.status import require_production
from osa_luigi.errors import NightError
from osa_luigi.ledger.report.model import NightReport
from osa_luigi.ledger.report.page import PAGE, page
from osa_luigi.ledger.report.text import text
from osa_luigi.products.production import write_durably
from osa_luigi.tasks.report import night_report

STDOUT = "-"


@click.command()
@options.night
@click.option(
    "--html",
    "html",
    metavar="FILE",
    help=f"Where the page goes; - prints it. Default: {PAGE} in the production's folder.",
)
@click.option("--text", "only_text", is_flag=True, help="Print the few lines only; write nothing.")
@options.as_json
def report(
    day: date,
    production: str,
    procedure: str | None,
    config_file: Path | None,
    html: str | None,
    only_text: bool,
    as_json: bool,
) -> None:
    """The night's report: a page of its own in HTML, and a few lines in the terminal. For nights in any state.

    The page shows the verdict and what to do next, runs and stages, decisions, when what ran, what was asked for and used with advice,
    the slowest and the failed attempts, and leads to the plots of the checks. It needs no network and no other file. Closing a night
    makes it, too (report.after_closing). With --json nothing is written, unless --html says where.

    \b
    Examples:
        osa report --date 2024-11-15
        osa report --date 2024-11-15 --text | mail -s "night of 15 November" operators
        osa report --date 2024-11-15 --html /tmp/night.html
        osa report --date 2024-11-15 --json | jq '.uses[].advice'

    \b
    Exit codes: 0 the night is closed, 1 it is not,
    3 there is no such production, the page cannot be written to --html, or the configuration or the night is wrong.
    """
    if only_text and html:
        raise click.UsageError("--text writes no page: leave out --html, or --text.")
    session = options.open_night(config_file, day, production, procedure)
    require_production(session.plan.production, config_file, production)
    made = night_report(session)
    if html == STDOUT:
        click.echo(page(made), nl=False)
    else:
        # First, since whoever reads the lines may stop reading.
        place = None if only_text or (as_json and not html) else _write(made, html)
        _print(made, place, as_json=as_json)
    if not made.closed:
        raise click.exceptions.Exit(1)


def _write(made: NightReport, html: str | None) -> Path | None:
    """Where the page was written, if it could be; only to a place that was asked for it must be."""
    if html:
        write_page(made, Path(html))
        return Path(html)
    if not made.folder.is_dir():
        return None  # a night that was not begun has no place yet
    try:
        write_page(made, made.folder / PAGE)
    except OSError as error:
        said = f"{error.filename or made.folder}: {error.strerror}: the page was not written."
        click.echo(f"{said} `--html FILE` puts it elsewhere.", err=True)
        return None
    return made.folder / PAGE


def _print(made: NightReport, place: Path | None, *, as_json: bool) -> None:
    if as_json:
        options.print_json(made.as_json())
        return
    for line in text(made):
        click.echo(line)
    if place:
        click.echo(f"Page: {place}")


def write_page(made: NightReport, path: Path) -> None:
    """Write the page whole or not at all.

    Raises
    ------
    NightError
        There is no such folder.
    OSError
        It cannot be written.
    """
    folder = path.absolute().parent
    if not folder.is_dir():
        raise NightError(f"{folder}: there is no such folder for the page: make it first, or give another.")
    write_durably(path, page(made, folder))
