"""What a new engine of the night makes of what an earlier one left."""

from __future__ import annotations

from dataclasses import replace

from slurm_work import SETTINGS, Driver, seen, wish

from osa_luigi.batch.slurm import exchange as ex
from osa_luigi.batch.slurm import model as m
from osa_luigi.batch.slurm.states import Cause


def test_an_array_with_an_id_is_adopted() -> None:
    before = Driver().running(wish(0), wish(1))
    after = Driver(replace(SETTINGS, generation=2))
    after.hear(ex.Recovered(after.now, tuple(before.state.arrays.values()), tuple(before.state.jobs.values())))
    assert not after.want(wish(0), wish(1))
    assert not after.tick()
    after.later(30).queue(seen("COMPLETED"), seen("RUNNING", 1), notes=(after.note(),))
    assert after.told("done") == ["dl1.2001.0"]


def test_an_array_without_an_id_is_looked_up() -> None:
    before = Driver()
    before.want(wish(0))
    before.tick()
    after = Driver(replace(SETTINGS, generation=2))
    after.hear(ex.Recovered(after.now, tuple(before.state.arrays.values()), tuple(before.state.jobs.values())))
    assert after.tick() == [ex.Look(after.array.name)]


def test_a_done_job_that_is_asked_for_again_is_looked_at() -> None:
    engine = Driver().running(wish(0))
    engine.queue(seen("COMPLETED"), notes=(engine.note(),))
    assert engine.want(wish(0)) == [ex.Check(("dl1.2001.0",))]
    engine.hear(ex.Checked(engine.now, {"dl1.2001.0": False}))
    assert engine.tick()


def adopted(before: Driver) -> Driver:
    """A new engine with what the journal of another one says: arrays and jobs as they were handed in."""
    fresh = {
        name: replace(array, elements={i: m.Element(one.jobs, one.jobs) for i, one in array.elements.items()})
        for name, array in before.state.arrays.items()
    }
    jobs = [
        m.JobState(
            before.state.jobs[name].wish, m.Phase.PLACED, array.asked, array=array.name, index=index, wanted=False
        )
        for array in fresh.values()
        for index, element in array.elements.items()
        for name in element.jobs
    ]
    after = Driver(replace(SETTINGS, generation=2))
    after.hear(ex.Recovered(after.now, tuple(fresh.values()), tuple(jobs)))
    return after


def test_a_failure_of_which_the_job_was_made_since_is_no_failure() -> None:
    """Its second array is closed, and the first is not: the record of the first attempt is read once more."""
    before = Driver().running(wish(0), wish(1))
    failed = before.note(cause=Cause.TOOL)
    after = adopted(before)
    after.want(wish(0), wish(1))
    after.later(30).queue(seen("FAILED"), seen("PENDING", 1), notes=(failed,))
    assert after.asked_for(ex.Check) == [ex.Check((wish(0).name,))]
    assert not after.asked_for(ex.GiveUp)
    after.hear(ex.Checked(after.now, {wish(0).name: True}))
    assert after.told("done") == [wish(0).name]
    assert not after.later(90).tick()


def test_a_failure_of_an_adopted_array_is_one_where_nothing_was_made() -> None:
    before = Driver().running(wish(0), wish(1))
    failed = before.note(cause=Cause.TOOL)
    after = adopted(before)
    after.want(wish(0), wish(1))
    after.later(30).queue(seen("FAILED"), seen("RUNNING", 1), notes=(failed,))
    after.hear(ex.Checked(after.now, {wish(0).name: False}))
    assert after.told("given up") == [wish(0).name]
    assert after.job().failures == (failed.failure,)


def test_what_luigi_does_not_want_any_more_is_not_tried_again() -> None:
    """The subrun was left out since: how it would be made nobody has said."""
    after = adopted(Driver().running(wish(0), wish(1)))
    after.want(wish(1))
    after.later(30).queue(seen("FAILED"), seen("RUNNING", 1), notes=(after.note(cause=Cause.MEMORY),))
    after.hear(ex.Checked(after.now, {wish(0).name: False}))
    assert not after.later(60).tick()
    assert after.want(wish(0)) == []
    [intend, _] = after.tick()
    assert isinstance(intend, ex.Intend)
    assert intend.array.asked.memory_mb == 3000


def test_what_a_night_without_an_engine_has_left_gives_no_stage_up() -> None:
    """A thousand subruns are made, and some failed alike: of these, the receipts are asked for first."""
    before = Driver().running(*(wish(number) for number in range(40)))
    failed = tuple(before.note(number, Cause.TOOL) for number in range(25))
    done = tuple(before.note(number) for number in range(25, 39))
    after = adopted(before)
    after.want(*(wish(number) for number in range(40)))
    ended = [seen("FAILED" if number < 25 else "COMPLETED", number) for number in range(39)]
    after.later(30).queue(*ended, seen("PENDING", 39), notes=failed + done)
    after.hear(ex.Checked(after.now, {wish(number).name: False for number in range(25)}))
    assert len(after.told("given up")) == 25
    assert not after.asked_for(ex.Recall)


def test_what_was_taken_back_and_is_gone_was_no_attempt() -> None:
    """SLURM keeps nothing of an element that was cancelled while it waited, and the engine that cancelled it was killed."""
    before = Driver()
    before.want(wish(0))
    before.tick()
    before.hear(ex.Sent(before.now, before.array.name, 7))
    after = adopted(before)
    array = after.array
    taken_back = replace(array.elements[0], recalled_at=0.0)
    after = Driver(after.settings)
    jobs = tuple(before.state.jobs.values())
    after.hear(ex.Recovered(after.now, (replace(array, elements={0: taken_back}),), jobs))
    after.want(wish(0))
    for _ in range(4):
        after.later(SETTINGS.grace_s).queue()
        after.hear(ex.Accounted(after.now, {}))
    after.hear(ex.Checked(after.now, {wish(0).name: False}))
    assert after.tick()
    assert not after.job().failures


def test_what_the_accounting_takes_for_running_counts_as_lost_much_later() -> None:
    """One of them is wrong: an answer of the queue, or an accounting that never heard of the end."""
    engine = Driver().running(wish(0))
    running = {engine.array.name: {0: seen("RUNNING")}}
    for _ in range(9):
        engine.later(SETTINGS.grace_s).queue()
        engine.hear(ex.Accounted(engine.now, running))
    assert not engine.asked_for(ex.Check)
    for _ in range(3):
        engine.later(SETTINGS.grace_s).queue()
        engine.hear(ex.Accounted(engine.now, running))
    assert engine.asked_for(ex.Check) == [ex.Check((wish(0).name,))]
