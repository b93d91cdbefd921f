"""Luigi tasks whose work an executor does."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from functools import cache
from typing import Any

import luigi

from osa_luigi.batch.executor import Executor
from osa_luigi.batch.job import Event, Job


class BatchTask(luigi.Task):  # type: ignore[misc]
    """A task that is one job, or a batch of such tasks that luigi joined. Nothing of it runs in luigi's worker process or its forks."""

    noun = "jobs"
    """What the members of a batch are called."""

    @classmethod
    @cache
    def get_params(cls) -> Any:
        """Found once for each class: luigi looks through all attributes of a class several times for each of its tasks."""
        return super().get_params()

    @abstractmethod
    def jobs(self) -> list[Job]:
        """What the executor is to do: a job for each member, with the member's id as its name; none where there is nothing to do."""

    @abstractmethod
    def make_executor(self) -> Executor:
        """The executor that the configuration asks for; called once per worker, before the first job."""

    def members(self) -> Sequence[BatchTask]:
        """The tasks that luigi's scheduler joined to this one; of one that is not joined, itself."""
        return [self]

    def heard(self, event: Event) -> None:
        """Told of every event of this task's job, in the worker's main thread; of a batch, each member is told of its own."""

    def is_excused(self) -> bool:
        """Whether its failure does not count any more: while it was under way, it was decided to do without it."""
        return False

    def run(self) -> None:
        """Never called by the worker of osa_luigi.

        Raises
        ------
        RuntimeError
            Under any other worker.
        """
        raise RuntimeError(
            "this task's work belongs in an executor: start it with `luigi --module osa_luigi …`, "
            "so that osa_luigi's worker is used"
        )
