"""``osa doctor``: is this site, and this machine, fit to run nights?"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from osa_luigi.cli import options

if TYPE_CHECKING:
    from osa_luigi.tasks.doctor.finding import Finding

COLOURS = {"ok": "green", "warn": "yellow", "bad": "red"}


@click.command()
@options.config
@options.procedure
@click.option("--submit", is_flag=True, help="Also run a job of a second on the cluster.")
@click.option("--limit", type=click.FloatRange(0.1), default=30, show_default=True, help="Seconds for each check.")
@options.as_json
def doctor(config_file: Path | None, procedure: str | None, submit: bool, limit: float, as_json: bool) -> None:
    """Look at all that a night needs, a line each: ok, warn or bad, with what to do.

    Configuration, folders (a real hard link and rename, which are removed), room on the disk, clock, shared folders, software, limits,
    luigid, the ledger, and on a cluster SLURM. Each check runs by itself, and is given up when it hangs.

    \b
    Examples:
        osa doctor
        osa doctor --submit
        osa doctor --json | jq '.findings[] | select(.level != "ok")'

    \b
    Exit codes: 0 nothing is bad, 1 something is.
    """
    from osa_luigi.tasks.doctor.checkup import checkup

    found: list[tuple[str, Finding]] = []
    for area, finding in checkup(options.the_config(config_file), procedure, submit=submit, limit_s=limit):
        found.append((area, finding))
        if not as_json:
            _print(area, finding)
    counts = Counter(str(finding.level) for _, finding in found)
    if as_json:
        told = [{"area": area, "level": one.level, "what": one.what, "next": one.next or None} for area, one in found]
        options.print_json({"good": not counts["bad"], "findings": told})
    else:
        click.echo(f"{counts['ok']} ok, {counts['warn']} to look at, {counts['bad']} bad.")
    if counts["bad"]:
        raise click.exceptions.Exit(1)


def _print(area: str, finding: Finding) -> None:
    level = click.style(f"{finding.level:4}", fg=COLOURS[finding.level], bold=finding.level == "bad")
    click.echo(f"{level}  {area}: {finding.what}")
    if finding.next:
        click.echo(f"      next: {finding.next}")
