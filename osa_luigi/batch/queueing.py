"""Which job of a pool starts next: pure, so that it can be tested without processes."""

from __future__ import annotations

from dataclasses import dataclass, field

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
    waiting: list[tuple[int, int, Job, bool]] = field(default_factory=list)
    running: dict[int, tuple[Job, bool]] = field(default_factory=dict)
    count: int = 0

    def add(self, job: Job, *, riding: bool = False) -> None:
        """Let a job wait."""
        self.count += 1
        self.waiting.append((-job.priority, self.count, job, riding))
        self.waiting.sort(key=lambda item: item[:2])

    def next(self) -> tuple[int, Job, bool] | None:
        """Take the job that may start now: its ticket, the job, and whether it rides along."""
        riders = self._riders_under_way()
        for item in self.waiting:
            _, ticket, job, riding = item
            if riders.intersection(job.after):
                continue  # held by riders of others, so it does not hold up the rest
            if not self._fits(job):
                return None
            self.waiting.remove(item)
            self.running[ticket] = (job, riding)
            return ticket, job, riding
        return None

    def end(self, ticket: int) -> tuple[Job, bool]:
        """Free what a job had taken."""
        return self.running.pop(ticket)

    def _riders_under_way(self) -> set[str]:
        jobs = [job for _, _, job, riding in self.waiting if riding]
        jobs += [job for job, riding in self.running.values() if riding]
        return {call.name for job in jobs for call in job.calls}

    def _fits(self, job: Job) -> bool:
        if not self.running:
            return True
        cores = sum(other.needs.cores for other, _ in self.running.values())
        memory = sum(other.needs.memory_mb for other, _ in self.running.values())
        needs = job.needs
        return cores + needs.cores <= self.budget.cores and memory + needs.memory_mb <= self.budget.memory_mb
