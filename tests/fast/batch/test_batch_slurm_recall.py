"""Elements that the engine takes back: outdated, or not wanted any more."""

from __future__ import annotations

from dataclasses import replace

import pytest
from slurm_work import ASKED, SETTINGS, Driver, recall, seen, wish

from osa_luigi.batch.slurm import exchange as ex
from osa_luigi.batch.slurm import model as m
from osa_luigi.batch.slurm.journal import Journal
from osa_luigi.batch.slurm.policies import Asked
from osa_luigi.batch.slurm.seen import Sighting
from osa_luigi.batch.slurm.states import Cause
from tests.simulation.danger import Disk

LESS = Asked(1000, 300.0)


def recalling() -> Driver:
    """Two subruns, of which one waits with an old request, and is being cancelled."""
    engine = Driver()
    engine.want(wish(0), wish(1))
    engine.tick()
    engine.hear(ex.Sent(engine.now, engine.array.name, 7))
    engine.later(30).queue(seen("PENDING"), seen("RUNNING", 1))
    engine.want(wish(0, asked=LESS), wish(1, asked=LESS))
    assert recall(0) in engine.later(30).queue(seen("PENDING"), seen("RUNNING", 1))
    return engine


def again(engine: Driver) -> m.ArrayState:
    [intend, _] = engine.later(1).tick()
    assert isinstance(intend, ex.Intend)
    return intend.array


def test_of_what_waited_slurm_keeps_nothing() -> None:
    engine = recalling()
    engine.later(30).queue(seen("RUNNING", 1))
    new = again(engine)
    assert (list(new.elements), new.asked) == ([0], LESS)
    assert not engine.job().failures


def test_nothing_is_concluded_from_a_look_before_it() -> None:
    engine = recalling()
    engine.hear(ex.Polled(engine.now + 1, (), engine.now - 10, {engine.array.name: {1: seen("RUNNING", 1)}}))
    assert not engine.later(1).tick()


def test_what_slurm_had_just_started_is_submitted_again_unless_it_was_made() -> None:
    for made in (False, True):
        engine = recalling()
        ended = (seen("CANCELLED", node="node1"), seen("RUNNING", 1))
        engine.later(30).queue(*ended)
        engine.later(90).queue(*ended)
        assert engine.asked_for(ex.Check) == [ex.Check((wish(0).name,))]
        engine.hear(ex.Checked(engine.now, {wish(0).name: made}))
        assert not engine.asked_for(ex.GiveUp)
        if made:
            assert engine.told("done") == [wish(0).name]
        else:
            assert again(engine).asked == LESS


def test_where_the_call_was_lost_it_runs_as_it_was() -> None:
    engine = recalling()
    engine.later(30).queue(seen("RUNNING"), seen("RUNNING", 1))
    engine.later(30).queue(seen("COMPLETED"), seen("RUNNING", 1), notes=(engine.note(),))
    assert engine.told("done") == [wish(0).name]


@pytest.mark.parametrize(("cause", "asked"), [(Cause.NODE, LESS), (Cause.MEMORY, replace(ASKED, memory_mb=3000))])
def test_what_is_tried_again_asks_by_the_configuration_of_today_unless_it_needed_more(
    cause: Cause, asked: Asked
) -> None:
    engine = Driver().running(wish(0))
    engine.want(wish(0, asked=LESS))
    engine.later(10).queue(seen("FAILED"), notes=(engine.note(cause=cause),))
    assert engine.job().asked == asked


def test_what_needed_more_gets_no_less_than_is_configured_since() -> None:
    engine = Driver().running(wish(0))
    engine.want(wish(0, asked=replace(ASKED, memory_mb=8000)))
    engine.later(10).queue(seen("FAILED"), notes=(engine.note(cause=Cause.MEMORY),))
    assert engine.job().asked.memory_mb == 8000


def shared(*states: Sighting) -> Driver:
    """Two subruns in one element."""
    engine = Driver(replace(SETTINGS, subruns_per_job=2))
    engine.want(wish(0), wish(1))
    engine.tick()
    engine.hear(ex.Sent(engine.now, engine.array.name, 7))
    engine.later(30).queue(*states)
    engine.commands.clear()
    return engine


def test_an_element_ends_with_the_last_of_its_jobs_that_is_wanted() -> None:
    engine = shared(seen("RUNNING"))
    assert not engine.want(wish(0, key="other"))
    assert recall(0) in engine.want(wish(1, key="other"))


def test_it_is_cancelled_until_it_is_gone() -> None:
    engine = shared(seen("RUNNING"))
    engine.want(wish(0, key="other"), wish(1, key="other"))
    for _ in range(2):
        assert recall(0) in engine.later(20).queue(seen("RUNNING"))
        assert not engine.tick(), "what it makes must not be committed after what is wanted now was begun"
    engine.later(SETTINGS.grace_s).queue(seen("CANCELLED", node="node1"))
    assert ex.Close in map(type, engine.commands)
    assert engine.tick()
    assert not engine.asked_for(ex.GiveUp)


