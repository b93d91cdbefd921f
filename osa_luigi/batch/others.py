"""Other workers that luigid counts tasks of ours to: who they are, and whether they still live.

It relies on these parts of luigi 3.8, with a test: `Scheduler.worker_list`, `task_list`, and what a worker tells of itself (``host``,
``username``, ``pid``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from luigi.scheduler import FAILED
from luigi.task_register import load_task

from osa_luigi.batch.task import BatchTask

SILENT_S = 30.0
"""A worker tells luigid every ten seconds that it lives: one that was silent for so long was killed, or is cut off. Unit: s."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A worker that tasks are counted to.

    Parameters
    ----------
    name
        Its id.
    place
        Where it runs, and whose it is.
    tasks
        How many of ours it has.
    heard_at
        When luigid last heard of it, on luigid's clock. Unit: s.
    silent_s
        How long ago that was. Unit: s.
    """

    name: str
    place: str
    tasks: int
    heard_at: float
    silent_s: float

    @property
    def is_silent(self) -> bool:
        """Whether it cannot be at work any more, as far as luigid knows."""
        return self.silent_s > SILENT_S

    def __str__(self) -> str:
        return f"{self.name} ({self.place})"


def holders(scheduler: Any, me: str, mine: Collection[str]) -> list[Holder]:
    """The workers that luigid counts tasks of ours to.

    Parameters
    ----------
    me
        The id of the worker that asks: luigid has just heard of it.
    mine
        The ids of its tasks.
    """
    workers = scheduler.worker_list()
    now = max((worker["last_active"] for worker in workers if worker["name"] == me), default=0.0)
    found = []
    for worker in workers:
        held = sum(name in mine for name in _tasks(worker["running"])) if worker["name"] != me else 0
        if held:
            place = f"host {worker.get('host')}, user {worker.get('username')}, process {worker.get('pid')}"
            heard_at = worker["last_active"]
            found.append(Holder(worker["name"], place, held, heard_at, now - heard_at))
    return found


def failed_elsewhere(scheduler: Any, mine: Collection[str], failed_here: set[str]) -> set[str]:
    """Our tasks that luigid has as failed, and not by our word: those of a worker that it has given up."""
    return set(mine) & set(scheduler.task_list(status=FAILED, limit=False)) - failed_here


def _tasks(running: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Ids of what runs; luigid knows of a batch what it was joined from by its parameters only."""
    for name, told in running.items():
        try:
            task = load_task(None, told["name"], told["params"])
        except Exception:  # of another module, or another version: none of ours
            task = None
        yield from (member.task_id for member in task.members()) if isinstance(task, BatchTask) else (name,)
