"""The tools that are measured: this engine, and what others use to bring luigi's tasks onto a SLURM cluster.

Each gets the same night (so many subruns, in runs), the same cluster, a luigid of its own, and the same interval between looks at
SLURM where it has such a setting; each is used as its documentation says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

SUBRUNS_PER_RUN = 152


@dataclass(frozen=True)
class Work:
    """A night to be processed."""

    tasks: int
    """Subruns."""
    seconds: float
    """That the work of a subrun takes."""
    slots: int
    poll_s: float
    folder: Path
    """For everything."""
    subruns_per_job: int = 1
    """For a tool that can put several into a job."""

    @property
    def runs(self) -> int:
        """The subruns of a night belong to so many runs."""
        return -(-self.tasks // SUBRUNS_PER_RUN)

    @property
    def subruns(self) -> list[int]:
        """Number of subruns of each run; the last has what is left over."""
        return [min(SUBRUNS_PER_RUN, self.tasks - run * SUBRUNS_PER_RUN) for run in range(self.runs)]

    @property
    def jobs(self) -> int:
        """Of subruns; a job's subruns are of one run."""
        return sum(-(-subruns // self.subruns_per_job) for subruns in self.subruns)

    @property
    def ideal_s(self) -> float:
        """The least time that the cluster needs for the jobs."""
        return max(self.seconds * self.subruns_per_job, self.tasks * self.seconds / self.slots)


class Tool(Protocol):
    """Brings a night's jobs onto the cluster."""

    @property
    def name(self) -> str:
        """As the results call it."""
        ...

    @property
    def at_most(self) -> int | None:
        """Most tasks that it is asked to manage; `None`: any number."""
        ...

    @property
    def joins(self) -> bool:
        """Whether it can put several subruns into one job."""
        ...

    @property
    def why(self) -> str:
        """Why not more, and what else must be known about its figures."""
        ...

    def prepare(self, work: Work) -> None:
        """All that comes before the engine starts and is not measured."""
        ...

    def luigid(self) -> Path:
        """The program of luigi's central scheduler, in its environment."""
        ...

    def command(self, work: Work, port: int) -> list[str]:
        """The engine, for a luigid on this port."""
        ...

    def environment(self, work: Work) -> Mapping[str, str]:
        """Further environment variables."""
        ...

    def done(self, work: Work) -> int:
        """How many of the tasks are done, by their products."""
        ...

    def version(self) -> str:
        """Its packages that matter."""
        ...
