"""``osa replay``: a recorded night, decided on again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from osa_luigi.batch.slurm.recorder import Recording
from osa_luigi.batch.slurm.replay import Moment
from osa_luigi.batch.slurm.replay import replay as played
from osa_luigi.cli import options


@click.command()
@click.argument("journal", type=click.Path(path_type=Path))
@click.option("--job", "jobs", multiple=True, help="Only what names this: a task's id, or a part of it.")
@click.option("--array", "arrays", multiple=True, help="Only what names this array, or a part of its name.")
@options.as_json
def replay(journal: Path, jobs: tuple[str, ...], arrays: tuple[str, ...], as_json: bool) -> None:
    """Show what a SLURM engine heard and decided, and whether today's code decides the same.

    JOURNAL is a file of the production's .osa/engine/events/, one for each life of the engine. Times are since its beginning.

    \b
    Examples:
        osa replay running_analysis/20241115/v1/.osa/engine/events/1.jsonl
        osa replay running_analysis/20241115/v1/.osa/engine/events/1.jsonl --job 2003_5

    \b
    Exit codes: 0 the same decisions, 1 another one (shown, and the end of the trace), 3 there is none that can be read.
    """
    count, last, data = 0, None, []
    for moment in played(Recording(journal)):
        count, last = count + 1, moment
        lines = _chosen(moment, (*jobs, *arrays))
        if as_json:
            data += [{"at": round(moment.at, 3), "lines": lines}] if lines else []
        elif lines:
            click.echo(
                "\n".join((f"{moment.at:10.1f} s  {lines[0]}", *(f"              {line}" for line in lines[1:])))
            )
    same = last is None or last.same
    difference = [] if last is None or same else list(last.difference()) or ["the same commands, in another order"]
    if as_json:
        options.print_json({"events": count, "same": same, "difference": difference, "trace": data})
    else:
        click.echo(f"{count} events: today's code decides the same." if same else _otherwise(count, difference))
    if not same:
        raise click.exceptions.Exit(1)


def _chosen(moment: Moment, words: Sequence[str]) -> list[str]:
    """The lines that name what was asked for, below what they belong to."""
    if not words:
        return list(moment.lines)
    head, *others = moment.lines
    found = [line for line in others if any(word in line for word in words)]
    return [head, *found] if found else []


def _otherwise(count: int, difference: Sequence[str]) -> str:
    return "\n".join((f"After event {count} today's code decides otherwise (- then, + now):", *difference))
