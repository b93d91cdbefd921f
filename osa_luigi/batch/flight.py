"""What is under way: jobs that an executor has, and the luigi tasks that wait for them.

A task is one job, or a batch of them that luigi joined. A job may be waited for by several tasks: a scheduler that lost its state
hands out again what is under way.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from luigi.scheduler import DONE, FAILED

from osa_luigi.batch.job import Event
from osa_luigi.batch.task import BatchTask

REASONS = 5
"""Failures that a batch's own explanation tells; luigi's page has each with its member."""


@dataclass(eq=False, slots=True)
class JobInFlight:
    """A job that the executor has.

    Parameters
    ----------
    task
        The task of this job alone.
    calls
        How many steps it is.
    """

    task: BatchTask
    calls: int = 0
    awaited_by: list[TaskInFlight] = field(default_factory=list)
    heard: bool = False
    running: bool = False
    tells_steps: bool = False
    """Whether the executor tells of single steps; a cluster's does not."""
    made: int = 0
    log: str = ""
    said: str = "waiting to start"
    shown: str = ""
    shown_log: str = ""

    def hear(self, event: Event) -> None:
        """Take note of what the executor tells before the end."""
        self.heard = True
        self.running = event.kind != "state" or event.running
        self.tells_steps |= event.kind != "state"
        self.made += event.kind == "made"
        words = {"step": f"running {event.call}", "made": f"made {event.call}", "failed": f"failed: {event.text}"}
        self.said = words.get(event.kind, event.text)

    @property
    def message(self) -> str:
        """For luigi's web page."""
        steps = f" ({self.made} of {self.calls} steps made)" if self.running and self.tells_steps else ""
        return f"{self.said}{steps}\nlog: {self.log}" if self.log else f"{self.said}{steps}"

    @property
    def is_handed_out_alone(self) -> bool:
        """Whether luigi's scheduler knows it as running by itself, not only in a batch."""
        return any(flight.task == self.task for flight in self.awaited_by)


class Starter(Protocol):
    """Who hands jobs to the executor."""

    def hand_over(self, flight: TaskInFlight) -> None:
        """Submit what is not under way yet."""


class TaskInFlight:
    """Stands where luigi expects a task's process, and owns none."""

    use_multiprocessing = False
    exitcode = None
    timeout_time = None
    worker_timeout = 0

    def __init__(self, starter: Starter, task: BatchTask) -> None:
        self.task = task
        self.members = task.members()
        self.left: dict[str, JobInFlight] = {}
        self.failed: dict[str, str] = {}
        self.untold = False
        """Whether the scheduler hears of some members' success only by that of the batch."""
        self.shown = ""
        self.said = 0
        """How many members had ended when the log last told of it."""
        self._starter = starter

    def run(self) -> None:
        """Hand the jobs over; the worker hears of their ends from the executor."""
        self._starter.hand_over(self)

    def is_alive(self) -> bool:
        """It runs elsewhere; the executor says when it ended."""
        return True

    def terminate(self) -> None:
        """The executor's `close` decides what becomes of its jobs."""

    def wait_for(self, job: JobInFlight) -> None:
        """One more job that this task waits for."""
        job.awaited_by.append(self)
        self.left[job.task.task_id] = job

    def end(self, job: JobInFlight, reason: str | None) -> None:
        """A job has ended; with a reason: badly."""
        del self.left[job.task.task_id]
        if reason is not None:
            self.failed[job.task.task_id] = reason

    @property
    def is_batch(self) -> bool:
        """Whether luigi joined several tasks."""
        return len(self.members) > 1

    @property
    def status(self) -> str:
        """How it ended. Luigi's scheduler gives a batch's status to the members that it has not heard of: those ended well."""
        status: str = FAILED if self.failed and not self.untold else DONE
        return status

    @property
    def reason(self) -> str:
        """Why it failed."""
        reasons = list(self.failed.values())
        if not self.is_batch or not reasons:
            return "".join(reasons)
        told = "\n".join(f"{name}: {reason}" for name, reason in list(self.failed.items())[:REASONS])
        return f"{len(reasons)} of {len(self.members)} {self.task.noun} failed\n{told}"

    @property
    def ended(self) -> int:
        """How many members have ended, well or not."""
        return len(self.members) - len(self.left)

    @property
    def progress(self) -> int:
        """Per cent of the members that ended."""
        return 100 * self.ended // len(self.members)

    @property
    def summary(self) -> str:
        """``150 subruns: 20 running, 100 waiting, 30 done``."""
        running = sum(job.running for job in self.left.values())
        counts = {
            "running": running,
            "waiting": len(self.left) - running,
            "done": self.ended - len(self.failed),
            "failed": len(self.failed),
        }
        return f"{len(self.members)} {self.task.noun}: " + ", ".join(f"{n} {what}" for what, n in counts.items() if n)
