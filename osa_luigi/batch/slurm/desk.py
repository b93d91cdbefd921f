"""The operator's desk: what a night's journal and SLURM say of its jobs, beside a living engine or without one.

Looking changes nothing. Cancelling tells SLURM, and leaves a record as the element itself would: the engine, or the next one, finds
why the job ended, even if SLURM has forgotten it by then. Retrying removes the mark of what was given up.
"""

from __future__ import annotations

import getpass
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property

from osa_luigi.batch.slurm.accounts import account_name, other_account
from osa_luigi.batch.slurm.client import SlurmClient
from osa_luigi.batch.slurm.journal import Journal
from osa_luigi.batch.slurm.model import ArrayState, JobState
from osa_luigi.batch.slurm.records import INTENT, Record, RecordReader, write_record
from osa_luigi.batch.slurm.seen import Sighting
from osa_luigi.batch.slurm.snapshot import SharedSnapshot
from osa_luigi.batch.slurm.states import Cause, Standing, meaning
from osa_luigi.batch.slurm.store import FileStore
from osa_luigi.errors import ExecutorError, SlurmAway, SlurmRefused
from osa_luigi.products.production import Production

HAVE_IT = "have `osa cancel` done from there, or by an administrator of SLURM (scancel)"
"""Jobs of another account are cancelled by that."""


class Where(StrEnum):
    """How far a job is."""

    HELD = "not taken"
    """sbatch refused it for now; the engine hands it in again."""
    UNSURE = "sent"
    """Sent to SLURM, whose answer is not known."""
    UNSEEN = "not seen"
    """SLURM's queue does not hold it, or does not answer."""
    WAITING = "waiting"
    RUNNING = "running"
    ENDED = "ended"
    """The engine has still to take its end in."""
    GIVEN_UP = "given up"

    @property
    def may_run(self) -> bool:
        """Whether there may be something to cancel."""
        return self in (Where.HELD, Where.UNSURE, Where.UNSEEN, Where.WAITING, Where.RUNNING)


@dataclass(frozen=True, slots=True)
class Stand:
    """A job as it stands with the cluster.

    Parameters
    ----------
    slurm
        The array's id, if it is known.
    index, position, mates
        Of its element, the job's place in that, and how many jobs share it.
    seen
        What SLURM says of the element.
    record
        What the element says of the job.
    since
        When SLURM was asked to take it (UTC).
    refusal
        Why SLURM does not take it for now.
    """

    job: JobState
    where: Where
    array: str = ""
    slurm: int | None = None
    index: int = 0
    position: int = 0
    mates: int = 1
    seen: Sighting | None = None
    record: Record | None = None
    since: datetime | None = None
    refusal: str = ""

    @property
    def element(self) -> str:
        """As SLURM's commands call it: ``123_17``."""
        return f"{'?' if self.slurm is None else self.slurm}_{self.index}"


