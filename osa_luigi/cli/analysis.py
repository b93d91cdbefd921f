"""``osa analysis``: users' analyses: what there is, run one by hand, begin a new one."""

from __future__ import annotations

import os
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from osa_luigi.cli import options
from osa_luigi.cli.tables import plain_table, print_table

if TYPE_CHECKING:
    from osa_luigi.config import Analysis, MainConfig
    from osa_luigi.steps.call import StepCall
    from osa_luigi.tasks.analysis_session import AnalysisSession

dates = click.option(
    "--date",
    "days",
    metavar="DATE",
    default="",
    callback=lambda _context, _option, value: _nights(value),
    help="Observation date (the evening's); for a campaign several: 2024-11-15,2024-11-18..2024-11-20. Default: all of the campaign that "
    "it reads.",
)


def _nights(text: str | None) -> tuple[date, ...]:
    from osa_luigi.errors import NightError
    from osa_luigi.tasks.nights import parse_nights

    try:
        return parse_nights(text or "")
    except NightError as error:
        raise click.BadParameter(str(error)) from error


@click.group()
def analysis() -> None:
    """Users' analyses: list, show, run by hand, begin a new one."""


@analysis.command("list")
@options.config
@options.as_json
def list_(config_file: Path | None, as_json: bool) -> None:
    """List the analyses of the site's library.

    \b
    Examples:
        osa analysis list

    \b
    Exit codes: 0 good, 3 the configuration is wrong.
    """
    from osa_luigi.config import load_analysis, load_main, procedure_names
    from osa_luigi.config.kinds import ANALYSIS_TYPE

    main = load_main(options.the_config(config_file), check_files=False)
    found = [load_analysis(main, name, check_files=False) for name in procedure_names(main, ANALYSIS_TYPE)]
    rows = [_line(one) for one in found]
    if as_json:
        options.print_json(rows)
    elif rows:
        table = plain_table("Analysis", "Scope", "Of", "Reads", "Class")
        for row in rows:
            table.add_row(row["name"], row["scope"], ", ".join(row["of"]), ", ".join(row["reads"]), row["class"])
        print_table(table)
    else:
        click.echo("The library holds no analysis. `osa analysis new NAME` writes one to begin with.")


def _line(one: Analysis) -> dict[str, Any]:
    place = f" ({one.class_path})" if one.class_path else ""
    return {
        "name": one.name,
        "scope": one.scope,
        "of": list(one.of),
        "reads": list(one.reads),
        "class": f"{one.class_name}{place}",
        "file": str(one.file),
    }


@analysis.command()
@click.argument("name")
@click.option(
    "--date",
    "days",
    metavar="DATE",
    default="",
    callback=lambda _context, _option, value: _nights(value),
    help="Say what is made of it, and what failed, too, of this night (or nights).",
)
@options.config
@options.as_json
def show(name: str, days: tuple[date, ...], config_file: Path | None, as_json: bool) -> None:
    """Show the analysis NAME: its settings, what its class says of itself, and with --date what is made, and what failed, why.

    \b
    Examples:
        osa analysis show crab_rate
        osa analysis show crab_rate --date 2024-11-15 --json

    \b
    Exit codes: 0 good, 1 what is asked about is not all made, 3 the configuration, the class or a night is wrong.
    """
    from osa_luigi.analysis.describe import ask
    from osa_luigi.config import thaw
    from osa_luigi.steps.plan_analysis import class_spec

    main, settings = _find(config_file, name)
    described = ask(class_spec(settings), thaw(settings.parameters))
    said = {
        **_line(settings),
        "what": described.doc,
        "source": described.file,
        "sources": dict(described.sources),
        "parameters": thaw(settings.parameters),
        "outputs": dict(described.outputs),
    }
    made = _made(_open(main, settings, days)) if days else []
    if as_json:
        options.print_json({**said, "products": made})
    else:
        _print(said, made)
    if not all(one["made"] for one in made):
        raise click.exceptions.Exit(1)


def _made(session: AnalysisSession) -> list[dict[str, Any]]:
    return list(map(partial(_stand, session), session.plan.calls))


def _stand(session: AnalysisSession, call: StepCall) -> dict[str, Any]:
    """How one part of it stands: made, failed and why, or neither."""
    from osa_luigi.products.attempts import log_place

    made, production = session.is_done([call]), session.plan.production
    last = None if made else session.failure(call)
    failed = last and {"reason": last["reason"], "log": log_place(production, last), "ended": last["ended"]}
    return {"call": call.name, "made": made, "folder": str(production.root), "failed": failed}


def _print(said: dict[str, Any], made: list[dict[str, Any]]) -> None:
    for name in ("name", "what", "scope", "of", "reads", "class", "source", "file"):
        value = said[name]
        click.echo(f"{name:8} {', '.join(value) if isinstance(value, list) else value}")
    for name, value in said["parameters"].items():
        click.echo(f"  {name}: {value}")
    for role, file in said["outputs"].items():
        click.echo(f"{role.partition(':')[0]:12} {file}")
    for one in made:
        _print_part(one)


