"""Options that several commands share, and what they open."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from osa_luigi.config import CAMPAIGN_TYPE, MainConfig, load, load_analysis, load_campaign, load_main, procedure_names
from osa_luigi.config.kinds import ANALYSIS_TYPE
from osa_luigi.config.luigi_cfg import named_config
from osa_luigi.errors import ConfigurationError, NightError

if TYPE_CHECKING:
    from osa_luigi.config import Configuration
    from osa_luigi.products.production import Production
    from osa_luigi.tasks.session import Session

Function = TypeVar("Function", bound=Callable[..., Any])


def observation_date(_context: click.Context, _option: click.Parameter, value: str) -> date:
    """What an option ``--date`` means; anything else is wrong usage."""
    from osa_luigi.night import parse_date

    try:
        return parse_date(value)
    except NightError as error:
        raise click.BadParameter(str(error)) from error


def observation_dates(context: click.Context, option: click.Parameter, values: tuple[str, ...]) -> tuple[date, ...]:
    """What an option ``--date`` that is given several times means: each night once, the oldest first."""
    return tuple(sorted({observation_date(context, option, value) for value in values}))


config = click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    envvar="OSA_CONFIG",
    help="Main configuration. Default: the environment variable OSA_CONFIG, then luigi.cfg ([osa_luigi] config), then osa.yaml.",
)
several_dates = click.option(
    "--date",
    "days",
    metavar="DATE",
    multiple=True,
    callback=observation_dates,
    help="Only this observation date; may be repeated.",
)
procedure = click.option("--procedure", help="Procedure, by its name. Default: the main configuration's.")
as_json = click.option("--json", "as_json", is_flag=True, help="Print data for a program to read.")
day = click.option(
    "--date",
    "day",
    metavar="DATE",
    callback=observation_date,
    required=True,
    help="Observation date (the evening's): 2024-11-15 or 20241115.",
)
production = click.option(
    "--production",
    default="",
    help="Production id. Default: the procedure's; a procedure's own id also chooses the procedure.",
)


def night(function: Function) -> Function:
    """The options that choose a night: --date, --production, --procedure, --config."""
    for option in (config, procedure, production, day):
        function = option(function)
    return function


def the_config(config_file: Path | None) -> Path:
    """The main configuration that was asked for, or the one that luigi would take."""
    if found := config_file or named_config():
        return found
    from osa_luigi.tasks.opening import config_path  # what `osa nights` and the like do without

    return config_path()


def procedure_of(config_file: Path, production_id: str) -> str:
    """The procedure that makes a production id; empty if the library has none, or the default one does."""
    main = load_main(config_file, check_files=False)
    for name in procedure_names(main):
        try:
            made = load(config_file, name, check_files=False).procedure
        except ConfigurationError:
            continue  # a broken procedure is told of where it is used
        if made.production_id == production_id:
            return name
    return _point_of(main, production_id)


def _point_of(main: MainConfig, production_id: str) -> str:
    """The point of a campaign that makes a production id, as a procedure; empty if none does."""
    for name in procedure_names(main, CAMPAIGN_TYPE):
        try:
            campaign = load_campaign(main, name, each_value=False)
        except ConfigurationError:
            continue
        for point in campaign.all_points():
            if point.production == production_id:
                return point.procedure
    return ""


def open_night(
    config_file: Path | None, day: date, production: str, procedure: str | None, *, to_write: bool = False
) -> Session:
    """Validate, observe and plan a night; nothing is run or written, and with `to_write` a run could."""
    from osa_luigi.tasks.opening import open_session

    main = the_config(config_file)
    return open_session(main, day, production, _procedure(main, day, production, procedure), to_write=to_write)


def open_production(
    config_file: Path | None, day: date, production: str, procedure: str | None
) -> tuple[Configuration, Production]:
    """Validate, and find the production; the night is not looked at: it may have no run summary yet, or none that can be used."""
    from osa_luigi.tasks.opening import configure, production_folder

    main = the_config(config_file)
    chosen = _procedure(main, day, production, procedure)
    configuration = configure(main, production, chosen, to_write=False)
    return configuration, production_folder(configuration, day)


def _procedure(main: Path, day: date, production: str, procedure: str | None) -> str:
    """The procedure that was asked for, by its name or by the production id; empty for the default one."""
    chosen = procedure or (procedure_of(main, production) if production else "")
    if production and not chosen:
        _refuse_analysis(main, production, day)
    return chosen


def _refuse_analysis(config_file: Path, production_id: str, day: date) -> None:
    """A production of an analysis is looked at by other commands: the steps of a night say nothing about it."""
    from osa_luigi.night import compact

    main = load_main(config_file, check_files=False)
    for name in procedure_names(main, ANALYSIS_TYPE):
        try:
            made = load_analysis(main, name, check_files=False)
        except ConfigurationError:
            continue  # as of a procedure
        if made.production_id == production_id:
            logs = main.site.paths.running_analysis / ("campaigns" if made.scope == "campaign" else compact(day))
            raise NightError(
                f"--production {production_id}: is made by the analysis {name}, not by a reconstruction. What of it is made, says "
                f"osa analysis show {name} --date {day.isoformat()}; its logs lie in {logs / production_id / '.osa' / 'logs'}"
            )


def print_json(data: Any) -> None:
    """Data for a program, for a person to read as well."""
    click.echo(json.dumps(data, indent=1, default=_plain))


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)
