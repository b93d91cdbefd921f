"""A recorded night, decided on again: what happened, in words, and whether today's code decides the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from osa_luigi.batch.slurm import exchange as ex
from osa_luigi.batch.slurm.codec import encode_kind
from osa_luigi.batch.slurm.core import decide
from osa_luigi.batch.slurm.exchange import Event
from osa_luigi.batch.slurm.model import State
from osa_luigi.batch.slurm.recorder import Recording

LONG = 200
"""Characters of a line of the trace."""


@dataclass(frozen=True, slots=True)
class Moment:
    """An event of a recording.

    Parameters
    ----------
    at
        Since the beginning. Unit: s.
    lines
        What happened and what was decided, in words.
    then, now
        The commands, as recorded and as decided today: encoded. Equal if all is well.
    """

    at: float
    lines: tuple[str, ...]
    then: tuple[Mapping[str, Any], ...]
    now: tuple[Mapping[str, Any], ...]

    @property
    def same(self) -> bool:
        """Whether today's code decides as it did."""
        return self.then == self.now

    def difference(self) -> Iterator[str]:
        """What was decided then and would not be now (``-``), and the other way round (``+``)."""
        yield from (f"- {command_line(command)}" for command in self.then if command not in self.now)
        yield from (f"+ {command_line(command)}" for command in self.now if command not in self.then)


def replay(recording: Recording) -> Iterator[Moment]:
    """Feed a recording through the engine's decisions.

    The first moment that is not the `same` is the last: what comes after it would be answers to commands that were not given.
    """
    state = State(recording.settings)
    begin: float | None = None
    for event, then, queue in recording:
        begin = event.at if begin is None else begin
        state, commands = decide(state, event)
        now = tuple(encode_kind(command) for command in commands)
        lines = (*event_lines(event, queue), *(f"  → {command_line(command)}" for command in now))
        moment = Moment(event.at - begin, lines, tuple(then), now)
        yield moment
        if not moment.same:
            return


def event_lines(event: Event, queue: Mapping[str, Any]) -> Iterator[str]:
    """An event in words: its name, then a line for each thing that it tells."""
    told: Iterable[str]
    match event:
        case ex.Polled():
            told = (
                *map(_note, event.notes),
                *_queue(queue),
                *(() if event.queue is not None else ("SLURM: no answer",)),
            )
        case ex.Wanted(_, wishes):
            told = (f"{wish.name} ({wish.stage}, {wish.asked.memory_mb} MB)" for wish in wishes)
        case ex.Recovered(_, arrays, jobs):
            told = (
                *(f"{array.name} as {array.job}" for array in arrays),
                *(f"{job.wish.name} {job.phase}" for job in jobs),
            )
        case _:
            told = [_words({name: held for name, held in encode_kind(event).items() if name not in ("is", "at")})]
    yield type(event).__name__
    yield from (f"    {line}"[:LONG] for line in told if line)


def command_line(command: Mapping[str, Any]) -> str:
    """An encoded command in one line."""
    held = {name: value for name, value in command.items() if name != "is"}
    if command["is"] == "Intend":
        array = held["array"]
        jobs = sum(len(element["jobs"]) for element in array["elements"].values())
        held = {"array": array["name"], "jobs": jobs, "asked": array["asked"]}
    return f"{command['is']} {_words(held)}"[:LONG]


def _note(note: ex.Note) -> str:
    what = f"{note.job or 'its end'}"
    return f"record of {note.array}_{note.index}: {what}" + (
        f" {note.failure.cause}: {note.failure.text}" if note.failure else ""
    )


def _queue(queue: Mapping[str, Any]) -> Iterator[str]:
    for array, elements in queue.get("seen", {}).items():
        for index, seen in elements.items():
            more = " ".join(word for word in (seen["reason"], seen["node"]) if word)
            yield f"SLURM: {array} {seen['job']}_{index} {seen['state']} {more}".rstrip()
    for array, indices in queue.get("gone", {}).items():
        yield f"SLURM: {array} {','.join(map(str, indices))} no longer there"


def _words(held: Mapping[str, Any]) -> str:
    return " ".join(f"{name}={value}" if not isinstance(value, str) else value for name, value in held.items() if value)
