"""When a stage is given up, and when it is not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from slurm_work import ASKED, SETTINGS, Driver, recall, seen, wish

from osa_luigi.batch.slurm import exchange as ex
from osa_luigi.batch.slurm import model as m
from osa_luigi.batch.slurm.policies import Failure, Policies
from osa_luigi.batch.slurm.states import Cause

FEW = replace(SETTINGS, policies=Policies(give_up_after=3))


def failing(count: int) -> Driver:
    engine = Driver(FEW).running(*(wish(number) for number in range(6)))
    sightings = [seen("FAILED" if number < count else "PENDING", number) for number in range(6)]
    engine.queue(*sightings, notes=tuple(engine.note(number, Cause.TOOL) for number in range(count)))
    return engine


def test_after_equal_failures_the_rest_is_cancelled_and_said() -> None:
    engine = failing(3)
    assert recall(3, 4, 5) in engine.commands
    assert "given up" in engine.asked_for(ex.Say)[0].text
    engine.want(wish(9, run=2002))
    assert not engine.tick()
    assert "dl1.2002.9" in engine.told("given up")


def test_before_that_it_goes_on() -> None:
    engine = failing(2)
    assert not engine.asked_for(ex.Recall)


def test_different_failures_are_different() -> None:
    same = Failure(Cause.TOOL, "r0_to_dl1.Run02001.0003: no flat-field events. Read /a/b.log")
    other = Failure(Cause.TOOL, "r0_to_dl1.Run02001.0004: no flat-field events. Read /a/c.log")
    assert same.signature == other.signature
    assert same.signature != Failure(Cause.TOOL, "r0_to_dl1.Run02001.0004: bad magic number").signature


def test_a_success_between_starts_the_count_again() -> None:
    engine = failing(2)
    engine.queue(seen("COMPLETED", 5), notes=(engine.note(5),))
    assert not engine.state.stages["r0_to_dl1"].counts


@pytest.mark.parametrize(("cause", "more"), [(Cause.MEMORY, 3000), (Cause.LAUNCH, 2000), (Cause.KILLED, 2000)])
def test_what_is_tried_again_counts_for_nothing(cause: Cause, more: int) -> None:
    """A quarter of a run is short of memory, or a node has lost its file system: that is no reason to give up the others."""
    engine = Driver(FEW).running(*(wish(number) for number in range(40)))
    notes = tuple(engine.note(number, cause) for number in range(20))
    engine.queue(*(seen("FAILED" if number < 20 else "PENDING", number) for number in range(40)), notes=notes)
    assert not engine.asked_for(ex.GiveUp)
    assert not engine.asked_for(ex.Recall)
    engine.later(60).tick()
    tried = engine.asked_for(ex.Intend)[0].array
    assert (len(tried.elements), tried.asked) == (20, replace(ASKED, memory_mb=more))


def test_those_that_have_no_try_left_count() -> None:
    policies = Policies(give_up_after=3, retries={Cause.MEMORY: 0})
    engine = Driver(replace(SETTINGS, policies=policies)).running(*(wish(number) for number in range(4)))
    notes = tuple(engine.note(number, Cause.MEMORY) for number in range(3))
    engine.queue(*(seen("FAILED", number) for number in range(3)), seen("PENDING", 3), notes=notes)
    assert recall(3) in engine.commands


def test_a_success_of_the_same_look_stands_between() -> None:
    """An engine that was away for the night reads all records at once: which came first is not known."""
    engine = Driver(FEW).running(*(wish(number) for number in range(6)))
    notes = (engine.note(5), *(engine.note(number, Cause.TOOL) for number in range(4)))
    engine.queue(
        *(seen("FAILED", number) for number in range(4)), seen("PENDING", 4), seen("COMPLETED", 5), notes=notes
    )
    assert len(engine.told("given up")) == 4
    assert not engine.asked_for(ex.Recall)


@pytest.mark.parametrize("left", [(), (seen("CANCELLED", 4, node=""), seen("CANCELLED", 5, node="node1"))])
def test_what_waited_says_why_it_was_cancelled(left: tuple[object, ...]) -> None:
    """Of elements that were cancelled while they waited SLURM keeps nothing."""
    engine = failing(3)
    name = engine.array.name
    for _ in range(2):  # what a node had begun is looked at after a while
        engine.later(70).queue(*(seen("FAILED", number) for number in range(3)), *left, array=name)  # type: ignore[arg-type]
        for check in engine.asked_for(ex.Check):
            engine.hear(ex.Checked(engine.now, dict.fromkeys(check.jobs, False)))
    engine.tick()
    assert not engine.state.arrays
    assert all(engine.job(number).phase is m.Phase.GIVEN_UP for number in range(6))
    assert all("not tried: r0_to_dl1 failed 3 times" in engine.job(number).text for number in (3, 4, 5))


def test_what_waits_is_cancelled_until_it_is_gone() -> None:
    engine = failing(3)
    failed = [seen("FAILED", number) for number in range(3)]
    for _ in range(2):
        assert recall(3, 4, 5) in engine.later(30).queue(*failed, *(seen("PENDING", number) for number in (3, 4, 5)))


def test_what_slurm_never_had_is_not_submitted_under_another_name() -> None:
    engine = Driver(FEW).running(*(wish(number) for number in range(3)))
    first = engine.array.name
    engine.want(wish(9, run=2002))
    engine.tick()
    [lost] = engine.state.arrays.keys() - {first}
    engine.hear(ex.Unanswered(engine.now, lost, "sbatch timed out."))
    notes = tuple(ex.Note(first, n, wish(n).name, Failure(Cause.TOOL, "it failed.")) for n in range(3))
    engine.queue(*(seen("FAILED", number) for number in range(3)), array=first, notes=notes)
    for _ in range(3):
        engine.later(30).hear(ex.Looked(engine.now, lost, ()))
    engine.tick()
    assert len(engine.asked_for(ex.Submit)) == 1, "and no more"
    assert wish(9, run=2002).name in engine.told("given up")


def test_a_success_heard_while_slurm_was_away_stands_between() -> None:
    """Records are read meanwhile; failures are judged by SLURM's word, all at once when it is back."""
    engine = Driver(FEW).running(*(wish(number) for number in range(6)))
    engine.later(30).silence(*(engine.note(number, Cause.TOOL) for number in range(4)))
    engine.later(30).silence(engine.note(5))
    ended = [seen("FAILED", number) for number in range(4)]
    engine.later(600).queue(*ended, seen("PENDING", 4), seen("COMPLETED", 5))
    assert len(engine.told("given up")) == 4
    assert not engine.asked_for(ex.Recall)


