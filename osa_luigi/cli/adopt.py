"""``osa adopt``: take products that something else made into the books, after verifying them."""

from __future__ import annotations

import getpass
import os
from datetime import date
from pathlib import Path

import click

from osa_luigi.cli import options
from osa_luigi.runner.adopted import Adopted
from osa_luigi.runner.attempt import Result, attempt
from osa_luigi.runner.environment import ONE_THREAD
from osa_luigi.steps.software import scientific_software
from osa_luigi.tasks.adopt import ADOPTABLE, Candidate, candidates
from osa_luigi.tasks.session import Session

SHOWN = 20
"""Steps, and files of none, that are named."""


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@options.night
@click.option(
    "--step", "steps", multiple=True, type=click.Choice(ADOPTABLE), help="Only products of this step; may be repeated."
)
@click.option(
    "--as-production-settings",
    "decided",
    is_flag=True,
    help="Take them over: you say that they were made with the settings and software of this production.",
)
@click.option("--reason", default="", help="Why that is known; needed with --as-production-settings.")
@options.as_json
def adopt(
    paths: tuple[Path, ...],
    day: date,
    production: str,
    procedure: str | None,
    config_file: Path | None,
    steps: tuple[str, ...],
    decided: bool,
    reason: str,
    as_json: bool,
) -> None:
    """Take products that something else (LSTOSA, say) made into a production: PATHS are files, or folders to look in.

    Which step a file belongs to is told by its name. Each is verified as the step's own products are, hashed, and committed with a
    receipt that says who adopted it and from where. The files themselves stay as they are. Nobody can see from a file with which
    settings it was made: without --as-production-settings nothing is taken over, only listed.

    \b
    Examples:
        osa adopt running_analysis/20241115/v0.12 --date 2024-11-15
        osa adopt running_analysis/20241115/v0.12 --date 2024-11-15 --as-production-settings --reason "same lstchain and configuration"
        osa adopt monitoring/PixelCalibration/Cat-A --date 2024-11-15 --step drs4_baseline --step charge_calibration

    \b
    Exit codes: 0 all that was found was adopted, or can be, 1 something was not or cannot be, 2 wrong usage,
    3 the configuration or the night is wrong.
    """
    if decided and not reason.strip():
        raise click.UsageError(
            "--as-production-settings needs a --reason: how it is known that the settings are the same."
        )
    if missing := [str(path) for path in paths if not path.exists()]:
        raise click.UsageError(f"No such file or folder: {', '.join(missing)}.")
    # The runner forks, so no library that planning imports may start threads.
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
    session = options.open_night(config_file, day, production, procedure, to_write=decided)
    found, others = candidates(session, [path.absolute() for path in paths])
    wanted = [one for one in found if not steps or one.call.step in steps]
    results = _adopted(session, wanted, reason) if decided else {}
    good = bool(wanted) and all(_is_good(one, results) for one in wanted)
    if as_json:
        options.print_json(
            {
                "adopted": sum(result.outcome == "made" for result in results.values()),
                "assumed": _assumed(session),
                "steps": [_data(one, results) for one in wanted],
                "other_files": [str(path) for path in others],
            }
        )
    else:
        _print(session, wanted, others, results)
    if not good:
        raise click.exceptions.Exit(1)


def _adopted(session: Session, wanted: list[Candidate], reason: str) -> dict[str, Result]:
    """One after the other, in the order of the plan: what a product is made from is adopted before it."""
    session.plan.write_configs()
    user = getpass.getuser()
    return {
        one.call.name: attempt(one.production, one.call, Adopted(one.files, user, " ".join(reason.split())))
        for one in wanted
        if not one.trouble
    }


def _is_good(one: Candidate, results: dict[str, Result]) -> bool:
    return results[one.call.name].good if one.call.name in results else not one.trouble


def _assumed(session: Session) -> str:
    software = ", ".join(f"{package} {version}" for package, version in scientific_software().items())
    return f"made with the settings of procedure {session.configuration.procedure.name}, by {software}, from the inputs of the plan"


def _data(one: Candidate, results: dict[str, Result]) -> dict[str, object]:
    result = results.get(one.call.name)
    return {
        "step": one.call.step,
        "unit": one.call.unit,
        "files": {role: str(path) for role, path in one.files.items()},
        "outcome": result.outcome if result else "",
        "trouble": one.trouble or (result.reason if result else ""),
    }


def _print(session: Session, wanted: list[Candidate], others: list[Path], results: dict[str, Result]) -> None:
    bad = [one for one in wanted if not _is_good(one, results)]
    counts = {step: sum(one.call.step == step and one not in bad for one in wanted) for step in ADOPTABLE}
    said = ", ".join(f"{count} {step}" for step, count in counts.items() if count) or "nothing"
    click.echo(f"{'Adopted' if results else 'Can be adopted'}: {said}.")
    click.echo(f"{'Assumed' if results else 'To be assumed'}: {_assumed(session)}.")
    for one in bad[:SHOWN]:
        why = results[one.call.name].reason if one.call.name in results else one.trouble
        click.echo(f"not {one.call.name}: {why}", err=True)
    if len(bad) > SHOWN:
        click.echo(f"… and {len(bad) - SHOWN} more (--json lists all)", err=True)
    if others:
        click.echo(f"{len(others)} files belong to no step of this plan that is adopted (--json lists them).")
    if not results and len(bad) < len(wanted):
        click.echo("Nothing was taken over. If that is so, repeat it with --as-production-settings --reason …")
