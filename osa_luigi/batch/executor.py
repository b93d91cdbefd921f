"""The one interface to whatever runs jobs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from osa_luigi.batch.job import Event, Job


class Executor(Protocol):
    """A place that runs jobs: this machine, or a cluster."""

    @property
    def capacity(self) -> int:
        """How many jobs it wants under way, 1 at least; a batch that is handed out may go beyond it."""
        ...

    def submit(self, jobs: Sequence[Job]) -> None:
        """Take jobs that luigi handed out together; returns at once."""
        ...

    def poll(self, timeout_s: float) -> list[Event]:
        """What happened since the last call; waits at most so long for something to happen."""
        ...

    def close(self) -> None:
        """Let go. What runs on this machine ends with it; jobs on a cluster go on."""
        ...
