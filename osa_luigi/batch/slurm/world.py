"""What the SLURM engine meets, as far as it needs it: a cluster, a production's files, the journal, the lease, a clock.

Given to it from outside, so that the same code runs in the simulation with a crash at every step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from osa_luigi.batch.slurm import exchange as ex
from osa_luigi.batch.slurm import model as m
from osa_luigi.batch.slurm.exchange import Command, Event
from osa_luigi.batch.slurm.journal import Journal
from osa_luigi.batch.slurm.policies import Asked
from osa_luigi.batch.slurm.seen import Sighting


class Cluster(Protocol):
    """SLURM, as far as the engine needs it; errors as `SlurmClient` raises them."""

    def submit(self, array: m.ArrayState) -> int:
        """Call sbatch."""
        ...

    def queue(self) -> tuple[float, Mapping[str, Mapping[int, Sighting]]]:
        """When SLURM was asked (on the engine's clock), and what its queue held: name → index → sighting."""
        ...

    def find(self, name: str) -> list[Sighting]:
        """What SLURM, queue and accounting, knows of a name."""
        ...

    def accounting(self, arrays: Mapping[str, int]) -> Mapping[str, Mapping[int, Sighting]]:
        """What the accounting knows of arrays."""
        ...

    def release(self, job: int, indices: tuple[int, ...]) -> None:
        """Let elements start that SLURM holds, or raise."""
        ...

    def cancel(self, job: int, indices: tuple[int, ...]) -> None:
        """Call scancel."""
        ...


class Files(Protocol):
    """What lies in the production: what an array runs, what elements leave, what was made."""

    def prepare(self, array: m.ArrayState, jobs: Mapping[str, m.JobState]) -> None:
        """Write what the array's elements will read, and the script; before the intent."""
        ...

    def notes(self, arrays: Iterable[str]) -> list[ex.Note]:
        """Records that came since the last time."""
        ...

    def made(self, jobs: Iterable[m.JobState]) -> Mapping[str, bool | None]:
        """Whether jobs' products are there; `None`: nobody knows for now."""
        ...

    def short_of_memory(self, jobs: Iterable[m.JobState]) -> frozenset[str]:
        """Jobs of whose element SLURM wrote into its output that it took too much memory."""
        ...

    def output(self, jobs: Iterable[m.JobState]) -> Mapping[str, str]:
        """Where the output of jobs' elements is, and how it ends; for people."""
        ...

    def learn(self, stage: str, first: Asked, needed: Asked) -> None:
        """Remember for the nights to come what a stage needed."""
        ...


class Tenure(Protocol):
    """The lease."""

    def holds(self) -> bool:
        """Whether this engine is still the one of the night: read again from the disk."""
        ...


@dataclass(frozen=True, slots=True)
class World:
    """All that the engine meets."""

    cluster: Cluster
    files: Files
    journal: Journal
    tenure: Tenure
    clock: Callable[[], float]
    watch: Callable[[Event, tuple[Command, ...]], None] | None = None