def test_so_is_one_of_which_nobody_knew_whether_slurm_has_it() -> None:
    engine = Driver()
    engine.want(wish(0))
    engine.tick()
    name = engine.array.name
    engine.hear(ex.Unanswered(engine.now, name, "sbatch timed out."))
    assert not [command for command in engine.want(wish(0, key="other")) if isinstance(command, ex.Recall)]
    engine.hear(ex.Looked(engine.now, name, (9,)))
    assert recall(0, job=9) in engine.later(20).queue(seen("RUNNING", job=9))


def test_the_record_of_what_is_not_wanted_any_more_makes_nothing_done() -> None:
    """It ended just before it was cancelled: its products are those of the old key, which only a look at the receipts tells."""
    engine = Driver().running(wish(0))
    old = engine.note()
    engine.want(wish(0, key="other"))
    engine.later(20).queue(seen("COMPLETED"), notes=(old,))
    assert engine.asked_for(ex.Check) == [ex.Check((wish(0).name,))]
    engine.hear(ex.Checked(engine.now, {wish(0).name: False}))
    assert not engine.told("done")
    assert engine.later(SETTINGS.grace_s).tick()


def test_all_jobs_of_an_element_that_was_taken_back_are_tried_again() -> None:
    engine = shared(seen("PENDING"))
    engine.want(wish(0, asked=LESS), wish(1, asked=LESS))
    assert recall(0) in engine.later(30).queue(seen("PENDING"))
    for _ in range(2):
        engine.later(70).queue(seen("CANCELLED", node="node1"))
    engine.hear(ex.Checked(engine.now, {wish(0).name: False, wish(1).name: False}))
    assert not engine.asked_for(ex.GiveUp)
    assert again(engine).elements[0].jobs == (wish(0).name, wish(1).name)


def test_an_element_that_says_that_it_was_killed_was_taken_back() -> None:
    engine = recalling()
    ended = (seen("CANCELLED", node="node1"), seen("RUNNING", 1))
    engine.later(30).queue(*ended, notes=(engine.note(cause=Cause.KILLED),))
    assert not engine.asked_for(ex.GiveUp)
    assert again(engine).asked == LESS


def test_the_next_engine_knows_what_was_taken_back(no_chance: Disk) -> None:
    """It is written down before scancel: SLURM says only that it was cancelled."""
    engine = Driver()
    engine.want(wish(0), wish(1))
    [intend, _] = engine.tick()
    assert isinstance(intend, ex.Intend)
    journal = Journal(no_chance)
    journal.intend(intend.array, 1, engine.state.jobs)
    journal.remember(intend.array.name, 7)
    journal.recall(intend.array.name, (0,))
    journal.recall(intend.array.name, (0,))
    arrays, jobs = journal.open_arrays()
    after = Driver(replace(SETTINGS, generation=2))
    after.hear(ex.Recovered(after.now, tuple(arrays), tuple(jobs)))
    after.want(wish(0, asked=LESS), wish(1))
    for _ in range(2):
        after.later(70).queue(seen("CANCELLED", node="node1"), seen("CANCELLED", 1, node="node1"))
    after.hear(ex.Checked(after.now, {wish(0).name: False, wish(1).name: False}))
    assert after.told("given up") == [wish(1).name], "a person did that"
    assert again(after).asked == LESS


def test_what_ran_all_the_same_and_is_gone_is_looked_for() -> None:
    """The call was lost, and SLURM did not answer for longer than it remembers."""
    engine = recalling()
    engine.later(30).queue(seen("RUNNING"), seen("RUNNING", 1))
    name = engine.array.name
    assert ex.Account({name: 7}) in engine.later(3600).queue(seen("RUNNING", 1))
    assert not engine.later(1).tick()


def test_a_grown_job_whose_product_was_lost_asks_for_as_much_again() -> None:
    engine = Driver().running(wish(0))
    engine.later(10).queue(seen("FAILED"), notes=(engine.note(cause=Cause.MEMORY),))
    engine.tick()
    engine.hear(ex.Sent(engine.now, engine.array.name, 8))
    engine.later(30).queue(seen("COMPLETED", job=8), notes=(engine.note(),))
    engine.want(wish(0))
    engine.hear(ex.Checked(engine.now, {wish(0).name: False}))
    array = again(engine)
    assert array.asked.memory_mb == 3000
    engine.hear(ex.Sent(engine.now, array.name, 9))
    assert not engine.later(30).queue(seen("PENDING", job=9))[1:], "and is not taken back for that"
