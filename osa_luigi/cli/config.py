"""``osa config``: validate the configuration, show it complete."""

from __future__ import annotations

from pathlib import Path

import click

from osa_luigi.cli import options
from osa_luigi.cli.app import EXIT_OSA_ERROR
from osa_luigi.config import expanded, load, show
from osa_luigi.config import validate as look_for_mistakes
from osa_luigi.errors import ConfigurationError


@click.group()
def config() -> None:
    """Validate and show the configuration."""


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
