"""Arrays that sbatch does not take for now, and a disk that does not take what is to be written."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from slurm_work import SETTINGS, Driver, seen, wish

from osa_luigi.batch.job import Job
from osa_luigi.batch.slurm import exchange as ex
from osa_luigi.batch.slurm import executor
from osa_luigi.batch.slurm import model as m
from osa_luigi.batch.slurm.engine import Engine
from osa_luigi.batch.slurm.journal import Journal
from osa_luigi.batch.slurm.model import Link
from osa_luigi.batch.slurm.news import DISK, HANDING_IN
from osa_luigi.batch.slurm.policies import Asked
from osa_luigi.batch.slurm.seen import Sighting
from osa_luigi.batch.slurm.world import World
from osa_luigi.errors import ExecutorError, SlurmRefused
from osa_luigi.products.production import Production
from tests.simulation.danger import Disk

LIMIT = "QOSMaxSubmitJobPerUserLimit"
PAUSE_S = SETTINGS.grace_s


def refused(*wishes: m.Wish, settings: m.Settings = SETTINGS) -> Driver:
    """The first array is refused for now; what was decided on with it is behind it."""
    engine = Driver(settings)
    engine.want(*wishes)
    refuse(engine)
    return engine


def refuse(engine: Driver) -> None:
    """Of what is handed in now."""
    first, *behind = [command.array for command in engine.tick() if isinstance(command, ex.Submit)]
    engine.commands.clear()
    engine.hear(ex.Refused(engine.now, first, LIMIT, passing=True, too_many=True))
    for array in behind:
        engine.hear(ex.Postponed(engine.now, array))


def test_it_is_handed_in_again_as_it_is() -> None:
    engine = refused(wish(0))
    name = engine.array.name
    assert not engine.later(1).tick()
    assert engine.later(PAUSE_S).tick() == [ex.Submit(name)]
    engine.hear(ex.Refused(engine.now, name, LIMIT, passing=True))
    assert engine.asked_for(ex.Hold) == [ex.Hold(name, f"{LIMIT}.")], "it is written, and said, once"
    assert len(engine.asked_for(ex.Say)) == 1
    assert "executor.slurm.array_size" in engine.asked_for(ex.Say)[0].text
    assert engine.later(PAUSE_S).tick() == [ex.Submit(name)]
    engine.hear(ex.Sent(engine.now, name, 7))
    assert (engine.array.link, engine.job().failures) == (Link.QUEUED, ())


def test_nothing_else_is_handed_in_before() -> None:
    engine = refused(wish(0), wish(0, run=2002), wish(0, run=2003))
    assert list(engine.state.arrays) == ["osa.g1.00000.Run2001.dl1"]
    engine.want(wish(0, run=2004))
    assert not engine.later(1).tick()
    engine.later(PAUSE_S).tick()
    engine.hear(ex.Sent(engine.now, "osa.g1.00000.Run2001.dl1", 7))
    assert [command.array.name for command in engine.tick() if isinstance(command, ex.Intend)] == [
        f"osa.g1.{number:05d}.Run{2001 + number}.dl1" for number in (1, 2, 3)
    ], "the numbers of those that were not written down are free"


@pytest.mark.parametrize("change", [{"key": "other"}, {"asked": Asked(9000, 60.0), "key": "other"}])
def test_what_is_wanted_otherwise_by_then_is_not_handed_in(change: dict[str, object]) -> None:
    engine = refused(wish(0))
    old = engine.array.name
    engine.want(wish(0, **change))
    commands = engine.later(PAUSE_S).tick()
    assert ex.Submit(old) not in commands
    assert [command.array for command in commands if isinstance(command, ex.Close)] == [old]
    assert engine.later(PAUSE_S).tick() or engine.state.arrays


def test_one_that_is_too_large_by_itself_is_handed_in_in_parts() -> None:
    engine = refused(*(wish(number) for number in range(8)))
    sizes = []
    for _ in range(4):
        refuse(engine.later(PAUSE_S))
        sizes.append(engine.state.most)
    assert sizes == [4, 4, 2, 2]
    array = engine.array
    assert len(array.elements) == 2
    engine.hear(ex.Sent(engine.now, array.name, 7))
    assert engine.state.most == 4, "what SLURM has taken gives courage"
    handed_in = [len(command.array.elements) for command in engine.tick() if isinstance(command, ex.Intend)]
    assert handed_in == [4], "one at a time: the next may be larger still"


def test_one_that_is_refused_for_another_reason_is_not_divided() -> None:
    """A partition that is closed for the night takes no parts of it either."""
    engine = Driver()
    engine.want(*(wish(number) for number in range(8)))
    engine.tick()
    for _ in range(5):
        engine.hear(ex.Refused(engine.now, engine.array.name, "the partition takes no jobs for now.", passing=True))
        assert engine.later(PAUSE_S).tick() == [ex.Submit(engine.array.name)]
    [said] = engine.asked_for(ex.Say)
    assert "array_size" not in said.text


def test_one_that_waits_for_others_of_ours_is_not_divided() -> None:
    engine = Driver()
    engine.want(wish(0))
    engine.tick()
    engine.hear(ex.Sent(engine.now, engine.array.name, 7))
    engine.want(*(wish(number, run=2002) for number in range(8)))
    engine.tick()
    held = "osa.g1.00001.Run2002.dl1"
    for _ in range(3):
        engine.hear(ex.Refused(engine.now, held, LIMIT, passing=True, too_many=True))
        assert ex.Submit(held) in engine.later(PAUSE_S).tick()
    assert engine.state.most is None


def test_one_that_slurm_has_all_the_same_is_found() -> None:
    engine = refused(wish(0))
    engine.later(30).queue(seen("PENDING", job=9))
    assert (engine.array.link, engine.array.job) == (Link.QUEUED, 9)


def test_the_next_engine_looks_its_name_up(no_chance: Disk) -> None:
    engine = Driver()
    engine.want(wish(0))
    [intend, _] = engine.tick()
    assert isinstance(intend, ex.Intend)
    journal = Journal(no_chance)
    journal.intend(intend.array, 1, engine.state.jobs)
    journal.hold(intend.array.name, LIMIT)
    [array], [job] = journal.open_arrays()
    assert (array.refusal, array.link) == (LIMIT, Link.LOST)
    after = Driver(replace(SETTINGS, generation=2))
    after.hear(ex.Recovered(after.now, (array,), (job,)))
    assert after.tick() == [ex.Look(array.name)]
    journal.remember(array.name, 7)
    assert journal.open_arrays()[0][0].refusal == ""


def test_where_there_is_not_room_for_all_a_whole_run_goes_first() -> None:
    engine = Driver(replace(SETTINGS, in_flight=1))
    engine.want(wish(0), wish(9, index=None, group="merge"))
    [intend, _] = engine.tick()
    assert isinstance(intend, ex.Intend)
    assert intend.array.group == "merge"


class Site:
    """A SLURM, files and a lease that do as they are told, unless something is broken."""

    def __init__(self) -> None:
        self.now = 0.0
        self.broken: dict[str, Exception] = {}
        self.asked: list[str] = []
        self.running: dict[str, dict[int, Sighting]] = {}

    def _do(self, what: str) -> None:
        self.asked.append(what)
        if error := self.broken.get(what):
            raise error

    def submit(self, array: m.ArrayState) -> int:
        self._do("submit")
        job = 7 + len(self.running)
        self.running[array.name] = {i: seen("RUNNING", i, name=array.name, job=job) for i in array.elements}
        return job

    def queue(self) -> tuple[float, Mapping[str, Mapping[int, Sighting]]]:
        return self.now, self.running

    def find(self, name: str) -> list[Sighting]:
        self._do("find")
        return list(self.running.get(name, {}).values())

    def accounting(self, arrays: Mapping[str, int]) -> Mapping[str, Mapping[int, Sighting]]:
        return {}

    def cancel(self, job: int, indices: tuple[int, ...]) -> None:
        self._do("cancel")

    def release(self, job: int, indices: tuple[int, ...]) -> None:
        self._do("release")

    def prepare(self, array: m.ArrayState, jobs: Mapping[str, m.JobState]) -> None:
        self._do("prepare")

    def notes(self, arrays: Iterable[str]) -> list[ex.Note]:
        self._do("notes")
        return []

    def made(self, jobs: Iterable[m.JobState]) -> Mapping[str, bool | None]:
        return {job.wish.name: None if "made" in self.broken else True for job in jobs}

    def short_of_memory(self, jobs: Iterable[m.JobState]) -> frozenset[str]:
        return frozenset()

    def output(self, jobs: Iterable[m.JobState]) -> Mapping[str, str]:
        return {}

    def learn(self, stage: str, first: Asked, needed: Asked) -> None:
        self._do("learn")

    def holds(self) -> bool:
        self._do("lease")
        return True


class Paper:
    """A disk of which single files cannot be written."""

    def __init__(self, disk: Disk) -> None:
        self.full_for: tuple[str, ...] = ()
        self.disk = disk
        self.read, self.names, self.remove = disk.read, disk.names, disk.remove

    def write(self, path: str, text: str) -> None:
        if path.rpartition("/")[2] in self.full_for:
            raise FULL
        self.disk.write(path, text)


FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture
def paper(no_chance: Disk) -> Paper:
    return Paper(no_chance)


@pytest.fixture
def engine(site: Site, paper: Paper) -> Engine:
    return Engine(SETTINGS, World(site, site, Journal(paper), site, lambda: site.now))


def turn(engine: Engine, site: Site, seconds: float = 30.0) -> None:
    engine.submit()
    engine.look()
    site.now += seconds


@pytest.mark.parametrize(
    ("break_it", "mend_it"),
    [
        (lambda site, paper: site.broken.update(prepare=FULL), lambda site, paper: site.broken.clear()),
        (
            lambda site, paper: site.broken.update(prepare=ExecutorError("the archive cannot be read.")),
            lambda site, paper: site.broken.clear(),
        ),
        (
            lambda site, paper: setattr(paper, "full_for", ("intent.json",)),
            lambda site, paper: setattr(paper, "full_for", ()),
        ),
    ],
)
def test_an_array_that_cannot_be_written_down_is_not_handed_in_until_it_can(
    engine: Engine, site: Site, paper: Paper, break_it: Callable[..., None], mend_it: Callable[..., None]
) -> None:
    break_it(site, paper)
    engine.want([wish(0), wish(0, run=2002)])
    for _ in range(4):
        turn(engine, site)
    assert "submit" not in site.asked
    assert site.asked.count("prepare") <= 2, "after a pause; and what comes behind is not tried"
    assert engine.silence
    assert engine.silence.who == (HANDING_IN if isinstance(site.broken.get("prepare"), ExecutorError) else DISK)
    mend_it(site, paper)
    for _ in range(3):
        turn(engine, site)
    assert sorted(site.running) == ["osa.g1.00000.Run2001.dl1", "osa.g1.00001.Run2002.dl1"]
    assert engine.silence is None


@pytest.mark.parametrize("file", ["submitted.json", "closed.json"])
def test_what_the_disk_does_not_take_is_written_later(engine: Engine, site: Site, paper: Paper, file: str) -> None:
    paper.full_for = (file,)
    engine.want([wish(0)])
    turn(engine, site)
    [name] = site.running
    site.running[name] = {0: seen("COMPLETED", name=name)}
    for _ in range(4):
        turn(engine, site)
    assert [(told.job, told.kind) for told in engine.told if told.kind != "state"] == [(wish(0).name, "done")]
    assert engine.silence
    assert not engine.is_idle()
    paper.full_for = ()
    turn(engine, site)
    assert engine.silence is None, file
    assert engine.is_idle()
    assert f"arrays/{name}/{file}" in paper.disk.files
    assert site.asked.count("submit") == 1


@pytest.mark.parametrize("what", ["notes", "made"])
def test_what_cannot_be_read_is_not_judged(engine: Engine, site: Site, what: str) -> None:
    engine.want([wish(0)])
    turn(engine, site)
    [name] = site.running
    site.broken[what] = OSError(errno.EIO, "Input/output error")
    site.running[name] = {0: seen("FAILED", name=name, signal=9)}
    since = set()
    for _ in range(5):
        turn(engine, site)
        since |= {engine.silence.since} if engine.silence else set()
    assert not [told for told in engine.told if told.kind != "state"]
    assert engine.silence
    assert len(since) == 1, "it is told of as one trouble"
    site.broken.clear()
    for _ in range(4):
        turn(engine, site)
    assert engine.silence is None
    assert [told.kind for told in engine.told if told.kind != "state"] == ["done"]


def test_what_luigi_misses_is_looked_for_until_the_disk_answers(engine: Engine, site: Site) -> None:
    """Its array is open for the others of it."""
    engine.want([wish(0), wish(1)])
    turn(engine, site)
    [name] = site.running
    site.running[name] = {0: seen("COMPLETED", name=name), 1: seen("RUNNING", 1, name=name)}
    for _ in range(4):
        turn(engine, site)
    engine.told.clear()
    site.broken["made"] = OSError()
    engine.want([wish(0)])
    for _ in range(3):
        turn(engine, site)
    assert not engine.told
    assert engine.silence
    site.broken.clear()
    turn(engine, site)
    assert [(told.job, told.kind) for told in engine.told] == [(wish(0).name, "done")]


def test_without_its_lease_being_read_nothing_is_handed_in(engine: Engine, site: Site) -> None:
    site.broken["lease"] = OSError(errno.EIO, "Input/output error")
    engine.want([wish(0)])
    turn(engine, site)
    assert "submit" not in site.asked
    site.broken.clear()
    turn(engine, site, PAUSE_S)
    turn(engine, site)
    assert site.asked.count("submit") == 1


def test_a_night_whose_papers_cannot_be_read_says_so_and_is_begun_once_they_can(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    begun: list[Path] = []

    class Night:
        def __init__(self, production: Production, *more: object) -> None:
            if not begun:
                begun.append(production.root)
                raise OSError(errno.EIO, "Input/output error")

        def want(self, jobs: object) -> None:
            begun.append(tmp_path)

    monkeypatch.setattr(executor, "SharedCluster", lambda settings: None)
    monkeypatch.setattr(executor, "_Night", Night)
    settings: Any = SimpleNamespace(environment=SimpleNamespace(image=None))
    slurm = executor.SlurmExecutor(settings, tmp_path / "cache")
    root = tmp_path / "20241115" / "v1"
    with pytest.raises(
        ExecutorError, match=rf"{root}: what an engine writes .*Input/output error\)\. What SLURM has goes on"
    ):
        slurm.submit([Job("any", root, ())])
    slurm.submit([Job("any", root, ())])
    assert begun == [root, tmp_path]


def test_after_a_refusal_for_now_sbatch_is_called_no_more(engine: Engine, site: Site) -> None:
    site.broken["submit"] = SlurmRefused(f"sbatch: error: {LIMIT}")
    engine.want([wish(0, run=run) for run in range(2001, 2031)])
    for _ in range(4):
        turn(engine, site)
    assert site.asked.count("submit") == 2
    assert site.asked.count("prepare") == 1, "it lies there already"
    site.broken.clear()
    for _ in range(4):
        turn(engine, site)
    assert len(site.running) == 30
