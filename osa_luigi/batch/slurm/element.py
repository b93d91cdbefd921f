"""An element of a job array, on its node: ``python -m osa_luigi.batch.slurm.element <array folder>``.

It works off its jobs one after the other, leaves a record of each, then runs what rides along. It needs neither the engine nor
luigid, and may run twice at once: SLURM starts an element again whose node it lost, while the first copy still runs.

Exit codes: 0 all its jobs are done; 1 one failed; 2 it cannot know what it is for; 143 it was ended (SIGTERM), and says nothing of
what it had not finished.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from osa_luigi.batch.afterwards import afterwards
from osa_luigi.batch.archiving import archive_after, archive_before
from osa_luigi.batch.job import Job
from osa_luigi.batch.slurm.records import INTENT, Outcome, Record, jobs_of, write_record
from osa_luigi.batch.slurm.states import Cause
from osa_luigi.errors import ExecutorError, OsaError
from osa_luigi.products.production import Production
from osa_luigi.products.receipt import Presence
from osa_luigi.runner.attempt import Result
from osa_luigi.runner.environment import host
from osa_luigi.runner.leg import run_calls, sweep_scratch, warm_up
from osa_luigi.runner.lifeline import die_with_every_parent
from osa_luigi.steps.call import StepCall
from osa_luigi.steps.standing import made_as

NEARLY_OVER = signal.SIGUSR1
"""SLURM sends it a little before the element's time is over (script.py asks for it)."""

SETTLE_S = 1.0
"""SIGTERM goes to all processes of an element. Before a failure is told it is given so long to reach this one as well. Unit: s."""

TEXT_LIMIT = 4000
"""Characters of a message in a record; the whole is in the log."""

NEAR_LIMIT = 0.9
"""Share of the memory asked for from which a kill is taken for one for lack of memory."""

MORE_TIME = "It is tried again with more, as far as executor.slurm.retries and growth allow."

EXIT_FAILED, EXIT_LOST, EXIT_ENDED = 1, 2, 128 + signal.SIGTERM


