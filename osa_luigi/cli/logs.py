"""``osa logs``: the newest log of a step."""

from __future__ import annotations

from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path

import click

from osa_luigi.cli import choose, options
from osa_luigi.products.paperwork import LOGS, Paperwork
from osa_luigi.products.production import Production
from osa_luigi.products.receipt import current_receipt
from osa_luigi.steps.call import StepCall


@click.command()
@click.argument("step")
@click.argument("unit", default="night")
@options.night
@options.as_json
def logs(
    step: str, unit: str, day: date, production: str, procedure: str | None, config_file: Path | None, as_json: bool
) -> None:
    """Print the newest log of STEP for UNIT; where it lies goes to standard error.

    UNIT is a subrun (Run02008.0003), a run (Run02008), or night (the default).

    \b
    Examples:
        osa logs r0_to_dl1 Run02003.0001 --date 2024-11-15
        osa logs close --date 2024-11-15

    \b
    Exit codes: 0 there is one, 1 it has not been tried yet, 2 no such step, 3 no such unit.
    """
    choose.check_step(step)
    if step == choose.RUN_SUMMARY:
        place, call = choose.run_summary_call(config_file, day, unit)
    else:
        place, call = choose.planned_call(options.open_night(config_file, day, production, procedure), step, unit)
    papers = Paperwork(place, call.unit)
    log = newest_log(papers, call)
    text = papers.read(LOGS, log).decode(errors="replace") if log else ""
    if as_json:
        options.print_json({"log": papers.place(LOGS, log) if log else None, "text": text})
    elif log:
        click.echo(papers.place(LOGS, log), err=True)
        click.echo(text, nl=False)
    else:
        click.echo(_no_log(place, call), err=True)
    if log is None:
        raise click.exceptions.Exit(1)


def newest_log(papers: Paperwork, call: StepCall) -> str | None:
    """The name of the newest attempt's log: attempt ids sort by time."""
    return max((name for name in papers.names(LOGS) if fnmatchcase(name, f"{call.name}.*.log")), default=None)


def _no_log(place: Production, call: StepCall) -> str:
    receipt = current_receipt(place, call.step, call.unit)
    if receipt and receipt.linked_from:
        return f"{call.name}: linked from production {receipt.linked_from}: ask for its log there (--production {receipt.linked_from})."
    return f"{call.name}: no log in {place.logs(call.unit)}: it has not been tried in this production."
