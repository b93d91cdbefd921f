"""Productions of a site, without planning a night: what is on the disk is enough to look at products."""

from __future__ import annotations

import re
import shlex
from datetime import date
from functools import cache
from pathlib import Path

import click

from osa_luigi.cli import options
from osa_luigi.config import Paths, load_main
from osa_luigi.errors import ConfigurationError, NightError, ProductError
from osa_luigi.ledger.places import is_production
from osa_luigi.night import compact, parse_date, run_label
from osa_luigi.products.production import Production
from osa_luigi.products.receipt import current_receipt
from osa_luigi.tasks.opening import configure, production_folder

RUN = re.compile(r"(?:Run)?(\d{1,9})", re.ASCII)


def optional_date(context: click.Context, option: click.Parameter, value: str | None) -> date | None:
    """What an option ``--date`` means that may be left out."""
    return options.observation_date(context, option, value) if value else None


def run_of(text: str) -> str:
    """``Run02003`` for ``2003`` or ``Run02003``; ``night`` as it is.

    Raises
    ------
    click.UsageError
        It is neither.
    """
    if text == "night":
        return text
    match = RUN.fullmatch(text)
    if match is None:
        raise click.UsageError(f"{text!r} is no run: type 2003, Run02003, or night.")
    return run_label(int(match[1]))


def paths_of(config_file: Path | None) -> Paths | None:
    """A site's folders; `None` where no configuration was named and none is found, for then a file's own place must do."""
    main = options.the_config(config_file)
    if config_file is None and not main.exists():
        return None
    return load_main(main, check_files=False).site.paths


def nights_of(config_file: Path | None) -> Path | None:
    """The folder of a site's nights; `None` as for `paths_of`."""
    paths = paths_of(config_file)
    return paths.running_analysis if paths else None


def production_of_night(config_file: Path | None, day: date, production: str, procedure: str | None) -> Production:
    """A night's production, by the options that all commands share.

    Raises
    ------
    NightError
        There is no such production.
    """
    main = options.the_config(config_file)
    chosen = procedure or (options.procedure_of(main, production) if production else "")
    found = production_folder(configure(main, production, chosen, check_files=False), day)
    if not is_production(found.root):
        others = ", ".join(sibling.id for sibling in found.siblings())
        raise NightError(f"no such production: {found.root} (there {f'are {others}' if others else 'is none'})")
    return found


def summary_of(config_file: Path | None, day: date) -> tuple[Production, str] | None:
    """Where a night's run summary was made, and its name among the receipts; `None` if it was not made here."""
    paths = paths_of(config_file)
    if paths is None:
        return None
    step, unit, made = "run_summary", compact(day), Production(paths.run_summary)
    try:
        there = current_receipt(made, step, unit) is not None
    except ProductError:
        there = True  # reading it again says what is wrong with it
    return (made, f"{step}.{unit}") if there else None


def again(production: Production, name: str, procedure: str | None) -> str:
    """The command that makes a lost product again."""
    step, _, unit = name.partition(".")
    if step == "run_summary":
        return f"osa step run run_summary --date {parse_date(unit).isoformat()}"
    night = parse_date(production.root.parent.name).isoformat()
    words = ["luigi", "--module", "osa_luigi", "NightTask", "--date", night, "--production", production.id]
    return shlex.join([*words, *(["--procedure", procedure] if procedure else [])])


@cache
def procedure_for(config_file: Path | None, production: Production, procedure: str | None) -> str | None:
    """The procedure that makes a production, where it must be named; `None` where that cannot be told, or it is the default."""
    if procedure:
        return procedure
    try:
        main = options.the_config(config_file)
        found = options.procedure_of(main, production.id)
        return None if found == load_main(main, check_files=False).default_procedure else found or None
    except ConfigurationError:
        return None
