"""Tasks for the worker, and executors that do what they are told to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import luigi
from luigi.scheduler import Scheduler

from osa_luigi.batch.job import Event, Job
from osa_luigi.batch.task import BatchTask
from osa_luigi.batch.worker import OsaWorker
from osa_luigi.errors import NightError


class Hands:
    """An executor that does what it is told to, one job a poll."""

    capacity = 3

    def __init__(self, ends: dict[str, Event] | None = None) -> None:
        self.jobs: list[Job] = []
        self.told: list[str] = []
        self.done: set[str] = set()
        self.closed = 0
        self._ends = ends or {}

    def submit(self, jobs: Sequence[Job]) -> None:
        self.jobs += jobs

    def poll(self, timeout_s: float) -> list[Event]:
        waiting = self.jobs[len(self.told) :]
        if not waiting:
            return []
        name = waiting[0].name
        self.told.append(name)
        kind, text = self._ends.get(name.partition("_")[0], ("done", ""))  # type: ignore[misc]
        self.done |= {name} if kind == "done" else set()
        return [Event(name, kind, text=text)]

    def close(self) -> None:
        self.closed += 1


class Part(BatchTask):
    """A job that other tests' executors do."""

    name = luigi.Parameter(default="one")
    hands: Any = None

    def jobs(self) -> list[Job]:
        return [Job(self.task_id, Path("/nowhere"), ())]

    def make_executor(self) -> Any:
        return type(self).hands

    def complete(self) -> bool:
        return self.task_id in type(self).hands.done


class Whole(luigi.Task):
    """Plans only: two jobs, found out when it runs."""

    trouble = luigi.Parameter(default="")

    def run(self) -> Iterator[Any]:
        if self.trouble == "ours":
            raise NightError("the night is not there: look elsewhere")
        if self.trouble == "defect":
            raise ZeroDivisionError("a defect")
        yield [Part("a"), Part("b")]

    def complete(self) -> bool:
        return False


class Losing(Hands):
    """The scheduler is another one, which knows nothing, after each of so many polls."""

    def __init__(self, losses: int, ends: Any = None) -> None:
        super().__init__(ends)
        self.losses = losses
        self.worker: Any = None

    def poll(self, timeout_s: float) -> list[Event]:
        events = super().poll(timeout_s)
        if events and self.losses:
            self.losses -= 1
            self.worker._scheduler = Scheduler()
        return events


class Night(luigi.Task):
    """As a night: complete when its jobs are done."""

    jobs = luigi.IntParameter(default=4)

    def parts(self) -> list[Part]:
        return [Part(str(number)) for number in range(self.jobs)]

    def run(self) -> Iterator[Any]:
        yield self.parts()

    def complete(self) -> bool:
        return all(part.complete() for part in self.parts())


def statuses(worker: OsaWorker) -> dict[str, str]:
    return {
        task.task_id: worker._scheduler._state.get_task(task.task_id).status
        for task in worker._scheduled_tasks.values()
    }
