"""The operator's desk over a journal that an engine left."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from slurm_work import Driver, seen, wish

from osa_luigi.batch.slurm.desk import Desk, Stand, Where
from osa_luigi.batch.slurm.journal import Journal
from osa_luigi.batch.slurm.policies import Failure
from osa_luigi.batch.slurm.records import Record, RecordReader, write_record
from osa_luigi.batch.slurm.seen import Sighting
from osa_luigi.batch.slurm.snapshot import Snapshot
from osa_luigi.batch.slurm.states import Cause
from osa_luigi.batch.slurm.store import FileStore
from osa_luigi.errors import ExecutorError, SlurmAway, SlurmRefused
from osa_luigi.products.production import Production


@dataclass
class Slurm:
    """What a desk asks of SLURM."""

    sightings: list[Sighting] = field(default_factory=list)
    away: bool = False
    cancelled: list[tuple[int, list[int]]] = field(default_factory=list)

    def get(self, now: float) -> Snapshot:
        if self.away:
            raise SlurmAway("slurmctld is away")
        return Snapshot(now, tuple(self.sightings))

    def find(self, name: str) -> list[Sighting]:
        return [seen for seen in self.sightings if seen.name == name]

    def cancel(self, job: int, indices: Sequence[int] | None = None) -> None:
        self.cancelled.append((job, list(indices or ())))


@dataclass
class Office:
    """A production whose engine was killed with an array of three jobs under way, and one job given up."""

    production: Production
    slurm: Slurm = field(default_factory=Slurm)
    array: str = ""

    def open(self, job: int | None = 7) -> None:
        driver = Driver()
        driver.want(*(wish(number, key=f"key{number}") for number in range(3)))
        driver.tick()
        self.array = driver.array.name
        self.journal.intend(driver.array, 1, driver.state.jobs)
        if job is not None:
            self.journal.remember(self.array, job)
        driver.want(lost := wish(9, key="key9"))
        self.journal.give_up(driver.state.jobs[lost.name], "given up - it failed.")

    @property
    def journal(self) -> Journal:
        return Journal(FileStore(self.production.state / "engine"))

    @property
    def folder(self) -> Path:
        return self.production.state / "engine" / "arrays" / self.array

    def says(self, *sightings: Sighting) -> None:
        self.slurm.sightings = [
            Sighting(self.array, *(getattr(s, name) for name in s.__slots__[1:])) for s in sightings
        ]

    def desk(self) -> Desk:
        return Desk(self.production, self.slurm, self.slurm)  # type: ignore[arg-type]

    def where(self) -> dict[str, Where]:
        return {key: stand.where for key, stand in self.desk().stands.items()}

    def cancel(self, *keys: str) -> tuple[list[Stand], list[str]]:
        desk, said = self.desk(), []
        return desk.cancel([desk.stands[key] for key in keys], said.append), said


@pytest.fixture
def office(tmp_path: Path) -> Office:
    office = Office(Production(tmp_path / "20241115" / "v1"))
    office.open()
    return office


def test_each_job_stands_where_slurm_and_its_record_say(office: Office) -> None:
    office.says(seen("RUNNING", 0), seen("PENDING", 1, reason="Resources"), seen("RUNNING", 2))
    write_record(office.folder, Record(2, 0, 0, "done", "dl1.2001.2"))
    assert office.where() == {"key0": "running", "key1": "waiting", "key2": "ended", "key9": "given up"}
    stand = office.desk().stands["key1"]
    assert (stand.element, stand.seen and stand.seen.reason) == ("7_1", "Resources")
    assert stand.since is not None
    assert abs((datetime.now(UTC) - stand.since).total_seconds()) < 600, "squeue is not asked for it"


def test_what_the_queue_does_not_hold_is_not_said_to_be_over(office: Office) -> None:
    office.says(seen("COMPLETED", 0))
    assert office.where() == {"key0": "ended", "key1": "not seen", "key2": "not seen", "key9": "given up"}
    office.slurm.away = True
    desk = office.desk()
    assert desk.stands["key0"].where is Where.UNSEEN
    assert "away" in desk.trouble


def test_exactly_what_was_asked_for_is_cancelled_and_says_so(office: Office) -> None:
    office.says(seen("RUNNING", 0), seen("PENDING", 1), seen("COMPLETED", 2))
    cancelled, _ = office.cancel("key1", "key2", "key9")
    assert office.slurm.cancelled == [(7, [1])]
    assert [stand.job.wish.key for stand in cancelled] == ["key1"]
    [record] = RecordReader(office.folder).new()
    assert (record.index, record.job, record.cause) == (1, "dl1.2001.1", Cause.CANCELLED)
    assert "osa cancel" in record.text


def test_an_array_whose_id_is_not_known_is_looked_up(tmp_path: Path) -> None:
    office = Office(Production(tmp_path / "20241115" / "v1"))
    office.open(job=None)
    cancelled, said = office.cancel("key0")
    assert (cancelled, office.slurm.cancelled) == ([], [])
    assert "does not know it" in said[0]
    assert not list(office.folder.glob("records/*"))
    office.says(seen("PENDING", 0, job=12))
    cancelled, _ = office.cancel("key0")
    assert office.slurm.cancelled == [(12, [0])]
    assert len(cancelled) == 1


def test_a_mark_is_taken_away(office: Office) -> None:
    desk = office.desk()
    desk.retry([desk.stands["key9"]])
    assert "key9" not in office.where()
    assert office.journal.given_up() == []


def given_up(office: Office, number: int) -> None:
    """The record of a job under way, and what an engine made of it: others of the array still run."""
    [array], jobs = office.journal.open_arrays()
    write_record(office.folder, Record(number, 0, 0, "failed", f"dl1.2001.{number}", cause="tool", text="no light"))
    failure = Failure(Cause.TOOL, "no light", f"{array.name}_{number}")
    office.journal.give_up(replace(jobs[number], failures=(failure,)), "given up - no light.")


def test_what_is_given_up_is_known_as_that_while_others_of_its_array_run(office: Office) -> None:
    given_up(office, 1)
    office.says(seen("RUNNING", 0), seen("FAILED", 1), seen("RUNNING", 2))
    assert office.where() == {"key0": "running", "key1": "given up", "key2": "running", "key9": "given up"}
    _, jobs = office.journal.open_arrays()
    assert [job.index for job in jobs] == [0, 2], "the next engine does not judge of it once more"


def test_what_was_forgiven_is_not_judged_by_its_old_record_again(office: Office) -> None:
    given_up(office, 1)
    desk = office.desk()
    desk.retry([desk.stands["key1"]])
    [array], jobs = office.journal.open_arrays()
    assert [job.index for job in jobs] == [0, 2]
    assert [element.open for element in array.elements.values()] == [("dl1.2001.0",), (), ("dl1.2001.2",)]
    assert "key1" not in office.where()


def test_what_slurm_does_not_take_for_now_says_why(office: Office) -> None:
    office.folder.joinpath("submitted.json").unlink()
    office.journal.hold(office.array, "QOSMaxSubmitJobPerUserLimit.")
    stands = office.desk().stands
    assert {stands[f"key{number}"].where for number in range(3)} == {Where.HELD}
    assert stands["key0"].refusal == "QOSMaxSubmitJobPerUserLimit."
    assert Where.HELD.may_run, "it may just have been handed in again"
    office.says(seen("PENDING", 0), seen("PENDING", 1), seen("PENDING", 2))
    assert office.desk().stands["key0"].where is Where.WAITING, "SLURM has it all the same"


def test_a_mark_for_another_array_says_nothing_of_this_one(office: Office) -> None:
    _, jobs = office.journal.open_arrays()
    before = replace(jobs[1], failures=(Failure(Cause.TOOL, "no light", "osa.9.dl1_1"),))
    office.journal.give_up(before, "given up - no light.")
    assert len(office.journal.open_arrays()[1]) == 3
    office.journal.forgive([before.wish.name])
    assert len(office.journal.open_arrays()[1]) == 3


def test_without_slurm_there_is_nothing_to_cancel(office: Office) -> None:
    desk = Desk(office.production, None, None)
    with pytest.raises(ExecutorError, match="not slurm"):
        desk.cancel([desk.stands["key0"]], print)


def test_jobs_of_another_account_are_cancelled_by_that_account(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    desk, said = office.desk(), list[str]()
    stands = [stand for stand in desk.stands.values() if stand.where.may_run]
    monkeypatch.setattr(os, "getuid", lambda: office.folder.stat().st_uid + 1)
    assert desk.other_account(office.array) == office.folder.owner()

    def refuse(job: int, indices: Sequence[int] | None = None) -> None:
        raise SlurmRefused("scancel: Access/permission denied")

    monkeypatch.setattr(office.slurm, "cancel", refuse)
    with pytest.raises(
        SlurmRefused, match=rf"SLURM job 7 is of the account {office.folder.owner()}: have `osa cancel` done"
    ):
        desk.cancel(stands, said.append)
    assert not RecordReader(office.folder).new()  # nothing is said to be cancelled that is not


def test_an_array_of_another_account_that_slurm_does_not_show_is_said_to_be_its(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = Office(Production(tmp_path / "20241115" / "v1"))
    office.open(job=None)
    said: list[str] = []
    monkeypatch.setattr(os, "getuid", lambda: office.folder.stat().st_uid + 1)
    desk = office.desk()
    assert desk.cancel([stand for stand in desk.stands.values() if stand.where.may_run], said.append) == []
    assert f"Its account is {office.folder.owner()}" in said[0]
    monkeypatch.undo()
    assert office.desk().other_account(office.array) == ""
