"""``osa telescope``: a night of the simulated telescope."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import click

from osa_luigi.cli import options
from osa_luigi.cli.placeholder import PlaceholderNight
from osa_luigi.cli.simulation_progress import simulate_visibly
from osa_luigi.errors import NightError
from osa_luigi.telescope import Fault, FaultKind, SimulationOptions
from osa_luigi.telescope import deliver as deliver_held

Function = TypeVar("Function", bound=Callable[..., Any])

SIZES: dict[str, tuple[Any, Any, str]] = {
    "seed": (int, SimulationOptions.seed, "Of everything random: the same options give the same events."),
    "format": (str, SimulationOptions.format, "Raw data format: r1v1, evbv5 (older), or pe (calibrated already)."),
    "drs4_events": (int, SimulationOptions.drs4_events, "Events of the DRS4 run (1,000 or more for lstchain)."),
    "pedcal_events": (
        int,
        SimulationOptions.pedcal_events,
        "Events of the PEDCALIB run (512 or more for its time calibration).",
    ),
    "data_runs": (int, SimulationOptions.data_runs, "DATA runs."),
    "subruns": (int, SimulationOptions.subruns, "Subruns of each DATA run."),
    "events": (int, SimulationOptions.events, "Events of each subrun."),
    "interleaved_period": (
        int,
        SimulationOptions.interleaved_period,
        "One event in so many of a DATA run is a flat-field one, another a pedestal (11 or more for lstchain).",
    ),
    "gains": (
        click.Choice(["selected", "both"]),
        SimulationOptions.gains,
        "Gains of showers: one per pixel, selected by the event builder, or both, for the analysis to select.",
    ),
    "first_run": (int, SimulationOptions.first_run, "Number of the DRS4 run; the others follow."),
    "time_calibration": (
        click.Choice(["truth", "run"]),
        SimulationOptions.time_calibration,
        "Write the DRS4 time calibration from the truth, or leave it to be made from the PEDCALIB run.",
    ),
    "mc_events": (int, SimulationOptions.mc_events, "Pseudo-Monte-Carlo gammas, and as many protons, for the models."),
    "trees": (int, SimulationOptions.trees, "Trees of each random forest."),
    "processes": (int, None, "Processes to work in. Default: one per processor."),
}
"""Option → type, default, help: those of `SimulationOptions`, which describes them in full."""


def sizes(function: Function) -> Function:
    """The options of a simulation."""
    function = click.option(
        "--models/--no-models", default=SimulationOptions.models, show_default=True, help="Train random forests."
    )(function)
    for name, (kind, default, text) in reversed(SIZES.items()):
        flag = f"--{name.replace('_', '-')}"
        function = click.option(flag, name, type=kind, default=default, show_default=default is not None, help=text)(
            function
        )
    return function


def _faults(_context: click.Context, _option: click.Parameter, texts: tuple[str, ...]) -> tuple[Fault, ...]:
    try:
        return tuple(Fault.parse(text) for text in texts)
    except NightError as error:
        raise click.BadParameter(str(error)) from error


def base_folder(function: Function) -> Function:
    """``--base``."""
    return click.option(
        "--base",
        type=click.Path(path_type=Path, file_okay=False),
        default=Path("demo"),
        show_default=True,
        help="Root of the tree.",
    )(function)


@click.group()
def telescope() -> None:
    """The simulated telescope: nights of raw LST-1 data, since real ones cannot be handed out."""


@telescope.command()
@base_folder
@options.day
@sizes
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="KIND[:RUN[.SUBRUN[.STREAM]]]",
    callback=_faults,
    help=f"Something wrong with the night; may be repeated. Kinds: {', '.join(FaultKind)}.",
)
@click.option("--fake", is_flag=True, help="No real raw data: placeholders, for a procedure with fake steps.")
@options.as_json
def simulate(base: Path, day: date, fake: bool, as_json: bool, **asked: Any) -> None:
    """Write a night: raw files, run catalog, drive log, calibration files, models. What is there already is not made again.

    With --fake: run summary, run catalog and placeholders for raw files, so that the graph of a night of any size can be run
    with fake steps.

    \b
    Examples:
        osa telescope simulate --date 2024-11-15 --base demo
        osa telescope simulate --date 2024-11-15 --base big --fake --data-runs 40 --subruns 125
        osa telescope simulate --date 2024-11-15 --base bad --fault truncated:2003.1 --fault late:2004

    \b
    Exit codes: 0 the night is there, 2 wrong usage, 3 the base holds the same night or runs, made otherwise.
    """
    base = base.absolute()
    if fake and asked["faults"]:
        raise click.UsageError(
            "--fault is for real raw data; with --fake there are none (see `fake.fail` of a procedure)"
        )
    if fake:
        night = PlaceholderNight(base, day, asked["data_runs"], asked["subruns"], asked["first_run"])
        written = night.write()
        told = {"base": str(base), "date": day.isoformat(), "fresh": written > 0, "files_written": written}
        words = (
            f"{base}: placeholder night {day.isoformat()}, {written} files written; use a procedure with fake steps."
        )
    else:
        made = simulate_visibly(SimulationOptions(base=base, date=day, **asked))
        runs = [{"run": run.run_id, "type": str(run.run_type), "subruns": run.subruns} for run in made.runs]
        faults = [str(fault) for fault in made.faults]
        told = {
            "base": str(base),
            "date": day.isoformat(),
            "fresh": made.fresh,
            "source": made.source,
            "runs": runs,
            "faults": faults,
        }
        words = (
            f"{base}: night {day.isoformat()} of {made.source}, {'made now' if made.fresh else 'was there already'}."
            f"{' Its faults: ' + ', '.join(faults) + '.' if faults else ''}"
        )
    if as_json:
        options.print_json(told)
    else:
        click.echo(words)


@telescope.command()
@base_folder
@options.day
@click.option("--repair", is_flag=True, help="Whole files for those that are damaged or missing, too.")
@options.as_json
def deliver(base: Path, day: date, repair: bool, as_json: bool) -> None:
    """Deliver what was held back of a simulated night: files that its faults made late.

    With --repair also whole files for those that are damaged or missing, as if they were copied again.

    \b
    Examples:
        osa telescope deliver --date 2024-11-15 --base bad
        osa telescope deliver --date 2024-11-15 --base bad --repair

    \b
    Exit codes: 0 all of it is where it belongs, 2 wrong usage, 3 the base does not hold the night.
    """
    base = base.absolute()
    delivered = deliver_held(base, day, repair=repair)
    if as_json:
        options.print_json({"base": str(base), "date": day.isoformat(), "delivered": [str(path) for path in delivered]})
    else:
        click.echo("\n".join([*map(str, delivered), f"{len(delivered)} files delivered"]))