class Desk:
    """One look at a production's jobs.

    Parameters
    ----------
    client
        The way to SLURM, also to the jobs of other accounts that have open arrays here; `None` where the executor is another one: then
        only the journal is read.
    snapshot
        The shared look at the queue.
    """

    def __init__(self, production: Production, client: SlurmClient | None, snapshot: SharedSnapshot | None) -> None:
        self.production = production
        self._arrays_folder = production.state / "engine" / "arrays"
        self._journal = Journal(FileStore(production.state / "engine"))
        self._client = client
        self._snapshot = snapshot
        self.trouble = ""

    @cached_property
    def stands(self) -> Mapping[str, Stand]:
        """Job's key → how it stands, for all that SLURM may have and all that is given up."""
        arrays, jobs = self._journal.open_arrays()
        queue = self._queue() if arrays else {}
        known = {
            array.name: (array, queue.get(array.name, {}), self._records(array.name), self._since(array.name))
            for array in arrays
        }
        given_up = [Stand(job, Where.GIVEN_UP) for job in self._journal.given_up()]
        with_slurm = [_stand(job, *known[job.array]) for job in jobs]
        # The array of a job that is given up stays open while others of it run.
        return {stand.job.wish.key: stand for stand in (*with_slurm, *given_up)}

    def _queue(self) -> Mapping[str, Mapping[int, Sighting]]:
        if self._snapshot is None:
            return {}
        try:
            sightings = self._snapshot.get(time.time()).sightings
        except SlurmAway as error:
            self.trouble = str(error)
            return {}
        found: dict[str, dict[int, Sighting]] = {}
        for seen in sightings:
            found.setdefault(seen.name, {})[seen.index] = seen
        return found

    def _records(self, array: str) -> Mapping[str, Record]:
        """Job → its record; the end of an element under its index."""
        records = RecordReader(self._arrays_folder / array).new()
        return {record.job or str(record.index): record for record in records}

    def _since(self, array: str) -> datetime | None:
        """When its intent was written: right before sbatch was called. SLURM is not asked for times, which is dear."""
        try:
            return datetime.fromtimestamp((self._arrays_folder / array / INTENT).stat().st_mtime, UTC)
        except FileNotFoundError:  # its run's papers have just gone into the archive
            return None

    def cancel(self, stands: Iterable[Stand], say: Callable[[str], None]) -> list[Stand]:
        """Cancel the elements of jobs.

        Returns
        -------
        list of Stand
            The jobs whose elements were cancelled: also those that share one with what was asked for.

        Raises
        ------
        SlurmAway
            Nobody knows whether all are cancelled.
        SlurmRefused
            They are another account's: it says whose, and who can cancel them.
        """
        wanted: dict[str, set[int]] = {}
        for stand in stands:
            if stand.where.may_run:
                wanted.setdefault(stand.array, set()).add(stand.index)
        cancelled: list[Stand] = []
        for array, indices in wanted.items():
            ids, other = self._ids(array), self.other_account(array)
            for job in ids:
                self._cancel(job, sorted(indices), other)
            if not ids:
                whose = (
                    f"Its account is {other}. Where jobs are shown to their owner alone (PrivateData), only that can tell: {HAVE_IT}"
                    if other
                    else "Ask again in a minute."
                )
                say(f"{array}: SLURM does not know it (yet): nothing to cancel. {whose}")
                continue
            gone = [stand for stand in self.stands.values() if stand.array == array and stand.index in indices]
            for stand in gone:
                self._note(stand)
            cancelled += gone
        return cancelled

    def _cancel(self, job: int, indices: list[int], other: str) -> None:
        try:
            self._slurm.cancel(job, indices)
        except SlurmRefused as error:
            if not other:
                raise
            raise SlurmRefused(f"SLURM job {job} is of the account {other}: {HAVE_IT} ({error})") from error

    def other_account(self, array: str) -> str:
        """Whose an array is, if it is not this account's; empty if it is."""
        account = other_account(self._arrays_folder / array)
        return "" if account is None else account_name(account)

    @property
    def _slurm(self) -> SlurmClient:
        if self._client is None:
            raise ExecutorError("executor.type is not slurm: there is nothing with SLURM. Stop luigi instead (Ctrl-C).")
        return self._client

    def _ids(self, array: str) -> list[int]:
        """The id in the journal, or what SLURM knows under the array's name."""
        known = {stand.slurm for stand in self.stands.values() if stand.array == array and stand.slurm is not None}
        return sorted(known) or sorted({seen.job for seen in self._slurm.find(array)})

    def _note(self, stand: Stand) -> None:
        """The record that a cancelled job cannot leave itself."""
        if stand.record is None:
            text = f"{stand.job.wish.name}: cancelled by `osa cancel` (user {getpass.getuser()})."
            now = datetime.now(UTC).isoformat(timespec="milliseconds")
            record = Record(
                stand.index, stand.position, 0, "failed", stand.job.wish.name, cause=Cause.CANCELLED, text=text, at=now
            )
            write_record(self._arrays_folder / stand.array, record)

    def retry(self, stands: Iterable[Stand]) -> None:
        """Let what was given up be tried again."""
        self._journal.forgive(stand.job.wish.name for stand in stands)


def _stand(
    job: JobState,
    array: ArrayState,
    seen: Mapping[int, Sighting],
    records: Mapping[str, Record],
    since: datetime | None,
) -> Stand:
    sighting, record = seen.get(job.index), records.get(job.wish.name)
    slurm = array.job if array.job is not None or sighting is None else sighting.job
    mates = array.elements[job.index].jobs
    where = _where(slurm, sighting, record, through=str(job.index) in records)
    if where is Where.UNSURE and array.refusal:
        where = Where.HELD
    position = mates.index(job.wish.name)
    return Stand(job, where, array.name, slurm, job.index, position, len(mates), sighting, record, since, array.refusal)


def _where(slurm: int | None, seen: Sighting | None, record: Record | None, *, through: bool) -> Where:
    if record is not None or through:
        return Where.ENDED
    if seen is None:
        return Where.UNSURE if slurm is None else Where.UNSEEN
    standing = meaning(seen.state, seen.signal).standing
    if standing.ended:
        return Where.ENDED
    return Where.RUNNING if standing is Standing.LIVE else Where.WAITING
