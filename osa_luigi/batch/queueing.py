"""Which job of a pool starts next: pure, so that it can be tested without processes."""

from __future__ import annotations

from bisect import insort
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from osa_luigi.batch.job import Job


@dataclass(frozen=True, slots=True)
class Budget:
    """What a pool may use at a time."""

    cores: int
    memory_mb: int


@dataclass(slots=True)
class Queue:
    """Jobs that wait, and what those that run have taken.

    The first job by priority, then by arrival, starts as soon as it fits; nothing overtakes it, so a large job is not starved
    by small ones. A job that would never fit starts when it has the pool to itself.
    """

    budget: Budget
    waiting: list[tuple[float, int, Job, bool]] = field(default_factory=list)
    running: dict[int, tuple[Job, bool]] = field(default_factory=dict)
    riders: Counter[tuple[Path, str]] = field(default_factory=Counter)
    """Calls that wait or run as riders, by production: thousands at the end of a night, asked for at every start."""
    count: int = 0

    def add(self, job: Job, *, riding: bool = False) -> None:
        """Let a job wait."""
        self.count += 1
        insort(self.waiting, (-job.priority, self.count, job, riding), key=lambda item: item[:2])
        if riding:
            self.riders.update(_names(job))

    def next(self, *, riders: bool = True) -> tuple[int, Job, bool] | None:
        """Take the job that may start now: its ticket, the job, and whether it rides along.

        Parameters
        ----------
        riders
            Whether what rides along may start.
        """
        for position, (_, ticket, job, riding) in enumerate(self.waiting):
            if riding and not riders:
                continue
            if any(self.riders[job.production, name] for name in job.after):
                continue  # held by riders of others, so it does not hold up the rest
            if not self._fits(job):
                return None
            del self.waiting[position]
            self.running[ticket] = (job, riding)
            return ticket, job, riding
        return None

    def end(self, ticket: int) -> tuple[Job, bool]:
        """Free what a job had taken."""
        job, riding = self.running.pop(ticket)
        if riding:
            self._forget(job)
        return job, riding

    def _forget(self, job: Job) -> None:
        for name in _names(job):
            self.riders[name] -= 1
            if not self.riders[name]:
                del self.riders[name]

    def _fits(self, job: Job) -> bool:
        if not self.running:
            return True
        cores = sum(other.needs.cores for other, _ in self.running.values())
        memory = sum(other.needs.memory_mb for other, _ in self.running.values())
        needs = job.needs
        return cores + needs.cores <= self.budget.cores and memory + needs.memory_mb <= self.budget.memory_mb


def _names(job: Job) -> list[tuple[Path, str]]:
    return [(job.production, call.name) for call in job.calls]
