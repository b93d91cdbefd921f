"""An engine that goes on with what another account has submitted: it asks for that account's jobs, or begins not at all."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from slurm_says import queue_record
from slurm_work import SETTINGS, Driver, seen, wish

from osa_luigi.batch.job import Job
from osa_luigi.batch.slurm import accounts
from osa_luigi.batch.slurm import exchange as ex
from osa_luigi.batch.slurm import model as m
from osa_luigi.batch.slurm.accounts import account_name, known_accounts, other_accounts
from osa_luigi.batch.slurm.adapter import look_folder
from osa_luigi.batch.slurm.adoption import adopted_accounts
from osa_luigi.batch.slurm.answers import Limits
from osa_luigi.batch.slurm.desk import Where
from osa_luigi.batch.slurm.engine import Engine
from osa_luigi.batch.slurm.executor import SlurmExecutor
from osa_luigi.batch.slurm.journal import Journal
from osa_luigi.batch.slurm.records import Record, write_record
from osa_luigi.batch.slurm.seen import Sighting
from osa_luigi.batch.slurm.states import UNSTARTED
from osa_luigi.batch.slurm.store import FileStore
from osa_luigi.batch.slurm.world import World
from osa_luigi.errors import ExecutorError, SlurmRefused
from osa_luigi.products.production import Production
from osa_luigi.tasks.why import open_desk
from tests.simulation.danger import Disk

OPEN = Limits(1001, 10_000, 300.0, accounting=True, version="22.05.8", private_jobs=False)
PRIVATE = Limits(1001, 10_000, 300.0, accounting=True, version="22.05.8", private_jobs=True)
ME = os.getuid()
NOBODY_KNOWS = 3_999_999_999


@dataclass
class Left:
    """A production that an engine of this account left with an array of two jobs; perhaps another account looks at it."""

    production: Production
    monkeypatch: pytest.MonkeyPatch
    array: str = ""

    def __post_init__(self) -> None:
        driver = Driver()
        driver.want(wish(0, key="key0"), wish(1, key="key1"))
        driver.tick()
        self.array = driver.array.name
        self.journal.intend(driver.array, 1, driver.state.jobs)
        self.journal.remember(self.array, 7)

    @property
    def journal(self) -> Journal:
        return Journal(FileStore(self.production.state / "engine"))

    def look_as(self, account: int) -> None:
        self.monkeypatch.setattr(os, "getuid", lambda: account)

    def end(self, *numbers: int) -> None:
        for number in numbers:
            write_record(
                self.production.state / "engine" / "arrays" / self.array,
                Record(number, 0, 0, "done", wish(number).name),
            )


@pytest.fixture
def left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Left:
    return Left(Production(tmp_path / "20241115" / "v1"), monkeypatch)


def test_who_else_has_open_arrays(left: Left) -> None:
    assert other_accounts(left.production) == {}
    left.look_as(ME + 1)
    assert other_accounts(left.production) == {ME: [left.array]}
    left.journal.close(left.array, {}, "")
    assert other_accounts(left.production) == {}


def test_in_a_night_of_only_own_arrays_no_folder_is_looked_into(left: Left) -> None:
    left.monkeypatch.setattr(Journal, "open_names", lambda journal: pytest.fail("looked into"))
    assert adopted_accounts(left.production, PRIVATE) == frozenset()


def test_an_account_that_this_machine_does_not_know_has_a_number() -> None:
    assert account_name(0) == "root"
    assert account_name(NOBODY_KNOWS) == str(NOBODY_KNOWS)
    assert known_accounts([0, NOBODY_KNOWS]) == {0}


def test_where_slurm_shows_all_jobs_the_others_are_asked_for(left: Left) -> None:
    left.look_as(ME + 1)
    assert adopted_accounts(left.production, OPEN) == {ME}


def test_where_jobs_are_shown_to_their_owner_alone_nothing_is_begun(left: Left) -> None:
    left.look_as(ME + 1)
    left.end(0)
    with pytest.raises(ExecutorError) as refusal:
        adopted_accounts(left.production, PRIVATE)
    name = account_name(ME)
    assert f"1 array of the account {name} may still run ({left.array}, for one)" in str(refusal.value)
    assert "(PrivateData)" in str(refusal.value)
    assert f"have `osa cancel --all` done by {name}" in str(refusal.value)
    left.end(1)
    assert adopted_accounts(left.production, PRIVATE) == {ME}, "all have said that they are over"


def test_to_root_slurm_shows_all_jobs(left: Left) -> None:
    left.look_as(0)
    left.monkeypatch.setattr(accounts, "other_account", lambda array: ME)
    assert adopted_accounts(left.production, PRIVATE) == {ME}


def test_of_an_account_that_this_machine_does_not_know_slurm_does_not_tell(left: Left) -> None:
    left.monkeypatch.setattr("osa_luigi.batch.slurm.accounts.other_account", lambda array: NOBODY_KNOWS)
    with pytest.raises(ExecutorError, match=f"this machine does not know that account.*done by {NOBODY_KNOWS}"):
        adopted_accounts(left.production, OPEN)
    left.end(0, 1)
    assert adopted_accounts(left.production, OPEN) == frozenset(), "squeue would refuse the whole question"


def test_the_refusal_is_what_the_tasks_fail_with(left: Left, tmp_path: Path) -> None:
    """At each task that is handed over: nothing of the night is begun in between."""
    scontrol = tmp_path / "scontrol"
    words = (
        "AccountingStorageType = (null)\nMaxArraySize = 1001\nMaxJobCount = 10000\nMinJobAge = 300 sec\n"
        "PrivateData = jobs,usage\nSLURM_VERSION = 22.05.8"
    )
    scontrol.write_text(f"#!/bin/sh\ncat <<'END'\n{words}\nEND\n")
    scontrol.chmod(0o755)
    left.monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    settings: Any = SimpleNamespace(
        poll_seconds=0.05, client_timeout_seconds=5.0, environment=SimpleNamespace(image=None, archive=None)
    )
    executor = SlurmExecutor(settings, tmp_path / "cache")
    left.look_as(ME + 1)
    for _ in range(2):
        with pytest.raises(ExecutorError, match="would be submitted a second time"):
            executor.submit([Job("any", left.production.root, ())])
    assert executor.poll(0) == []


def test_looks_for_other_accounts_are_shared_apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert look_folder([7, 8]) == look_folder({8, 7})
    assert len({look_folder(), look_folder([7]), look_folder([7, 8])}) == 3


def test_the_operators_desk_asks_for_them_too(left: Left, tmp_path: Path) -> None:
    other = next(entry.pw_uid for entry in pwd.getpwall() if entry.pw_uid != ME)
    left.monkeypatch.setattr(accounts, "other_account", lambda array: other)
    left.monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    squeue = tmp_path / "squeue"
    line = queue_record(seen("RUNNING", 1, name=left.array))
    (tmp_path / "answer").write_text(line)
    squeue.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/words\ncat {tmp_path}/answer\n')
    squeue.chmod(0o755)
    left.monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    slurm = SimpleNamespace(poll_seconds=0.05, client_timeout_seconds=5.0)
    main: Any = SimpleNamespace(executor=SimpleNamespace(type="slurm", slurm=slurm))
    stands = open_desk(main, left.production).stands
    assert {key: stand.where for key, stand in stands.items()} == {"key0": Where.UNSEEN, "key1": Where.RUNNING}
    assert f" -u {ME},{other} " in (tmp_path / "words").read_text()


@dataclass
class Strict:
    """A SLURM that has an element of another account's, and lets nobody else touch it; and files that say nothing."""

    sighting: Sighting
    now: float = 0.0
    array: str = ""
    asked: list[str] = field(default_factory=list)

    def submit(self, array: m.ArrayState) -> int:
        self.array = array.name
        return 7

    def queue(self) -> tuple[float, Mapping[str, Mapping[int, Sighting]]]:
        return self.now, {self.array: {0: self.sighting}}

    def cancel(self, job: int, indices: tuple[int, ...]) -> None:
        self.asked.append("scancel")
        raise SlurmRefused("scancel: SLURM refuses to cancel 7: Access/permission denied")

    def release(self, job: int, indices: tuple[int, ...]) -> None:
        self.asked.append("release")
        raise SlurmRefused("scontrol: SLURM refuses to release 7: Invalid user id")

    def holds(self) -> bool:
        return True

    def prepare(self, array: m.ArrayState, jobs: Mapping[str, m.JobState]) -> None:
        """Nothing to write."""

    def notes(self, arrays: object) -> list[ex.Note]:
        return []


