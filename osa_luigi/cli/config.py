"""``osa config``: validate the configuration, show it complete, compare and explain it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import click

from osa_luigi.cli import options
from osa_luigi.cli.app import EXIT_OSA_ERROR
from osa_luigi.config import STEPS, expanded, load, load_main, show
from osa_luigi.config import validate as look_for_mistakes
from osa_luigi.config.browsing import Catalog, Resolved, catalog, compared, resolved
from osa_luigi.config.explaining import explained
from osa_luigi.config.json_schema import SCHEMA_OF
from osa_luigi.config.main_schema import MAIN
from osa_luigi.config.rules import SCIENTIFIC
from osa_luigi.errors import ConfigurationError


@click.group()
def config() -> None:
    """Validate, show, compare and explain the configuration."""


@config.command()
@options.config
@options.procedure
@click.option("--no-files", is_flag=True, help="Do not look whether folders and models are there.")
@options.as_json
def validate(config_file: Path | None, procedure: str | None, no_files: bool, as_json: bool) -> None:
    """Look for every mistake in the main file and in its procedures (all, or one).

    \b
    Examples:
        osa config validate
        osa config validate --config configs/lst1.yaml --procedure lst1 --no-files

    \b
    Exit codes: 0 good, 3 there are problems (all are listed, with file and line).
    """
    main = options.the_config(config_file)
    names, problems = look_for_mistakes(main, procedure, check_files=not no_files)
    if as_json:
        options.print_json({"config": str(main), "procedures": names, "good": not problems, "problems": problems})
    elif not problems:
        click.echo(f"{main}: good (procedures: {', '.join(names) or 'none'})")
    if problems:
        if not as_json:
            click.echo(str(ConfigurationError(problems)), err=True)
        raise click.exceptions.Exit(EXIT_OSA_ERROR)


@config.command("show")
@options.config
@options.procedure
@options.as_json
def show_(config_file: Path | None, procedure: str | None, as_json: bool) -> None:
    """Print the complete configuration: every key, its value, and where that comes from.

    \b
    Examples:
        osa config show --procedure simulated
        osa config show --json | jq .procedure.dl1ab

    \b
    Exit codes: 0 good, 3 the configuration is wrong.
    """
    # Where a folder is missing, showing which one was meant is what helps.
    configuration = load(options.the_config(config_file), procedure, check_files=False)
    if as_json:
        options.print_json(expanded(configuration))
    else:
        click.echo(show(configuration), nl=False)


@config.command()
@click.argument("name", required=False)
@options.config
@options.as_json
def expand(name: str | None, config_file: Path | None, as_json: bool) -> None:
    """Print a procedure of any type with all that it inherits, and where each value comes from.

    Without NAME it is the main configuration's default procedure.

    \b
    Examples:
        osa config expand simulated
        osa config expand simulated --json | jq .origins

    \b
    Exit codes: 0 good, 3 there is no such procedure, or it is wrong.
    """
    found = resolved(options.the_config(config_file), name)
    if as_json:
        options.print_json(found.as_json())
    else:
        click.echo(found.text(), nl=False)


@config.command()
@click.argument("a")
@click.argument("b", required=False)
@options.config
@click.option(
    "--date",
    "day",
    metavar="DATE",
    callback=lambda context, option, value: value and options.observation_date(context, option, value),
    help="In the place of B: what this night's production was begun with.",
)
@click.option("--production", default="", help="With --date: the production id. Default: that of A.")
@options.as_json
def diff(a: str, b: str | None, config_file: Path | None, day: date | None, production: str, as_json: bool) -> None:
    """What two procedures have differently, or a procedure and the products of a night.

    A scientific difference asks for a production id of its own; an operational one does not. Of lstchain's configurations
    the contents are compared, overrides and all.

    \b
    Examples:
        osa config diff simulated fake
        osa config diff simulated --date 2024-11-15 --production v0.12

    \b
    Exit codes: 0 nothing differs, 1 something does, 3 the configuration or the night is wrong.
    """
    if (b is None) == (day is None):
        raise click.UsageError("Give a second procedure, or --date.")
    main = options.the_config(config_file)
    found = _between(main, a, b) if b else _against_night(main, a, day, production) if day else []
    _print_changes(found, as_json)
    raise click.exceptions.Exit(1 if found else 0)


def _between(main: Path, a: str, b: str) -> list[dict[str, Any]]:
    return [change.as_json() | {"text": str(change)} for change in compared(resolved(main, a), resolved(main, b))]


def _against_night(main: Path, procedure: str, day: date, production: str) -> list[dict[str, Any]]:
    """What was made otherwise than the procedure would; receipts hold what is scientific."""
    from osa_luigi.tasks.outlook import Kind, outlooks

    session = options.open_night(main, day, production, procedure)
    counted: dict[str, int] = {}
    for one in outlooks(session).values():
        for line in one.detail if one.kind is Kind.CONFLICT else ():
            text = f"{one.call.step}: {line}"
            counted[text] = counted.get(text, 0) + 1
    return [{"kind": SCIENTIFIC, "text": text, "units": units} for text, units in counted.items()]


def _print_changes(found: Iterable[Mapping[str, Any]], as_json: bool) -> None:
    if as_json:
        options.print_json({"differences": list(found)})
        return
    for one in found:
        units = f"  ({one['units']} units)" if "units" in one else ""
        click.echo(f"{one['kind']:<12} {one['text']}{units}")


@config.command("list")
@options.config
@options.as_json
def list_(config_file: Path | None, as_json: bool) -> None:
    """The files of the library, all procedures by their types, all workflows with their order.

    \b
    Examples:
        osa config list
        osa config list --json | jq .workflows

    \b
    Exit codes: 0 good, 3 the main configuration cannot be read.
    """
    found = catalog(options.the_config(config_file))
    if as_json:
        options.print_json(found.as_json())
    else:
        click.echo("\n".join(_listed(found)))


def _listed(found: Catalog) -> Iterable[str]:
    yield from ("files:", *(f"  {file}" for file in found.files))
    for kind in dict.fromkeys(one.kind for one in found.procedures):
        yield f"{kind}:"
        for one in found.of_type(kind):
            extends = f", extends {one.extends}" if one.extends else ""
            wrong = f", {one.problems} problems (osa config validate)" if one.problems else ""
            yield f"  {one.name}  # {one.origin}{extends}{wrong}"
    if found.workflows:
        yield "workflows:"
    for workflow in found.workflows:
        yield f"  {workflow.name}: {' → '.join(workflow.order)}  # {workflow.origin}"
    if found.problems:
        yield f"{len(found.problems)} problems around them (osa config validate)"


@config.command()
@click.argument("key")
@options.config
@options.procedure
@options.as_json
def explain(key: str, config_file: Path | None, procedure: str | None, as_json: bool) -> None:
    """What a setting is for, what it may be, what it is here and where that is written.

    Of a scientific one also which steps' products it reaches.

    \b
    Examples:
        osa config explain dl1ab.tailcuts.picture_thresh
        osa config explain resources.dl2.memory_mb
        osa config explain dl2 --procedure simulated

    \b
    Exit codes: 0 good, 3 there is no such key, or the configuration is wrong.
    """
    main = options.the_config(config_file)
    chosen, site = resolved(main, procedure), load_main(main, check_files=False)
    places = {
        "main": (MAIN, site.settings, site.origins),
        f"procedure {chosen.name}": (chosen.schema, chosen.settings, chosen.origins),
    }
    found = explained(key, places)
    steps = _reached(key, chosen) if found.kind == SCIENTIFIC else []
    if as_json:
        options.print_json(found.as_json() | {"reaches": steps})
        return
    click.echo("\n".join(found.lines()))
    if steps:
        click.echo(f"  reaches    {', '.join(steps)}")


def _reached(key: str, chosen: Resolved) -> list[str]:
    from osa_luigi.steps.reach import reached

    if chosen.configuration is None:
        return []
    used = chosen.configuration.procedure.steps()
    return reached(key, [step for step in STEPS if step in used])


@config.command()
@click.argument("file", type=click.Choice(list(SCHEMA_OF)), default="procedure")
@click.option("--json", is_flag=True, help="As without: a JSON Schema is JSON.")
def schema(file: str, json: bool) -> None:
    """Print the JSON Schema of main files, or of procedures and libraries, for an editor.

    \b
    Examples:
        osa config schema main > main.schema.json
        osa config schema procedure > procedure.schema.json

    \b
    Exit codes: 0 good.
    """
    options.print_json(SCHEMA_OF[file]())
