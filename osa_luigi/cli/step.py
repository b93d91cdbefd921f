"""``osa step``: single steps of a night's plan by hand, through the same runner."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import click

from osa_luigi.cli import choose, options
from osa_luigi.cli.tables import plain_table, print_table
from osa_luigi.config import load
from osa_luigi.errors import OsaError
from osa_luigi.products.identity import plain
from osa_luigi.products.production import Production
from osa_luigi.products.receipt import current_receipt
from osa_luigi.runner.attempt import Result, attempt
from osa_luigi.runner.environment import ONE_THREAD
from osa_luigi.runner.leg import warm_up
from osa_luigi.steps.behaviour import behaviour
from osa_luigi.steps.call import StepCall
from osa_luigi.steps.catalogue import STEPS


@click.group()
def step() -> None:
    """Run single steps by hand, list them."""


@step.command("list")
@options.as_json
def list_(as_json: bool) -> None:
    """List all steps, in the order of the chain, with the tool that each runs.

    \b
    Examples:
        osa step list
    """
    found = [{"step": name, "runs": _tool(name), "what": _what(name)} for name in STEPS]
    if as_json:
        options.print_json(found)
        return
    table = plain_table("Step", "Runs", "What")
    for row in found:
        table.add_row(*row.values())
    print_table(table)


def _tool(name: str) -> str:
    tool = getattr(STEPS[name], "tool", None)
    return tool.command if tool else f"python -m {type(STEPS[name]).__module__}"


def _what(name: str) -> str:
    return (type(STEPS[name]).__doc__ or "").strip().partition("\n")[0]


@step.command()
@click.argument("step")
@click.argument("unit", default="night")
@options.night
@click.option("--print", "only_print", is_flag=True, help="Print the equivalent shell, and run nothing.")
@options.as_json
def run(
    step: str,
    unit: str,
    day: date,
    production: str,
    procedure: str | None,
    config_file: Path | None,
    only_print: bool,
    as_json: bool,
) -> None:
    """Run the step STEP of UNIT by hand: the same runner, verification and receipt as in the night.

    UNIT is a subrun (Run02008.0003), a run (Run02008), or night (the default). What is there already is not made again.

    \b
    Examples:
        osa step run dl1ab Run02003.0001 --date 2024-11-15
        osa step run dl1ab Run02003.0001 --date 2024-11-15 --print > again.sh
        osa step run run_summary --date 2024-11-15

    \b
    Exit codes: 0 its products are there, 1 the attempt failed, 2 no such step,
    3 no such unit, or the configuration or the night is wrong.
    """
    choose.check_step(step)
    # The runner forks, so no library that planning imports may start threads.
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
    configs: Mapping[Path, Mapping[str, Any]] = {}
    if step == choose.RUN_SUMMARY:
        place, call = choose.run_summary_call(config_file, day, unit, to_write=not only_print)
        cache = load(options.the_config(config_file), to_write=not only_print).main.site.paths.numba_cache
    else:
        session = options.open_night(config_file, day, production, procedure, to_write=not only_print)
        place, call = choose.planned_call(session, step, unit)
        cache, configs = session.configuration.main.site.paths.numba_cache, session.plan.configs
        if not only_print:
            session.plan.write_configs()
    if only_print:
        click.echo("\n".join(shell(call, cache, configs)))
        return
    warm_up([call], cache)
    result = attempt(place, call)
    if as_json:
        options.print_json(_data(result))
    else:
        _print(place, call, result)
    if not result.good:
        raise click.exceptions.Exit(1)


def shell(call: StepCall, cache: Path, configs: Mapping[Path, Mapping[str, Any]]) -> Iterator[str]:
    """The step as a script, with what the runner sets around it, and with the configurations that are only planned yet."""
    step = behaviour(call)
    with contextlib.suppress(OsaError, OSError):  # what chooses its inputs is not made yet: the command says so
        call = step.settled(call)
    command = step.command(call)
    yield "#!/bin/sh -e"
    yield f"# {call.name}, step key {call.key}"
    yield "# Run it in an empty folder: what it makes stays there, unverified and without a receipt."
    if command.tool.mend:
        yield f"# In the night {command.tool.mend} goes before it, around a defect of the tool: without that it may fail."
    yield f"export {' '.join(f'{name}=1' for name in ONE_THREAD)}"
    yield f"export MPLBACKEND=Agg NUMBA_CACHE_DIR={cache / 'numba'}"
    for path in (*call.configs.values(), *(item.path for item in call.inputs)):
        if path in configs and not path.exists():
            yield from _written(path, configs[path])
    yield command.shell()


def _written(path: Path, content: Mapping[str, Any]) -> Iterator[str]:
    """The night has not begun: the script makes what its first job would find."""
    name = shlex.quote(str(path))
    yield f"mkdir -p {shlex.quote(str(path.parent))}"
    yield f"test -e {name} || cat > {name} <<'END'"
    yield json.dumps(plain(content), indent=1)
    yield "END"


def _data(result: Result) -> dict[str, object]:
    return {
        "name": result.name,
        "outcome": result.outcome,
        "reason": result.reason,
        "log": str(result.log) if result.log else None,
        "record": dict(result.record),
    }


OUTCOMES = {
    "made": "made",
    "present": "there already, nothing was run",
    "outrun": "made by another attempt at the same time; this one's outputs were discarded",
    "failed": "FAILED",
}


def _print(place: Production, call: StepCall, result: Result) -> None:
    click.echo(f"{result.name}: {OUTCOMES[result.outcome]}{_cost(result)}")
    if not result.good:
        click.echo(result.reason, err=True)
    elif receipt := current_receipt(place, call.step, call.unit):
        for made in receipt.outputs:
            click.echo(f"  {made.role}: {place.root / made.path} ({made.size} bytes)")
    if result.log:
        click.echo(f"  log: {result.log}")


def _cost(result: Result) -> str:
    record = result.record
    if not record:
        return ""
    return f" ({record['wall_s']:.1f} s, {record['cpu_s']:.1f} CPU s, {record['peak_memory_mb']:.0f} MB)"