def said_by(engine: Engine, slurm: Strict, looks: int) -> list[str]:
    for _ in range(looks):
        slurm.now += 30
        engine.look()
    return engine.said


def test_what_may_not_be_cancelled_is_said_once(no_chance: Disk) -> None:
    slurm = Strict(seen("PENDING"))
    engine = Engine(SETTINGS, World(slurm, slurm, Journal(no_chance), slurm, lambda: slurm.now))  # type: ignore[arg-type]
    engine.want([wish(0)])
    engine.submit()
    engine.want([wish(0, asked=m.Asked(4000, 600.0))])  # the configuration was changed
    said = said_by(engine, slurm, 20)
    assert slurm.asked == ["scancel"]
    assert [line for line in said if "scancel" in line] == [
        "scancel 7: scancel: SLURM refuses to cancel 7: Access/permission denied"
    ]


def test_what_may_not_be_released_is_not_tried_for_ever(no_chance: Disk) -> None:
    slurm = Strict(seen("PENDING", reason=UNSTARTED))
    engine = Engine(SETTINGS, World(slurm, slurm, Journal(no_chance), slurm, lambda: slurm.now))  # type: ignore[arg-type]
    engine.want([wish(0)])
    engine.submit()
    said = said_by(engine, slurm, 20)
    assert slurm.asked == ["release", "release"]
    assert sum("does not start" in line for line in said) == 1, "then it needs a person, and is told so once"
