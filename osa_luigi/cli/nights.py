"""``osa nights``: the last weeks, from the ledger."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from osa_luigi.cli import options
from osa_luigi.cli.main_file import open_main

if TYPE_CHECKING:
    from osa_luigi.ledger.history import NightLine

STYLES = {"closed": "green", "complete": "cyan", "open": ""}


@click.command()
@options.config
@click.option("--last", type=click.IntRange(1), default=30, show_default=True, help="So many nights, the newest ones.")
@options.as_json
def nights(config_file: Path | None, last: int, as_json: bool) -> None:
    """The last weeks, a line for each night and production, as the ledger knows them.

    \b
    Examples:
        osa nights
        osa nights --last 90 --json | jq '.nights[] | select(.state != "closed")'

    \b
    Exit codes: 0 good, 3 there is no ledger, it cannot be read, or the configuration is wrong.
    """
    from osa_luigi.ledger.history import last_nights

    found = last_nights(open_main(config_file), last)
    if as_json:
        options.print_json({"seen": _oldest(found), "nights": [asdict(line) for line in found]})
        return
    if found:
        _print(found)
    click.echo(age(_oldest(found)))


def _print(found: list[NightLine]) -> None:
    from osa_luigi.cli.tables import coloured, plain_table, print_table

    table = plain_table(
        "Date", "Production", "State", "Closed", "Runs", "Subruns", "Failed", "CPU_h", "GB", "Decisions"
    )
    for line in found:
        table.add_row(
            *(line.date.isoformat(), line.production, coloured(state(line), STYLES.get(line.state, ""))),
            *(f"{line.closed:%Y-%m-%d %H:%M}" if line.closed else "-", str(line.runs), str(line.subruns)),
            *(str(line.failed), f"{line.cpu_h:.1f}", f"{line.bytes / 1e9:.1f}", str(line.decisions)),
        )
    print_table(table)


def state(line: NightLine) -> str:
    """How a night stands, and how much of it is made while it is open."""
    if line.state != "open":
        return line.state
    return f"open, {line.made} of {line.declared} steps" if line.declared else "open"


def _oldest(found: list[NightLine]) -> datetime | None:
    return min((line.seen_at for line in found), default=None)


def age(seen: datetime | None) -> str:
    """How old a view of the ledger is, as a sentence."""
    if seen is None:
        return "The ledger holds no nights. `osa ledger update` reads them."
    minutes = max(int((datetime.now(UTC) - seen).total_seconds() // 60), 0)  # clocks of two machines differ
    days, hours = divmod(minutes // 60, 24)
    ago = f"{days} d {hours} h" if days else f"{hours} h {minutes % 60} min" if hours else f"{minutes} min"
    return f"As the files were {ago} ago ({seen:%Y-%m-%d %H:%M} UTC). `osa ledger update` looks again."
