"""``osa status``: how a night stands."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import click

from osa_luigi.cli import options
from osa_luigi.cli.kept import all_is_kept
from osa_luigi.cli.night_table import not_begun, print_grid, print_overview
from osa_luigi.errors import NightError
from osa_luigi.night import parse_date
from osa_luigi.products.production import Production
from osa_luigi.tasks.looking import overview


@click.command()
@options.night
@click.option("--grid", "as_grid", is_flag=True, help="Runs as rows, stages as columns, with counts.")
@options.as_json
def status(
    day: date, production: str, procedure: str | None, config_file: Path | None, as_grid: bool, as_json: bool
) -> None:
    """How a night stands: a row per sequence, what failed and why, where the products lie, and whether it is closed.

    \b
    Examples:
        osa status --date 2024-11-15
        osa status --date 2024-11-15 --grid
        osa status --date 20241115 --production tight --json | jq .failures

    \b
    Exit codes: 0 the night is closed, 1 it is not,
    3 no such production, or the configuration or the night is wrong.
    """
    with all_is_kept():
        session = options.open_night(config_file, day, production, procedure)
        require_production(session.plan.production, config_file, production)
        seen = overview(session)
    if as_json:
        options.print_json(seen.as_json())
    elif as_grid:
        print_grid(seen)
    else:
        print_overview(seen)
    if not seen.closed:
        raise click.exceptions.Exit(1)


def require_production(place: Production, config_file: Path | None, asked: str) -> None:
    """An id that was asked for is that of a production, or of a procedure that makes it.

    Raises
    ------
    NightError
        It is neither; the message names the productions that there are.
    """
    if asked and not place.root.is_dir() and not options.procedure_of(options.the_config(config_file), asked):
        day = parse_date(place.root.parent.name).isoformat()
        raise NightError(f"{day}: {not_begun(place)}. Nor does any procedure make it: check the id.")