class _Over(BaseException):
    """The element's time is nearly over."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Which element of which array this is, and what it may use."""

    array: Path
    index: int
    restart: int
    slurm_job: int
    memory_mb: int | None
    cache: Path

    @classmethod
    def read(cls, array: Path, environment: Mapping[str, str]) -> _Place:
        """From what SLURM put into the environment, and the array's intent.

        Raises
        ------
        ExecutorError
            This is no element of an array, or the array's folder is not what it should be.
        """
        try:
            cache = Path(json.loads((array / INTENT).read_text())["cache"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ExecutorError(f"{array / INTENT}: cannot be read ({error}). Run the night again.") from error
        try:
            memory = environment.get("SLURM_MEM_PER_NODE")
            return cls(
                array=array,
                index=int(environment["SLURM_ARRAY_TASK_ID"]),
                restart=int(environment.get("SLURM_RESTART_COUNT") or 0),
                slurm_job=int(environment["SLURM_ARRAY_JOB_ID"]),
                memory_mb=int(memory) if memory else None,
                cache=cache,
            )
        except (KeyError, ValueError) as error:
            raise ExecutorError(
                f"this is no element of a SLURM array: {error} in the environment. It is started by sbatch, not by people."
            ) from error


@dataclass(slots=True)
class _Story:
    """What became of the calls of a job so far."""

    made: list[tuple[str, str]] = field(default_factory=list)
    under_way: str = ""
    failed: Result | None = None
    log: str = ""
    cpu_s: float = 0.0
    peak_memory_mb: float = 0.0

    def note(self, call: StepCall, result: Result | None) -> None:
        """What `run_calls` tells of a call."""
        self.under_way = call.name
        if result is None:
            return
        self.log = str(result.log or "")
        self.cpu_s += result.record.get("cpu_s", 0.0) + result.record.get("verify_cpu_s", 0.0)
        self.peak_memory_mb = max(self.peak_memory_mb, result.record.get("peak_memory_mb", 0.0))
        if result.good:
            self.made.append((call.name, call.key))
        else:
            self.failed = result

    def on(self, record: Record) -> Record:
        """A record with what is known of the calls."""
        return replace(
            record,
            made=tuple(self.made),
            log=self.log,
            cpu_s=round(self.cpu_s, 3),
            peak_memory_mb=round(self.peak_memory_mb, 1),
        )


class Element:
    """Its jobs, one after the other.

    Parameters
    ----------
    place
        Which element this is.
    jobs
        With their positions, in order.
    """

    def __init__(self, place: _Place, jobs: list[tuple[int, Job]]) -> None:
        self._place = place
        self._jobs = jobs
        self._warm = False
        self._told: set[int] = set()
        self._good: list[Job] = []
        self._riders: dict[str, str] = {}
        self._has_said_over = False

    def run(self) -> int:
        """Work all off; the exit code."""
        if self._place.restart:
            self._sweep()
        try:
            for position, job in self._jobs:
                self._riders |= archive_before(job)
                self._job(position, job)
            self._ride()
            for job in self._good:
                self._riders |= archive_after(job) | afterwards(job)
        except _Over:
            self._say_over()
        self._tell(Record(self._place.index, -1, self._place.restart, "ended", riders=self._riders))
        return 0 if len(self._good) == len(self._jobs) else EXIT_FAILED

    def _sweep(self) -> None:
        """Remove what an earlier copy on this node left, if it was killed."""
        for root in sorted({job.production for _, job in self._jobs}):
            with contextlib.suppress(OSError):
                sweep_scratch(Production(root))

    def _job(self, position: int, job: Job) -> None:
        story = _Story()
        try:
            good = self._calls(job, job.calls, story)
        except _Over:
            self._fail(position, job, story, Cause.TIME, f"{job.name}: the element's time was over. {MORE_TIME}")
            self._has_said_over = True
            raise
        except ExecutorError as error:
            self._fail(position, job, story, Cause.LAUNCH, str(error))
        except Exception as error:
            # A defect of ours: say it, and go on with the others.
            traceback.print_exc()
            self._fail(position, job, story, Cause.TOOL, f"{job.name}: {type(error).__name__}: {error}")
        else:
            self._judge(position, job, story, good)

    def _judge(self, position: int, job: Job, story: _Story, good: bool) -> None:
        """Tell how a job ended whose calls were run."""
        with _undisturbed(NEARLY_OVER):
            if good:
                self._good.append(job)
                self._tell(story.on(self._record(position, "done", job)))
            elif story.failed:
                time.sleep(SETTLE_S)
                cause = cause_of(story.failed, self._place.memory_mb or job.needs.memory_mb)
                self._fail(position, job, story, cause, story.failed.reason)

    def _calls(self, job: Job, calls: tuple[StepCall, ...], story: _Story) -> bool:
        production = Production(job.production)
        if all(_is_there(production, call) for call in calls):
            story.made += [(call.name, call.key) for call in calls]
            return True
        self._warm_up()
        return run_calls(production, map(self._granted, calls), story.note)

    def _granted(self, call: StepCall) -> StepCall:
        """A call with the memory that SLURM gave to the element, for its exit record: the report compares what was used with that."""
        memory_mb = self._place.memory_mb or call.needs.memory_mb
        return replace(call, needs=replace(call.needs, memory_mb=memory_mb))

    def _warm_up(self) -> None:
        """Once, and only if something is to be made."""
        if self._warm:
            return
        calls = [call for _, job in self._jobs for call in (*job.calls, *job.riders)]
        try:
            warm_up(calls, self._place.cache)
        except Exception as error:
            traceback.print_exc()
            raise ExecutorError(
                f"element {self._place.index} cannot start on {host()} ({type(error).__name__}: {error}). "
                "Look at executor.slurm.environment, and whether the node sees the software."
            ) from error
        self._warm = True

    def _ride(self) -> None:
        """What comes along with the jobs that are done; nothing that goes wrong with it is held against them."""
        for job in self._good:
            for rider in job.riders:
                self._riders[rider.name] = "failed: the element's time was over"
                self._riders[rider.name] = self._rider(job, rider)

    def _rider(self, job: Job, rider: StepCall) -> str:
        story = _Story()
        try:
            if self._calls(job, (rider,), story):
                return "made"
        except Exception as error:
            traceback.print_exc()
            return f"failed: {type(error).__name__}: {error}"
        return f"failed: {story.failed.reason if story.failed else 'nobody knows why'}"[:TEXT_LIMIT]

    def _say_over(self) -> None:
        """The time was over between two jobs: the next one says so. Those behind it never began, and are tried again as they were."""
        waiting = [(position, job) for position, job in self._jobs if position not in self._told]
        if waiting and not self._has_said_over:
            position, job = waiting[0]
            text = f"{job.name}: the element's time was over before it began. {MORE_TIME}"
            self._fail(position, job, _Story(), Cause.TIME, text)

    def _fail(self, position: int, job: Job, story: _Story, cause: Cause, text: str) -> None:
        record = replace(self._record(position, "failed", job), cause=cause, call=story.under_way, text=text)
        self._tell(story.on(record))

    def _record(self, position: int, outcome: Outcome, job: Job) -> Record:
        return Record(self._place.index, position, self._place.restart, outcome, job.name)

    def _tell(self, record: Record) -> None:
        """Write a record. Where that cannot be done, products and receipts still say what was made."""
        known = replace(
            record,
            text=record.text[:TEXT_LIMIT],
            host=host(),
            slurm_job=self._place.slurm_job,
            at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        )
        self._told.add(record.position)
        try:
            with _undisturbed(signal.SIGTERM, NEARLY_OVER):
                write_record(self._place.array, known)
        except OSError:
            traceback.print_exc()


def _is_there(production: Production, call: StepCall) -> bool:
    """Whether a call's products are there and count; whatever is unclear an attempt finds out."""
    try:
        return made_as(production, call) is Presence.COMPLETE
    except (OsaError, OSError):
        return False


def cause_of(result: Result, memory_mb: int) -> Cause:
    """Why an attempt failed, by its exit record, given the memory that was asked for (MiB)."""
    record = result.record
    if record.get("timed_out"):
        return Cause.TIME
    if record.get("signal") not in (signal.SIGKILL, signal.SIGTERM):
        return Cause.TOOL
    near = record["peak_memory_mb"] >= NEAR_LIMIT * memory_mb
    return Cause.MEMORY if near and record["signal"] == signal.SIGKILL else Cause.KILLED


@contextlib.contextmanager
def _undisturbed(*signals: signal.Signals) -> Iterator[None]:
    """These signals wait."""
    kept = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, kept)


def _raising(error: Callable[[], BaseException]) -> Callable[[int, FrameType | None], None]:
    def handler(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_IGN)  # once is enough; a second one must not disturb the clearing away
        raise error()

    return handler


def main(arguments: list[str]) -> int:
    """``python -m osa_luigi.batch.slurm.element``."""
    signal.signal(signal.SIGTERM, _raising(lambda: SystemExit(EXIT_ENDED)))
    signal.signal(NEARLY_OVER, _raising(_Over))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with_every_parent()
    try:
        [folder] = arguments
        place = _Place.read(Path(folder), os.environ)
        return Element(place, jobs_of(place.array, place.index)).run()
    except (OsaError, ValueError) as error:
        print(error, file=sys.stderr)  # noqa: T201 (the array's log is this process's standard error)
        return EXIT_LOST


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
