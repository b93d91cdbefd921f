"""What runs the jobs: the pool on this machine, or a SLURM cluster. Part of the model."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from osa_luigi.config.machine import memory_share_mb


@dataclass(frozen=True, slots=True)
class LocalExecutor:
    """The pool on this machine; None means as much as the machine gives."""

    cores: int | None
    memory_mb: int | None

    def total_cores(self) -> int:
        """Cores that jobs may use together."""
        return self.cores or len(os.sched_getaffinity(0))

    def total_memory_mb(self) -> int:
        """Memory that jobs may use together, MB: 80 % of what there is unless configured."""
        return self.memory_mb or memory_share_mb()


@dataclass(frozen=True, slots=True)
class SlurmPlace:
    """Where the jobs of a step go; None leaves it to the cluster.

    Parameters
    ----------
    nice
        How far they step back behind other jobs.
    throttle
        Elements of one array at a time; None: no limit.
    extra
        Further options of ``sbatch``.
    """

    partition: str | None
    account: str | None
    qos: str | None
    nice: int
    throttle: int | None
    extra: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SlurmGrowth:
    """What a job asks for when it is tried again after it ran out of memory (MB) or time (minutes)."""

    memory_factor: float
    memory_cap_mb: int | None
    time_factor: float
    time_cap_minutes: float | None


@dataclass(frozen=True, slots=True)
class SlurmEnvironment:
    """What a job finds on its node.

    Parameters
    ----------
    prologue
        Lines of bash to run first.
    python
        The interpreter; None: the engine's own, or that of the image or the archive.
    image, archive
        An Apptainer image, or a packed environment; at most one of them.
    local_folder
        On a node's own disk, for the unpacked archive.
    """

    prologue: tuple[str, ...]
    python: Path | None
    image: Path | None
    archive: Path | None
    local_folder: Path


@dataclass(frozen=True, slots=True)
class SlurmExecutor:
    """The SLURM cluster.

    Parameters
    ----------
    place
        Where jobs go unless `steps` says otherwise.
    array_size, subruns_per_job, runs_per_job, in_flight
        Elements of an array, subruns of an element, runs of one whose work is of whole runs, and jobs with SLURM, at most.
    poll_seconds, client_timeout_seconds, grace_seconds
        Between two looks at the queue; for one command; for a record or product to become visible.
    time_margin_minutes
        Added to the time limit of an array's elements.
    steps
        Step → where its jobs go, for those that have settings of their own. See `place_of`.
    retries
        Cause of a failure → how often a job is tried again.
    give_up_after
        Jobs of a step that are given up for the same, with no success between, after which the rest is not tried.
    """

    place: SlurmPlace
    array_size: int
    subruns_per_job: int
    runs_per_job: int
    poll_seconds: float
    client_timeout_seconds: float
    grace_seconds: float
    in_flight: int
    time_margin_minutes: float
    steps: Mapping[str, SlurmPlace]
    retries: Mapping[str, int]
    growth: SlurmGrowth
    give_up_after: int
    environment: SlurmEnvironment

    def place_of(self, step: str) -> SlurmPlace:
        """Where the jobs of a step go."""
        return self.steps.get(step, self.place)


@dataclass(frozen=True, slots=True)
class Executor:
    """What runs the jobs; `type` is "local" or "slurm"."""

    type: str
    local: LocalExecutor
    slurm: SlurmExecutor
