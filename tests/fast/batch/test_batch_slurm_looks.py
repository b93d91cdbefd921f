"""A look at the queue: what is as it was at the last one is not gone through, and nothing is missed for that."""

from __future__ import annotations

from dataclasses import replace

import pytest
from slurm_work import SETTINGS, Driver, recall, seen, wish

from osa_luigi.batch.slurm import exchange as ex
from osa_luigi.batch.slurm import sightings
from osa_luigi.batch.slurm.policies import Asked
from osa_luigi.batch.slurm.seen import Sighting

WAITING = seen("PENDING", reason="PartitionTimeLimit")


@pytest.fixture
def gone_through(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The elements that a look goes through."""
    indices: list[int] = []
    sighted = sightings._sighted

    def noted(turn: object, array: object, index: int, *more: object) -> object:
        indices.append(index)
        return sighted(turn, array, index, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(sightings, "_sighted", noted)
    return indices


def test_an_array_of_which_slurm_says_the_same_is_not_gone_through(gone_through: list[int]) -> None:
    engine = Driver().running(wish(0), wish(1))
    gone_through.clear()
    assert not engine.later(30).queue(seen("RUNNING", 0), seen("RUNNING", 1))
    assert not gone_through
    engine.later(30).queue(seen("COMPLETED", 0), seen("RUNNING", 1), notes=(engine.note(0),))
    assert gone_through == [0, 1]
    assert engine.told("done") == [wish(0).name]


@pytest.mark.parametrize(
    "wants_time",
    [
        seen("NODE_FAIL"),
        seen("PENDING", reason="launch failed requeued held"),
    ],
)
def test_what_waits_for_time_to_pass_is_looked_at_again(gone_through: list[int], wants_time: Sighting) -> None:
    engine = Driver().running(wish(0), wish(1))
    for _ in range(2):
        gone_through.clear()
        engine.later(1).queue(wants_time, seen("RUNNING", 1))
        assert gone_through == [0, 1]


def test_what_slurm_does_not_name_is_looked_for_each_time() -> None:
    engine = Driver().running(wish(0), wish(1))
    for _ in range(2):
        assert ex.Account({engine.array.name: 7}) in engine.later(30).queue(seen("RUNNING", 1))


def test_a_record_is_heard_where_slurm_says_the_same() -> None:
    """It comes before SLURM's own word of the end."""
    engine = Driver().running(wish(0))
    engine.later(30).queue(seen("RUNNING"), notes=(engine.note(),))
    assert engine.told("done") == [wish(0).name]


@pytest.mark.parametrize("looks", [0, 1, 2])
def test_what_waits_with_an_old_request_is_replaced_by_what_the_configuration_says_now(looks: int) -> None:
    before = Driver()
    before.want(wish(0), wish(1))
    before.tick()
    before.hear(ex.Sent(before.now, before.array.name, 7))
    engine = Driver(replace(SETTINGS, generation=2))
    engine.hear(ex.Recovered(engine.now, tuple(before.state.arrays.values()), tuple(before.state.jobs.values())))
    for _ in range(looks):  # of jobs that luigi did not ask for yet
        engine.later(30).queue(WAITING, seen("RUNNING", 1))
    less = Asked(1000, 300.0)
    engine.want(wish(0, asked=less), wish(1, asked=less))
    for _ in range(2):  # until SLURM says that it is cancelled: the first call may have been lost
        assert recall(0) in engine.later(30).queue(WAITING, seen("RUNNING", 1))
        assert not engine.tick()
    engine.later(30).queue(seen("CANCELLED", node=""), seen("RUNNING", 1))
    engine.later(90).queue(seen("CANCELLED", node=""), seen("RUNNING", 1))
    assert not engine.asked_for(ex.GiveUp)
    [intend, _] = engine.tick()
    assert isinstance(intend, ex.Intend)
    assert intend.array.asked == less
    assert list(intend.array.elements) == [0]