def _print_part(part: dict[str, Any]) -> None:
    if part["made"]:
        click.echo(f"{part['call']}: made, in {part['folder']}")
    elif failed := part["failed"]:
        click.echo(f"{part['call']}: FAILED at {str(failed['ended'])[:19]} UTC: {failed['reason']}")
        click.echo(f"  log: {failed['log']}")
    else:
        click.echo(f"{part['call']}: not made")


@analysis.command()
@click.argument("name")
@dates
@click.option("--production", default="", help="Production id. Default: the analysis's.")
@click.option(
    "--trial",
    type=click.Path(path_type=Path, file_okay=False),
    help="Only try it: leave the files in this folder, without a receipt.",
)
@options.config
def run(name: str, days: tuple[date, ...], production: str, trial: Path | None, config_file: Path | None) -> None:
    """Run the analysis NAME by hand, over nights that are closed: the same runner, verification and receipts as by luigi.

    With --trial it can be run again and again while the class is being written: nothing of a production is touched.

    \b
    Examples:
        osa analysis run crab_rate --date 2024-11-15
        osa analysis run crab_rate --date 2024-11-15 --trial try

    \b
    Exit codes: 0 its products are there, 1 an attempt failed, 3 a night is not closed, or the configuration or the class is wrong.
    """
    from osa_luigi.runner.environment import ONE_THREAD

    # The runner forks, so no library that planning imports may start threads.
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
    main, settings = _find(config_file, name, production)
    session = _open(main, settings, days)
    good = _try(session, trial) if trial else _attempt(session)
    if not good:
        raise click.exceptions.Exit(1)


def _attempt(session: AnalysisSession) -> bool:
    """All calls; what fails of one run keeps no other from being made, but nothing is closed then."""
    from osa_luigi.cli.step import OUTCOMES
    from osa_luigi.runner.attempt import attempt
    from osa_luigi.runner.leg import warm_up

    plan, failed = session.plan, 0
    plan.write_configs()
    warm_up(plan.calls, session.main.site.paths.numba_cache)
    for call in plan.calls:
        if failed and call in plan.ending:
            break
        result = attempt(plan.production, call)
        failed += not result.good
        click.echo(f"{result.name}: {OUTCOMES[result.outcome]}")
        if not result.good:
            click.echo(result.reason, err=True)
    click.echo(f"in {plan.production.root}")
    return not failed


def _try(session: AnalysisSession, folder: Path) -> bool:
    from osa_luigi.runner.trial import prepare, trial

    prepare(folder)
    session_cache = session.main.site.paths.numba_cache
    good = True
    for unit, call in session.plan.parts.items():
        place = folder / unit if len(session.plan.parts) > 1 else folder
        content = session.plan.configs[call.path("request")]
        outcome = trial(call, content, place, session_cache)
        click.echo(f"{call.name}: {outcome or f'good, in {place}'}")
        good = good and not outcome
    return good


def _find(config_file: Path | None, name: str, production: str = "") -> tuple[MainConfig, Analysis]:
    from dataclasses import replace

    from osa_luigi.config import load_analysis, load_main

    main = load_main(options.the_config(config_file), check_files=False)
    settings = load_analysis(main, name)
    return main, replace(settings, production_id=production) if production else settings


def _open(main: MainConfig, settings: Analysis, days: tuple[date, ...]) -> AnalysisSession:
    from osa_luigi.tasks.analysis_session import open_analysis

    return open_analysis(main, settings, days)


@analysis.command()
@click.argument("name")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    help="Where to. Default: the current folder.",
)
@click.option(
    "--of", default="", help="The reconstruction whose products it reads. Default: the site's default procedure."
)
@options.config
def new(name: str, folder: Path, of: str, config_file: Path | None) -> None:
    """Begin the analysis NAME: a class that counts events, its procedure, and a test, to be changed into one's own.

    \b
    Examples:
        osa analysis new pointing
        osa analysis new pointing --folder analyses --of v1

    \b
    Exit codes: 0 written, 3 a file is there already, or cannot be written.
    """
    from osa_luigi.analysis.skeleton import write_skeleton

    written = write_skeleton(name, folder, of or _default_procedure(config_file))
    for path in written:
        click.echo(str(path))
    click.echo(
        f"Put {written[1]} into `procedures` of the site's file, then: osa analysis run {name} --date DATE --trial try"
    )


def _default_procedure(config_file: Path | None) -> str:
    from osa_luigi.config import load_main
    from osa_luigi.errors import OsaError

    try:
        return load_main(options.the_config(config_file), check_files=False).default_procedure or "NAME"
    except OsaError:
        return "NAME"
