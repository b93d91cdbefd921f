"""A night of arrays: tasks that luigi joins, an executor that takes whole arrays of them, and a scheduler that counts its calls."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import luigi
from luigi.task_register import Register

from osa_luigi.batch.job import Event, Job
from osa_luigi.batch.luigid import PatientScheduler
from osa_luigi.batch.task import BatchTask
from osa_luigi.batch.worker import OsaWorker
from osa_luigi.steps.call import StepCall
from osa_luigi.tasks.subruns import SubrunsParameter


class Arrays:
    """An executor that ends so many jobs a poll, in the order in which it got them, and remembers what was done and given up.

    Parameters
    ----------
    per_poll
        How many jobs end at a poll.
    fail
        Which jobs are given up: names that begin so.
    before
        Called before each poll with its number.
    """

    capacity = 1_000_000

    def __init__(
        self, per_poll: int = 100, fail: tuple[str, ...] = (), before: Callable[[int], Any] = lambda number: None
    ) -> None:
        self.per_poll = per_poll
        self.fail = fail
        self.before = before
        self.arrays: list[list[str]] = []
        self.waiting: deque[str] = deque()
        self.done: list[str] = []
        self.polls = 0
        self.announce = False
        self.tell: list[Event] = []
        """What else is told, at the next poll."""

    def submit(self, jobs: Sequence[Job]) -> None:
        names = [job.name for job in jobs]
        self.arrays.append(names)
        # first what an array's end unlocked, as the priorities of a night have it
        self.waiting.extendleft(names) if len(names) == 1 else self.waiting.extend(names)

    def poll(self, timeout_s: float) -> list[Event]:
        self.before(self.polls)
        self.polls += 1
        started = [Event(name, "step", call="dl1.x") for name in self.waiting] if self.announce else []
        told, self.tell = self.tell, []
        return (
            told + started + [self._end(self.waiting.popleft()) for _ in range(min(self.per_poll, len(self.waiting)))]
        )

    def _end(self, name: str) -> Event:
        if self.fail and name.startswith(self.fail):
            return Event(name, "given up", text="no light: open the lid")
        self.done.append(name)
        return Event(name, "done")

    def close(self) -> None:
        """Jobs on a cluster go on."""

    @property
    def submitted(self) -> list[str]:
        """All jobs ever."""
        return [name for names in self.arrays for name in names]


class Piece(BatchTask):
    """A job of the stand-in executor."""

    executor: Any = None
    calls: tuple[StepCall, ...] = ()

    def jobs(self) -> list[Job]:
        return [Job(member.task_id, Path("/nowhere"), self.calls) for member in self.members()]

    def make_executor(self) -> Any:
        return Piece.executor

    def complete(self) -> bool:
        return all(member.task_id in Piece.executor.done for member in self.members())


class Element(Piece):
    """As a subrun: luigi joins those of a run."""

    noun = "subruns"
    max_batch_size = 1000
    run_id = luigi.IntParameter()
    subrun = SubrunsParameter()

    def members(self) -> list[Element]:
        return [self] if len(self.subrun) == 1 else [Element(run_id=self.run_id, subrun=n) for n in self.subrun]


class Merged(Piece):
    """As a run's merge."""

    run_id = luigi.IntParameter()
    subruns = luigi.IntParameter()

    def requires(self) -> list[Element]:
        return [Element(run_id=self.run_id, subrun=number) for number in range(self.subruns)]


class Runs(luigi.Task):
    """As a night: found out when it runs."""

    runs = luigi.IntParameter()
    subruns = luigi.IntParameter()

    def parts(self) -> list[Merged]:
        return [Merged(run_id=number, subruns=self.subruns) for number in range(self.runs)]

    def run(self) -> Iterator[Any]:
        yield self.parts()

    def complete(self) -> bool:
        return all(part.complete() for part in self.parts())


class Counting(PatientScheduler):
    """Counts calls of luigid by what is called, without pings."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.calls: Counter[str] = Counter()
        self._rpc_retry_wait = 0

    def _request(self, url: str, data: Any, attempts: int = 3, allow_null: bool = True) -> Any:
        self.calls[url.rpartition("/")[2]] += 1
        return super()._request(url, data, attempts, allow_null)


def worker(scheduler: Any, executor: Arrays, name: str = "engine") -> OsaWorker:
    """As of a new process."""
    Register.clear_instance_cache()
    Piece.executor = executor
    return OsaWorker(
        scheduler=scheduler, worker_id=name, wait_interval=0.01, wait_jitter=0.0, no_install_shutdown_handler=True
    )


def run(scheduler: Any, executor: Arrays, task: luigi.Task) -> OsaWorker:
    """Run a night to its end."""
    engine = worker(scheduler, executor)
    with engine:
        engine.add(task)
        engine.run()
    return engine
