"""Simulating with progress: a bar on a terminal, a line per stage elsewhere."""

from __future__ import annotations

import sys

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from osa_luigi.telescope import SimulatedNight, SimulationOptions, simulate


def simulate_visibly(asked: SimulationOptions) -> SimulatedNight:
    """As `osa_luigi.telescope.simulate`; progress goes to standard error."""
    if sys.stderr.isatty():
        return _with_bar(asked)
    told: set[str] = set()

    def report(stage: str, fraction: float) -> None:
        if stage not in told and fraction < 1:
            told.add(stage)
            click.echo(f"simulating: {stage} ({fraction:.0%})", err=True)

    return simulate(asked, report)


def _with_bar(asked: SimulationOptions) -> SimulatedNight:
    columns = (TextColumn("simulating"), BarColumn(), TaskProgressColumn(), TextColumn("{task.description}"))
    # No thread of its own: the simulation may fork.
    with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True), auto_refresh=False) as progress:
        task = progress.add_task("", total=1.0)

        def report(stage: str, fraction: float) -> None:
            progress.update(task, completed=fraction, description=stage, refresh=True)

        return simulate(asked, report)
