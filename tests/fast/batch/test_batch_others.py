"""A luigid that still believes in a worker that was killed: what the next one sees, and what it says."""

from __future__ import annotations

import inspect
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import luigi.scheduler
import luigi.worker
import pytest
from arrays import Arrays, Counting, Element, Runs, worker
from daemon import Luigid

from osa_luigi.batch import others


@pytest.fixture
def hasty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Luigid]:
    """Gives a worker up after two seconds; half a second is a long silence."""
    monkeypatch.setattr(others, "SILENT_S", 0.5)
    (tmp_path / "hasty").mkdir()
    luigid = Luigid(tmp_path / "hasty", "[scheduler]\nworker_disconnect_delay = 2\n")
    yield luigid
    luigid.end(9)


def killed(luigid: Luigid, name: str, night: Runs) -> Any:
    """A worker that luigid knows with an array under way, and that does no more."""
    engine = worker(Counting(luigid.url), Arrays(per_poll=0), name)
    engine.add(night)
    engine._add_worker()
    while not engine._running_tasks or any(task.startswith("Runs") for task in engine._running_tasks):
        engine._run_task(engine._get_work().task_id)
        if any(task.startswith("Runs") for task in engine._running_tasks):
            engine._handle_next_task()
    return engine


def finish(luigid: Luigid, name: str, night: Runs) -> tuple[Any, Arrays, float]:
    """Another process with the same night, to its end."""
    arrays = Arrays()
    engine = worker(Counting(luigid.url), arrays, name)
    began = time.monotonic()
    with engine:
        engine.add(night)
        engine.run()
    return engine, arrays, time.monotonic() - began


def test_started_again_as_the_same_worker_it_has_its_tasks_at_once(
    luigid: Luigid, caplog: pytest.LogCaptureFixture
) -> None:
    """Though luigid would wait a minute for the one that was killed."""
    caplog.set_level(logging.WARNING, "luigi-interface")
    night = Runs(runs=2, subruns=5)
    killed(luigid, "osa-here-1000-night", night)
    assert "BATCH_RUNNING" in luigid.statuses()
    engine, arrays, took_s = finish(luigid, "osa-here-1000-night", night)
    assert engine.run_succeeded
    assert luigid.statuses() == {"DONE"}
    assert len(arrays.submitted) == len(set(arrays.submitted)) == 12
    assert took_s < 20
    assert not caplog.records


def test_one_from_elsewhere_waits_until_luigid_lets_go(hasty: Luigid, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "luigi-interface")
    night = Runs(runs=2, subruns=5)
    killed(hasty, "osa-there-1000-night", night)
    engine, arrays, _ = finish(hasty, "osa-here-1000-night", night)
    assert engine.run_succeeded
    assert hasty.statuses() == {"DONE"}
    assert len(arrays.submitted) == len(set(arrays.submitted)) == 12
    waiting, taken = (record.getMessage() for record in caplog.records)
    assert (
        "luigid counts 5 tasks of this run to another worker, of which it hears nothing: osa-there-1000-night (host "
        in waiting
    )
    assert "waits until luigid lets go" in waiting
    assert taken == "luigid has let go of 5 tasks of another worker: added again, 1 of at most 10 times"


def test_what_a_living_worker_has_is_left_to_it(luigid: Luigid, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "luigi-interface")
    night = Runs(runs=2, subruns=5)
    other = killed(luigid, "osa-there-1000-night", night)
    pings = luigi.worker.KeepAliveThread(Counting(luigid.url), other._id, 0.1, lambda message: None)
    pings.daemon = True
    pings.start()
    _, arrays, _ = finish(luigid, "osa-here-1000-night", night)
    pings.stop()
    pings.join()
    assert len(arrays.submitted) == 6, "the other run"
    [said] = (record.getMessage() for record in caplog.records)
    assert "5 tasks of this run to another worker, which lives: osa-there-1000-night (host " in said
    assert "end it there first" in said


def test_what_failed_here_is_not_taken_for_another_s(luigid: Luigid, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "luigi-interface")
    arrays = Arrays(fail=(Element(run_id=0, subrun=3).task_id,))
    engine = worker(Counting(luigid.url), arrays)
    with engine:
        engine.add(Runs(runs=2, subruns=5))
        engine.run()
    assert len(arrays.submitted) == 11
    assert [record.levelname for record in caplog.records] == ["ERROR"]


def test_the_parts_of_luigi_that_this_relies_on_are_there() -> None:
    told = inspect.getsource(luigi.scheduler.Scheduler.worker_list)
    for part in (
        "name=worker.id",
        "last_active=worker.last_active",
        "**worker.info",
        'worker["running"] = tasks',
        "self.prune()",
    ):
        assert part in told
    info = inspect.getsource(luigi.worker.Worker._generate_worker_info)
    for part in ('"host"', '"username"', '"pid"'):
        assert part in info
    assert "limit" in inspect.signature(luigi.scheduler.Scheduler.task_list).parameters
