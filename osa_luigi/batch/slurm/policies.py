"""What is done after a failure: how often each cause is tried again, what grows, when a stage is given up."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from osa_luigi.batch.slurm.states import Cause

_NUMBERS = re.compile(r"/\S+|\S*[0-9]\S*")
"""Words that differ between failures of the same kind."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What an element asks SLURM for: memory (MiB), wall time (s), cores."""

    memory_mb: int
    time_limit_s: float
    cores: int = 1

    def at_least(self, other: Asked) -> Asked:
        """Of each the more."""
        return Asked(
            max(self.memory_mb, other.memory_mb),
            max(self.time_limit_s, other.time_limit_s),
            max(self.cores, other.cores),
        )


@dataclass(frozen=True, slots=True)
class Failure:
    """One bad end of a job.

    Parameters
    ----------
    cause
        By which it is decided what follows.
    text
        For people: what, where, what next.
    where
        Array and element: ``<array>_<index>``.
    """

    cause: Cause
    text: str
    where: str = ""

    @property
    def signature(self) -> str:
        """Equal for failures of the same kind in different subruns: without numbers, paths and names that hold them."""
        words = _NUMBERS.sub("#", self.text)
        return f"{self.cause}: {words[:300]}"


RETRIES: Mapping[Cause, int] = {
    Cause.TOOL: 0,
    Cause.MEMORY: 3,
    Cause.TIME: 2,
    Cause.NODE: 10,
    Cause.PREEMPTED: 100,
    Cause.KILLED: 2,
    Cause.LAUNCH: 2,
    Cause.VANISHED: 3,
    Cause.CANCELLED: 0,
    Cause.DEADLINE: 0,
    Cause.REFUSED: 0,
}
"""How often each cause is tried again, unless configured."""

DELAYS_S: Mapping[Cause, float] = {Cause.LAUNCH: 30.0, Cause.KILLED: 10.0, Cause.NODE: 5.0}
"""A retry waits so long where what went wrong may still be going wrong. Unit: s."""

NOBODYS_FAULT = (Cause.NODE, Cause.PREEMPTED, Cause.CANCELLED, Cause.VANISHED)
"""Causes that say nothing of the stage."""

ENDING = (Cause.KILLED, Cause.MEMORY, Cause.TIME)
"""Ends of an element that lie with the job that it was at, and not with those behind."""

GROWING = (Cause.MEMORY, Cause.TIME)
"""Causes that are answered by asking for more."""


@dataclass(frozen=True, slots=True)
class Policies:
    """How failures are answered.

    Parameters
    ----------
    retries
        By cause.
    memory_factor, time_factor
        By how much a job that was short of it asks for more.
    memory_cap_mb, time_cap_s
        Never more than that; `None`: no limit of ours.
    give_up_after
        So many jobs of a stage given up for the same, with no success between: then the rest of it is not tried.
    """

    retries: Mapping[Cause, int] = field(default_factory=lambda: dict(RETRIES))
    memory_factor: float = 1.5
    memory_cap_mb: int | None = None
    time_factor: float = 1.5
    time_cap_s: float | None = None
    give_up_after: int = 20

    def next_try(self, asked: Asked, failures: tuple[Failure, ...]) -> Asked | None:
        """What the next attempt asks for; `None` if there is none.

        Parameters
        ----------
        asked
            What the last one asked for.
        failures
            All so far, the last one last.
        """
        cause = failures[-1].cause
        if sum(failure.cause is cause for failure in failures) > self.limit(cause):
            return None
        if cause is Cause.MEMORY:
            return self._with_memory(asked)
        return self._with_time(asked) if cause is Cause.TIME else asked

    def limit(self, cause: Cause) -> int:
        """How often a cause is tried again."""
        return self.retries.get(cause, RETRIES[cause])

    def delay_s(self, cause: Cause) -> float:
        """How long to wait before trying again. Unit: s."""
        return DELAYS_S.get(cause, 0.0)

    def _with_memory(self, asked: Asked) -> Asked | None:
        cap = math.inf if self.memory_cap_mb is None else self.memory_cap_mb
        more = min(math.ceil(asked.memory_mb * self.memory_factor), cap)
        return replace(asked, memory_mb=int(more)) if more > asked.memory_mb else None

    def _with_time(self, asked: Asked) -> Asked | None:
        cap = math.inf if self.time_cap_s is None else self.time_cap_s
        more = min(asked.time_limit_s * self.time_factor, cap)
        return replace(asked, time_limit_s=more) if more > asked.time_limit_s else None


ADVICE: Mapping[Cause, str] = {
    Cause.TOOL: "Mend the cause",
    Cause.MEMORY: "Raise resources.{stage}.memory_mb or executor.slurm.growth.memory_cap_mb",
    Cause.TIME: "Raise resources.{stage}.time_limit_minutes or executor.slurm.growth.time_cap_minutes",
    Cause.NODE: "Look at the cluster's nodes (sinfo -R)",
    Cause.PREEMPTED: "Choose another partition or QOS (executor.slurm)",
    Cause.KILLED: "Look at the element's output and at its node",
    Cause.LAUNCH: "Look whether its node sees the production's folder",
    Cause.VANISHED: "Look whether SLURM and the file system are well",
    Cause.CANCELLED: "It was cancelled on purpose, or else ask who did",
    Cause.DEADLINE: "Raise the deadline in executor.slurm.extra",
    Cause.REFUSED: "Correct executor.slurm or resources.{stage}",
}
"""What a person does about a job that was given up."""


def last_words(stage: str, failures: tuple[Failure, ...]) -> str:
    """Why a job is given up, and what to do."""
    last = failures[-1]
    times = "" if len(failures) == 1 else f"after {len(failures)} attempts ({_list(failures)}) "
    advice = ADVICE[last.cause].format(stage=stage)
    return f"given up {times}- {last.text} {advice}, then `osa retry`, and run the night again."


def _list(failures: tuple[Failure, ...]) -> str:
    return ", ".join(failure.cause for failure in failures)
