"""Elements that the engine takes back: outdated, or not wanted any more."""

from __future__ import annotations

from dataclasses import replace

import pytest
from slurm_work import ASKED, SETTINGS, Driver, seen, wish

from osa_luigi.batch.slurm import exchange as ex
from osa_luigi.batch.slurm import model as m
from osa_luigi.batch.slurm.policies import Asked
from osa_luigi.batch.slurm.seen import Sighting
from osa_luigi.batch.slurm.states import Cause

LESS = Asked(1000, 300.0)


def recalling() -> Driver:
    """Two subruns, of which one waits with an old request, and is being cancelled."""
    engine = Driver()
    engine.want(wish(0), wish(1))
    engine.tick()
    engine.hear(ex.Sent(engine.now, engine.array.name, 7))
    engine.later(30).queue(seen("PENDING"), seen("RUNNING", 1))
    engine.want(wish(0, asked=LESS), wish(1, asked=LESS))
    assert ex.Cancel(7, (0,)) in engine.later(30).queue(seen("PENDING"), seen("RUNNING", 1))
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
    assert ex.Cancel(7, (0,)) in engine.want(wish(1, key="other"))


def test_it_is_cancelled_until_it_is_gone() -> None:
    engine = shared(seen("RUNNING"))
    engine.want(wish(0, key="other"), wish(1, key="other"))
    for _ in range(2):
        assert ex.Cancel(7, (0,)) in engine.later(20).queue(seen("RUNNING"))
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
    assert not [command for command in engine.want(wish(0, key="other")) if isinstance(command, ex.Cancel)]
    engine.hear(ex.Looked(engine.now, name, (9,)))
    assert ex.Cancel(9, (0,)) in engine.later(20).queue(seen("RUNNING", job=9))
