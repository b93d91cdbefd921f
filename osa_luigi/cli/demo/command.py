"""``osa demo``: a whole simulated night, from nothing to checked and merged DL2, with luigi's central scheduler."""

from __future__ import annotations

import os
import sys
from datetime import date
from pathlib import Path
from typing import Any

import click

from osa_luigi.cli import options
from osa_luigi.cli.demo.ending import until_stopped
from osa_luigi.cli.demo.engine import Engine
from osa_luigi.cli.demo.luigid import Luigid
from osa_luigi.cli.demo.show import show
from osa_luigi.cli.night_table import print_overview
from osa_luigi.cli.placeholder import PlaceholderNight
from osa_luigi.cli.simulation_progress import simulate_visibly
from osa_luigi.cli.telescope import sizes
from osa_luigi.config import Procedure, load
from osa_luigi.errors import OsaError
from osa_luigi.tasks.looking import overview
from osa_luigi.telescope import SimulationOptions


@click.group()
def demo() -> None:
    """A whole simulated night, from nothing to DL2."""


@demo.command()
@click.option(
    "--base",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("demo"),
    show_default=True,
    help="Root of the tree: raw files, products, logs.",
)
@click.option(
    "--date",
    "day",
    metavar="DATE",
    callback=options.observation_date,
    default="2024-11-15",
    show_default=True,
    help="Observation date (the evening's): 2024-11-15 or 20241115.",
)
@click.option("--procedure", default="simulated", show_default=True, help="Procedure, by its name.")
@options.config
@sizes
def night(base: Path, day: date, procedure: str, config_file: Path | None, **asked: Any) -> None:
    """Simulate a night and analyse it: luigid with its web page, luigi's own command, progress, the operator's table.

    Nothing is done twice: a night that is there is neither simulated nor analysed again. A procedure with fake steps gets
    placeholders for raw files.

    \b
    Examples:
        osa demo night
        osa demo night --base big --procedure fake --data-runs 40 --subruns 125

    \b
    Exit codes: luigi's: 0 the night is closed, 10 another engine works on it, 20 missing data,
    25 not run, 30 steps failed, 35 and 40 it could not be planned or run (see night.log);
    3 the simulation or the configuration is wrong; 130 stopped.
    """
    base = base.absolute()
    main = options.the_config(config_file).absolute()
    os.environ.update(OSA_BASE=str(base), OSA_CONFIG=str(main))
    try:
        with until_stopped():
            chosen = load(main, procedure, check_files=False).procedure
            _simulate(base, day, chosen, asked)
            code = _analyse(base, day, chosen)
            _tell(base, main, day, procedure)
    except KeyboardInterrupt:
        click.echo("\nStopped. The same command goes on where it was.", err=True)
        raise click.exceptions.Exit(130) from None
    if code:
        click.echo(f"luigi ended with exit code {code}: read {base / 'night.log'}", err=True)
    raise click.exceptions.Exit(code)


def _simulate(base: Path, day: date, procedure: Procedure, asked: dict[str, Any]) -> None:
    if procedure.fake:
        PlaceholderNight(base, day, asked["data_runs"], asked["subruns"], asked["first_run"]).write()
    else:
        simulate_visibly(SimulationOptions(base=base, date=day, **asked))


def _analyse(base: Path, day: date, procedure: Procedure) -> int:
    """Luigi's own command beside luigid; returns its exit code."""
    with Luigid(base / "luigid") as scheduler:
        click.echo(f"Scheduler and web page while the night runs: {scheduler.url}")
        with Engine(base / "night.log", day, procedure, scheduler.url) as engine:
            show(scheduler, engine, terminal=sys.stdout.isatty())
            return engine.wait()


def _tell(base: Path, main: Path, day: date, procedure: str) -> None:
    click.echo("")
    try:
        print_overview(overview(options.open_night(main, day, "", procedure)))
    except OsaError as error:  # luigi's exit code says that it failed; this says why
        click.echo(str(error), err=True)
    click.echo(f"Everything lies in {base}; what luigi said is in {base / 'night.log'}.")
