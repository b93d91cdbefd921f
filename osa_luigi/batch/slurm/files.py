"""What lies in the production for the SLURM engine: what elements are to do, what they leave, what is made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from osa_luigi.batch.job import Job
from osa_luigi.batch.slurm import exchange as ex
from osa_luigi.batch.slurm import model as m
from osa_luigi.batch.slurm.asking import with_needs_of
from osa_luigi.batch.slurm.learned import note_need
from osa_luigi.batch.slurm.policies import Asked, Failure
from osa_luigi.batch.slurm.records import Record, RecordReader, jobs_of, output_said, says_memory, write_jobs
from osa_luigi.batch.slurm.states import Cause
from osa_luigi.errors import OsaError
from osa_luigi.products.production import Production
from osa_luigi.products.receipt import Presence
from osa_luigi.steps.standing import made_as

WriteScript = Callable[[m.ArrayState, Path], None]
"""Writes an array's batch script into its folder."""


class ProductionFiles:
    """The files of one production; see `world.Files`.

    Parameters
    ----------
    arrays
        Folder of the arrays.
    learned
        Where needs are noted for the nights to come, and under which night.
    jobs
        The jobs by name, as luigi handed them out.
    """

    def __init__(self, arrays: Path, learned: tuple[Path, str], jobs: Mapping[str, Job], script: WriteScript) -> None:
        self._arrays = arrays
        self._learned = learned
        self._jobs = jobs
        self._script = script
        self._readers: dict[str, RecordReader] = {}
        self.rider_failures: list[tuple[str, str]] = []
        self._unheard: list[ex.Note] = []
        """Read before the disk failed on the records of another array."""

    def prepare(self, array: m.ArrayState, jobs: Mapping[str, m.JobState]) -> None:
        """Write what the elements are to do; a retry may use more than the first attempt, also by the runner's own limit."""
        folder = self._arrays / array.name
        lines = [
            (index, position, with_needs_of(self._job(jobs[name]), jobs[name].asked))
            for index, element in array.elements.items()
            for position, name in enumerate(element.jobs)
        ]
        write_jobs(folder, lines)
        self._script(array, folder)

    def notes(self, arrays: Iterable[str]) -> list[ex.Note]:
        """Records that came since the last time.

        Raises
        ------
        OSError
            The disk is in trouble. What was read of others comes with the next call.
        """
        names = set(arrays)
        self._readers = {name: reader for name, reader in self._readers.items() if name in names}
        for name in names:
            reader = self._readers.setdefault(name, RecordReader(self._arrays / name))
            for record in reader.new():
                self._unheard.append(_note(name, record))
                self.rider_failures += [(rider, text) for rider, text in record.riders.items() if text != "made"]
        found, self._unheard = self._unheard, []
        return found

    def made(self, jobs: Iterable[m.JobState]) -> Mapping[str, bool | None]:
        """Whether jobs' products are there, by their receipts; `None` where the disk is in trouble: nobody knows."""
        return {job.wish.name: self._is_made(job) for job in jobs}

    def short_of_memory(self, jobs: Iterable[m.JobState]) -> frozenset[str]:
        """Jobs of whose element SLURM wrote into its output that it took too much memory."""
        return frozenset(job.wish.name for job in jobs if says_memory(self._arrays / job.array, job.index))

    def output(self, jobs: Iterable[m.JobState]) -> Mapping[str, str]:
        """Where the output of jobs' elements is, and how it ends."""
        return {job.wish.name: output_said(self._arrays / job.array, job.index) for job in jobs if job.array}

    def learn(self, stage: str, first: Asked, needed: Asked) -> None:
        """Remember for the nights to come what a stage needed; it must not hold up this one."""
        file, night = self._learned
        with suppress(OSError):
            note_need(file, night, stage, first, needed)

    def _is_made(self, job: m.JobState) -> bool | None:
        try:
            todo = self._job(job)
            production = Production(todo.production)
            return all(made_as(production, call) is not Presence.LOST for call in todo.calls)
        except (OsaError, PermissionError, FileNotFoundError, NotADirectoryError):
            return False
        except OSError:
            return None

    def _job(self, job: m.JobState) -> Job:
        """What a job is: as luigi handed it out, or as its array says, if luigi did not ask for it again yet."""
        if known := self._jobs.get(job.wish.name):
            return known
        return next(todo for _, todo in jobs_of(self._arrays / job.array, job.index) if todo.name == job.wish.name)


def _note(array: str, record: Record) -> ex.Note:
    if record.outcome != "failed":
        return ex.Note(array, record.index, record.job, log=record.log)
    log = f" Read {record.log}." if record.log and record.log not in record.text else ""
    failure = Failure(_cause(record.cause), f"{record.text}{log}", f"{array}_{record.index}")
    return ex.Note(array, record.index, record.job, failure, record.log)


def _cause(word: str) -> Cause:
    try:
        return Cause(word)
    except ValueError:
        return Cause.TOOL