def test_a_success_before_the_failures_does_not() -> None:
    engine = Driver(FEW).running(*(wish(number) for number in range(6)))
    engine.later(30).queue(
        *(seen("RUNNING", number) for number in range(5)), seen("COMPLETED", 5), notes=(engine.note(5),)
    )
    ended = [seen("FAILED", number) for number in range(3)]
    notes = tuple(engine.note(number, Cause.TOOL) for number in range(3))
    engine.later(30).queue(*ended, seen("PENDING", 3), seen("PENDING", 4), seen("COMPLETED", 5), notes=notes)
    assert recall(3, 4) in engine.commands


def test_of_one_look_at_the_products_a_success_counts_as_the_last() -> None:
    """As of elements that left no record, which only the receipts tell."""
    policies = Policies(give_up_after=3, retries={Cause.KILLED: 0})
    engine = Driver(replace(SETTINGS, policies=policies)).running(*(wish(number) for number in range(6)))
    ended = [seen("FAILED", number) for number in range(5)]
    for _ in range(2):
        engine.later(SETTINGS.grace_s).queue(*ended, seen("PENDING", 5))
    engine.hear(ex.Checked(engine.now, {wish(number).name: number == 4 for number in range(5)}))
    assert len(engine.told("given up")) == 4
    assert not engine.asked_for(ex.Recall)
