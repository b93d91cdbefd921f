"""What the engine heard and decided, line by line, for `osa replay`: ``.osa/engine/events/<generation>.jsonl``.

The first line holds the settings, each other one an event and the commands that followed. Of a poll's queue stands only what has changed
since the one before, and only what bears this night's name. It is written for people: no engine ever reads it, so nothing is synced.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from osa_luigi.batch.slurm import exchange as ex
from osa_luigi.batch.slurm.codec import decode, decode_kind, opened, opened_kind
from osa_luigi.batch.slurm.exchange import Command, Event
from osa_luigi.batch.slurm.model import Settings
from osa_luigi.batch.slurm.seen import Sighting
from osa_luigi.errors import ExecutorError
from osa_luigi.jsontext import line_of

FORMAT = 1

MOST = 1 << 29
"""Bytes of one file: then there is no more of it."""

Queue = Mapping[str, Mapping[int, Sighting]]


class Recorder:
    """Writes; whatever goes wrong with it ends the recording, and nothing else.

    Parameters
    ----------
    file
        Made anew.
    settings
        The engine's.
    """

    def __init__(self, file: Path, settings: Settings) -> None:
        self._prefix = f"{settings.prefix}."
        self._queue: Queue = {}
        self._written = 0
        self._descriptor: int | None = None
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
        except OSError:
            return
        self._write({"format": FORMAT, "settings": settings})

    def __call__(self, event: Event, commands: tuple[Command, ...]) -> None:
        """Note an event, and what was decided; one after which nothing is to be done only if it tells something."""
        if self._descriptor is None or (isinstance(event, ex.Tick) and not commands):
            return
        if isinstance(event, ex.Polled) and event.queue is not None:
            self._polled(event, event.queue, commands)
        else:
            self._write({"event": opened_kind(event), "commands": [opened_kind(command) for command in commands]})

    def _polled(self, event: ex.Polled, queue: Queue, commands: tuple[Command, ...]) -> None:
        mine = {name: seen for name, seen in queue.items() if name.startswith(self._prefix)}
        line = {
            "event": opened_kind(replace(event, queue=None)),
            "queue": difference(self._queue, mine),
            "commands": [opened_kind(command) for command in commands],
        }
        self._queue = mine
        self._write(line)

    def _write(self, line: Mapping[str, Any]) -> None:
        if self._descriptor is None:
            return
        try:
            text = line_of(line, opened)
            self._written += len(text)
            if self._written <= MOST and os.write(self._descriptor, text) == len(text):
                return
        except (OSError, TypeError, ValueError):
            pass
        os.close(self._descriptor)
        self._descriptor = None


def difference(before: Queue, after: Queue) -> dict[str, Any]:
    """What must be done to the one queue to have the other; for a writer of JSON with `codec.opened`."""
    seen, gone = {}, {}
    for name in {**before, **after}:
        old, new = before.get(name, {}), after.get(name, {})
        if old == new:
            continue  # most arrays at most polls: compared as one, thousands of sightings cost next to nothing
        changed = {index: sighting for index, sighting in new.items() if old.get(index) != sighting}
        if changed:
            seen[name] = changed
        if missing := [index for index in old if index not in new]:
            gone[name] = missing
    return {"seen": seen, "gone": gone}


def changed(before: Queue, difference: Mapping[str, Any]) -> Queue:
    """The queue after a difference."""
    after = {name: dict(seen) for name, seen in before.items()}
    for name, elements in difference["seen"].items():
        known = after.setdefault(name, {})
        known.update({int(index): decode(Sighting, sighting) for index, sighting in elements.items()})
    for name, indices in difference["gone"].items():
        for index in indices:
            del after[name][index]
    return {name: seen for name, seen in after.items() if seen}


class Recording:
    """What a `Recorder` wrote.

    Parameters
    ----------
    file
        Read anew by each pass over it.

    Raises
    ------
    ExecutorError
        It is none.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        try:
            with file.open() as lines:
                head = json.loads(lines.readline())
            if head["format"] != FORMAT:
                raise ValueError(f"format {head['format']}")
            self.settings = decode(Settings, head["settings"])
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise ExecutorError(
                f"{file}: no recording of an engine that can be read here ({error!r}). "
                "They lie in a production's .osa/engine/events."
            ) from error

    def __iter__(self) -> Iterator[tuple[Event, list[dict[str, Any]], dict[str, Any]]]:
        """Each event, the commands that followed (encoded), and how the queue had changed; a torn last line is passed over.

        Raises
        ------
        ExecutorError
            A line in the midst cannot be read.
        """
        queue: Queue = {}
        with self._file.open() as lines:
            next(lines)
            for number, line in enumerate(lines, 2):
                if not line.endswith("\n"):
                    return  # the engine was killed while it wrote
                try:
                    content = json.loads(line)
                    event = decode_kind(content["event"])
                    if "queue" in content:
                        queue = changed(queue, content["queue"])
                        event = replace(event, queue=queue)
                    commands = content["commands"]
                except (ValueError, TypeError, KeyError) as error:
                    raise ExecutorError(
                        f"{self._file}, line {number}: cannot be read ({error!r}). Was it written by another version?"
                    ) from error
                yield event, commands, content.get("queue", {})
