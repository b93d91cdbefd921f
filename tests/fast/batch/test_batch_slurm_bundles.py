"""Several subruns in an element: its end is that of the one it was at."""

from __future__ import annotations

from dataclasses import replace

import pytest
from slurm_work import ASKED, SETTINGS, Driver, seen, wish

from osa_luigi.batch.slurm import exchange as ex
from osa_luigi.batch.slurm.policies import Policies
from osa_luigi.batch.slurm.states import Cause

TOGETHER = replace(SETTINGS, subruns_per_job=4)
WISHES = [wish(number) for number in range(4)]


def ended(state: str, *notes: ex.Note, made: tuple[int, ...] = (), engine: Driver | None = None) -> Driver:
    """An element of four subruns is over, and of those of which it left no record some are made."""
    engine = engine or Driver(TOGETHER).running(*WISHES)
    signal = 9 if state == "FAILED" else 0
    engine.later(30).queue(seen(state, signal=signal), notes=notes)
    engine.later(SETTINGS.grace_s).queue(seen(state, signal=signal))
    [asked] = engine.asked_for(ex.Check)
    engine.hear(ex.Checked(engine.now, {name: name in {wish(number).name for number in made} for name in asked.jobs}))
    return engine


def failures(engine: Driver) -> list[list[Cause]]:
    return [[failure.cause for failure in engine.job(number).failures] for number in range(4)]


@pytest.mark.parametrize(
    ("state", "cause"), [("OUT_OF_MEMORY", Cause.MEMORY), ("FAILED", Cause.KILLED), ("TIMEOUT", Cause.TIME)]
)
def test_the_first_that_is_not_made_is_charged(state: str, cause: Cause) -> None:
    engine = ended(state, made=(0,))
    assert failures(engine) == [[], [cause], [], []]
    assert engine.told("done") == [wish(0).name]
    engine.tick()
    [of_two] = [one.array for one in engine.asked_for(ex.Intend) if one.array.asked == ASKED]
    assert [element.jobs for element in of_two.elements.values()] == [(wish(2).name, wish(3).name)]


def test_so_is_the_first_behind_one_that_says_that_it_failed() -> None:
    engine = Driver(TOGETHER).running(*WISHES)
    note = replace(engine.note(0, Cause.TOOL), index=0)
    engine = ended("OUT_OF_MEMORY", note, engine=engine)
    assert failures(engine) == [[Cause.TOOL], [Cause.MEMORY], [], []]


def test_behind_one_whose_time_was_over_nothing_had_begun() -> None:
    engine = Driver(TOGETHER).running(*WISHES)
    note = replace(engine.note(1, Cause.TIME), index=0)
    done = replace(engine.note(0), index=0)
    engine = ended("FAILED", done, note, ex.Note(engine.array.name, 0), engine=engine)
    assert failures(engine) == [[], [Cause.TIME], [], []]


def test_nobody_is_charged_before_those_in_front_of_it_are_known() -> None:
    """The receipts of the first could not be read."""
    engine = Driver(TOGETHER).running(*WISHES)
    for _ in range(2):
        engine.later(SETTINGS.grace_s).queue(seen("OUT_OF_MEMORY"))
    engine.hear(ex.Unchecked(engine.now, (wish(0).name,)))
    engine.hear(ex.Checked(engine.now, {wish(number).name: False for number in (1, 2, 3)}))
    assert failures(engine) == [[], [], [], []]
    engine.later(30).queue(seen("OUT_OF_MEMORY"))
    assert engine.asked_for(ex.Check)[-1] == ex.Check(tuple(one.name for one in WISHES))
    engine.hear(ex.Checked(engine.now, {one.name: one == WISHES[0] for one in WISHES}))
    assert failures(engine) == [[], [Cause.MEMORY], [], []]


def test_what_somebody_cancels_is_cancelled_whatever_was_said_before() -> None:
    """The runner's own limit ended the first one, and the element went on."""
    engine = Driver(TOGETHER).running(*WISHES)
    engine = ended("CANCELLED", replace(engine.note(0, Cause.TIME), index=0), engine=engine)
    assert failures(engine) == [[Cause.TIME], *[[Cause.CANCELLED]] * 3]


def test_what_was_said_of_an_earlier_copy_excuses_nobody_once_it_is_made() -> None:
    engine = Driver(TOGETHER).running(*WISHES)
    engine.later(30).queue(seen("RUNNING"), notes=(replace(engine.note(0, Cause.KILLED), index=0),))
    engine = ended("OUT_OF_MEMORY", replace(engine.note(0), index=0), engine=engine)
    assert failures(engine) == [[], [Cause.MEMORY], [], []]


@pytest.mark.parametrize("state", ["NODE_FAIL", "CANCELLED"])
def test_what_lies_with_none_of_them_is_everybodys(state: str) -> None:
    engine = ended(state) if state != "NODE_FAIL" else _node_failed()
    assert len({tuple(causes) for causes in failures(engine)}) == 1
    assert failures(engine)[0]


def _node_failed() -> Driver:
    engine = Driver(TOGETHER).running(*WISHES)
    for _ in range(2):
        engine.later(SETTINGS.lookup_s).queue(seen("NODE_FAIL"))
    return ended("NODE_FAIL", engine=engine)


def test_one_that_always_dies_takes_no_other_with_it() -> None:
    """The others are made; it alone is given up, and its stage is not."""
    policies = Policies(give_up_after=2, memory_cap_mb=ASKED.memory_mb)
    engine = ended("OUT_OF_MEMORY", engine=Driver(replace(TOGETHER, policies=policies)).running(*WISHES))
    assert engine.told("given up") == [wish(0).name]
    assert not [command for command in engine.asked_for(ex.Say) if "given up" in command.text]
    [intend, _] = engine.tick()
    assert isinstance(intend, ex.Intend)
    assert intend.array.elements[1].jobs == tuple(one.name for one in WISHES[1:])
