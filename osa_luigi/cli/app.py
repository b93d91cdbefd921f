"""``osa``: its commands, and what becomes of errors.

A command's module is imported when the command is asked for, so that ``osa --help`` answers at once.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module

import click

from osa_luigi.cli.kept import all_is_kept
from osa_luigi.errors import OsaError

COMMANDS: Mapping[str, tuple[str, str]] = {
    "config": ("osa_luigi.cli.config:config", "Validate, show, compare and explain the configuration."),
    "plan": ("osa_luigi.cli.plan:plan", "What would run for a night, and why."),
    "status": ("osa_luigi.cli.status:status", "The operator's table of a night."),
    "nights": ("osa_luigi.cli.nights:nights", "The last weeks, a line for each night."),
    "morning": ("osa_luigi.cli.morning:morning", "Process every night that waits for it."),
    "campaign": ("osa_luigi.cli.campaign:campaign", "Many nights: plan, run, pause, report."),
    "doctor": ("osa_luigi.cli.doctor:doctor", "Is this site, and this machine, fit to run nights?"),
    "ledger": ("osa_luigi.cli.ledger:ledger", "The history of nights in SQL: made, brought up to date."),
    "why": ("osa_luigi.cli.why:why", "What a run or a subrun waits for."),
    "close": ("osa_luigi.cli.close:close", "Judge a night, and close it if nothing is missing."),
    "report": ("osa_luigi.cli.report:report", "The night's report, as a page and a few lines."),
    "publish": ("osa_luigi.cli.publish:publish", "Put a closed night's products to their places in the site's tree."),
    "discard": ("osa_luigi.cli.decisions:discard", "Leave a subrun or a run out, with a reason."),
    "veto": ("osa_luigi.cli.decisions:veto", "Do not process a run."),
    "release": ("osa_luigi.cli.decisions:release", "Take a veto back."),
    "undo": ("osa_luigi.cli.decisions:undo", "Take a decision back."),
    "decisions": ("osa_luigi.cli.decisions:list_", "What was decided about a night, by whom, and why."),
    "cancel": ("osa_luigi.cli.jobs:cancel", "Cancel a night's SLURM jobs."),
    "retry": ("osa_luigi.cli.jobs:retry", "Let what was given up be tried again."),
    "replay": ("osa_luigi.cli.replay:replay", "What an engine heard and decided, and whether it would again."),
    "step": ("osa_luigi.cli.step:step", "Run single steps by hand, list them."),
    "logs": ("osa_luigi.cli.logs:logs", "Print the newest log of a step."),
    "provenance": ("osa_luigi.cli.provenance:provenance", "What a product was made from, and with which settings."),
    "verify": ("osa_luigi.cli.verify:verify", "Read products again, and tell which are damaged."),
    "analysis": ("osa_luigi.cli.analysis:analysis", "Users' analyses: list, show, run by hand, begin a new one."),
    "adopt": ("osa_luigi.cli.adopt:adopt", "Take products that something else made into the books."),
    "clean": ("osa_luigi.cli.clean:clean", "Free disk space of what nobody needs any more."),
    "environment": ("osa_luigi.cli.environment:environment", "The software as one file, for a cluster's nodes."),
    "telescope": ("osa_luigi.cli.telescope:telescope", "The simulated telescope."),
    "demo": ("osa_luigi.cli.demo.command:demo", "A whole simulated night, from nothing to DL2."),
}
"""Name → where it is, and its line in the help."""

EXIT_OSA_ERROR = 3


class LazyGroup(click.Group):
    """A group whose commands are imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        with all_is_kept():
            command: click.Command = getattr(import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            ctx.fail(_no_such_command(args[0]))
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except OsaError as error:
            click.echo(str(error), err=True)
            ctx.exit(EXIT_OSA_ERROR)
        except BrokenPipeError:  # `osa plan --all | head`
            sys.stderr.close()
            ctx.exit(0)
        except OSError as error:
            click.echo(_system_said(error), err=True)
            ctx.exit(EXIT_OSA_ERROR)


def _system_said(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error}. Put this right (rights, mount, disk), or ask as somebody who may, then try again."


def _no_such_command(name: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, COMMANDS, n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    return f"No such command {name!r}.{hint} The commands are {', '.join(COMMANDS)}."


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="osa_luigi", message="osa_luigi %(version)s")
def app() -> None:
    """The onsite analysis of a Cherenkov telescope: look at nights, explain them, run single steps.

    The night itself is run by luigi:

    \b
        luigi --module osa_luigi NightTask --date 2024-11-15

    \b
    Exit codes: 0 good; 1 what was asked about is not good, or not finished;
    2 wrong usage; 3 the configuration, the night or a product is wrong.
    """
