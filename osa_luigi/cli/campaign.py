"""``osa campaign``: many nights, planned, run, paused, and looked at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from osa_luigi.cli import options
from osa_luigi.cli.campaign_lines import counts, forecast_lines, print_estimate, said
from osa_luigi.cli.campaign_running import run

if TYPE_CHECKING:
    from osa_luigi.tasks.campaign.standing import Nights

Function = TypeVar("Function", bound=Callable[..., Any])

SHOWN = 20
"""Nights that `status` names of each kind."""

named = click.argument("name")


@click.group()
def campaign() -> None:
    """Many nights under one reconstruction or several: plan, run, pause, look.

    What is made and how stands in the library, as a procedure of type campaign.

    \b
    Examples:
        osa campaign plan crab-cleaning
        osa campaign start crab-cleaning
        osa campaign status crab-cleaning --json | jq .states
    """


def _running(function: Function) -> Function:
    """What `start` and `resume` share."""
    for option in (
        options.as_json,
        click.option("--thorough", is_flag=True, help="Look closely also at nights that were closed before."),
        click.option("--local-scheduler", is_flag=True, help="Without a luigid."),
        named,
        options.config,
    ):
        function = option(function)
    return function


@campaign.command()
@_running
def start(config_file: Path | None, name: str, local_scheduler: bool, thorough: bool, as_json: bool) -> None:
    """Run what is not closed, a few nights at a time, until all is done; give it again after whatever ended it.

    Stopped (Ctrl-C, SIGTERM), it stops its nights; jobs that SLURM has go on. A night that fails stops no other.

    \b
    Examples:
        osa campaign start crab-cleaning

    \b
    Exit codes: 0 all nights are closed (or have no data), 1 some are not, or it is paused, 3 the configuration is wrong,
    10 another process runs it (it is said which), 130 it was stopped.
    """
    run(_open(config_file, name), local_scheduler, thorough, as_json)


@campaign.command()
@_running
def resume(config_file: Path | None, name: str, local_scheduler: bool, thorough: bool, as_json: bool) -> None:
    """Take a pause back, and run what is not closed.

    \b
    Examples:
        osa campaign resume crab-cleaning

    \b
    Exit codes: as of start.
    """
    nights = _open(config_file, name)
    nights.folder.resume()
    run(nights, local_scheduler, thorough, as_json)


@campaign.command()
@options.config
@named
@click.option("--reason", default="", help="Why; shown to whoever wonders.")
@click.option("--now", is_flag=True, help="Stop the nights at work, too; what SLURM has of them goes on.")
@options.as_json
def pause(config_file: Path | None, name: str, reason: str, now: bool, as_json: bool) -> None:
    """Have no more nights started; those at work go on to their end. `osa campaign resume` takes it back.

    \b
    Examples:
        osa campaign pause crab-cleaning --reason "the disk is full"

    \b
    Exit codes: 0 paused (also if it was before), 3 it cannot be.
    """
    folder = _open(config_file, name).folder
    held = folder.paused()
    held = held if held and (held.now or not now) else folder.pause(reason, now=now)
    runner = folder.runner()
    if as_json:
        options.print_json({"campaign": name, "paused": asdict(held), "runner": asdict(runner) if runner else None})
        return
    click.echo(f"{name}: {held}")
    if runner:
        ends = "stops its nights and ends" if held.now else "ends with the nights that are at work"
        click.echo(f"Process {runner.pid} on {runner.host} {ends}.")


@campaign.command()
@options.config
@named
@options.several_dates
@options.as_json
def plan(config_file: Path | None, name: str, days: tuple[date, ...], as_json: bool) -> None:
    """What is to be made, linked and there already, for each night and production, and which settings are the reason.

    It starts nothing and writes nothing. The cost is that of earlier nights: the median of each step's receipts.

    \b
    Examples:
        osa campaign plan crab-cleaning
        osa campaign plan crab-cleaning --date 2024-11-15 --json | jq '.nights[] | {production, make, why}'

    \b
    Exit codes: 0 planned, 1 a night cannot be planned or would be refused, 3 the configuration is wrong.
    """
    from osa_luigi.tasks.campaign.costs import costs, estimate
    from osa_luigi.tasks.campaign.forecast import fake, forecasts
    from osa_luigi.tasks.morning.look import State

    nights = _open(config_file, name)
    to_make, states, rows = Counter[str](), Counter[State](), []
    for found in forecasts(nights, days or None):
        to_make.update(found.make)
        states[found.state] += 1
        if as_json:
            rows.append(found.as_json())
        elif found.state is not State.NO_DATA:
            click.echo("\n".join(forecast_lines(found)))
    cost = estimate(to_make, costs(nights.main, faked=fake(nights, nights.campaign.point(0))))
    if as_json:
        by_state = {str(state): count for state, count in states.items()}
        data = {"campaign": name, "states": by_state, "make": dict(to_make), "estimate": asdict(cost), "nights": rows}
        options.print_json(data)
    else:
        click.echo(f"\n{sum(states.values())} productions: {said(states)}.")
        click.echo(f"To be made: {counts(to_make) or 'nothing'}.")
        if to_make:
            print_estimate(cost)
    if states[State.BLOCKED]:
        raise click.exceptions.Exit(1)


@campaign.command()
@options.config
@named
@click.option("--all", "everything", is_flag=True, help="Name all nights.")
@options.as_json
def status(config_file: Path | None, name: str, everything: bool, as_json: bool) -> None:
    """How far it has come, who runs it, and the nights that are not closed.

    \b
    Examples:
        osa campaign status crab-cleaning
        osa campaign status crab-cleaning --all --json | jq -r '.nights[] | select(.state == "incomplete").date'

    \b
    Exit codes: 0 all nights are closed (or have no data), 1 some are not, 3 the configuration is wrong.
    """
    from osa_luigi.tasks.campaign.report import line
    from osa_luigi.tasks.campaign.standing import DONE

    nights = _open(config_file, name)
    states, rows = Counter[Any](), list[Any]()
    shown = Counter[Any]()
    for standing in nights.standings():
        states[standing.state] += 1
        named_too = everything or (standing.state not in DONE and shown[standing.state] < SHOWN)
        shown[standing.state] += named_too
        if named_too:
            rows.append(standing)
    runner, paused = nights.folder.runner(), nights.folder.paused()
    good = not any(count for state, count in states.items() if state not in DONE)
    if as_json:
        options.print_json(
            {
                "campaign": name,
                "good": good,
                "states": {str(state): count for state, count in states.items()},
                "runner": asdict(runner) if runner else None,
                "paused": asdict(paused) if paused else None,
                "nights": [standing.as_json() for standing in rows],
            }
        )
    else:
        click.echo(f"Campaign {name}: {said(states)}.")
        click.echo(
            f"Run by process {runner.pid} on {runner.host} since {runner.since}." if runner else "Nobody runs it."
        )
        if paused:
            click.echo(f"It is {paused}.")
        for standing in rows:
            click.echo(line(standing))
        left = sum(count for state, count in states.items() if state not in DONE)
        if not everything and left > len(rows):
            click.echo(f"… and {left - len(rows)} more (--all)")
    if not good:
        raise click.exceptions.Exit(1)


@campaign.command("report")
@options.config
@named
@options.as_json
def report_(config_file: Path | None, name: str, as_json: bool) -> None:
    """How its nights ended, what is missing and why, CPU time and disk, for each point of the grid.

    \b
    Examples:
        osa campaign report crab-cleaning

    \b
    Exit codes: 0 all nights are closed (or have no data), 1 some are not, 3 the configuration is wrong.
    """
    from osa_luigi.tasks.campaign.report import report

    nights = _open(config_file, name)
    found = report(nights.campaign, nights.standings())
    if as_json:
        options.print_json(found.as_json())
    else:
        for text in found.lines():
            click.echo(text)
    if not found.good:
        raise click.exceptions.Exit(1)


def _open(config_file: Path | None, name: str) -> Nights:
    from osa_luigi.config import load_campaign, load_main
    from osa_luigi.tasks.campaign.standing import Nights

    config = options.the_config(config_file)
    main = load_main(config, check_files=False)
    return Nights(config, main, load_campaign(main, name))
