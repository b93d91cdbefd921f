"""Some small simulated campaigns; ``python -m tests.drills.campaign_simulation`` plays them with hundreds of nights."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osa_luigi.tasks.campaign import core
from osa_luigi.tasks.morning.look import Night, State
from tests.simulation.campaign import Campaign, Result
from tests.simulation.campaign_process import Process

DAY = date(2024, 11, 15)


def played(folder: Path, seed: int) -> Result:
    folder.mkdir()
    return Campaign(folder, 3, 20, seed, points=2).play()


@pytest.mark.parametrize("seed", [1, 5])
def test_every_product_is_made_once_however_often_its_processes_are_killed(tmp_path: Path, seed: int) -> None:
    result = played(tmp_path / "a", seed)
    assert result.trouble == []
    assert result.closed == 6
    assert result.products == 6 * (20 + 5 + 1)
    assert sum(result.hurt.values()) > 3


def test_a_campaign_that_forgets_what_is_closed_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def to_do(process: Process, day: date, point: object) -> Night:
        return Night(day, "fake", State.TO_DO)

    monkeypatch.setattr(Process, "_night", to_do)
    monkeypatch.setattr("tests.simulation.campaign.TURNS_PER_NIGHT", 16)
    assert any("closed already, and started again" in said for said in played(tmp_path / "a", 1).trouble)


class Played:
    """A run of a campaign of few nights, whose world is what a list of numbers says."""

    def __init__(self, nights: int, points: int, places: int) -> None:
        self.waiting = [DAY + timedelta(days=number) for number in range(nights)]
        self.state = core.State(places, points)
        self.running: set[tuple[date, int]] = set()
        self.started: list[tuple[date, int]] = []

    def hear(self, event: core.Event, number: int) -> None:
        self.state, commands = core.decide(self.state, event)
        for command in commands:
            match command:
                case core.Take():
                    day = self.waiting.pop(0) if self.waiting else None
                    self.hear(core.Taken(day, has_raw=number % 5 != 0), number // 2)
                case core.Look(day, _):
                    self.hear(core.Looked(day, State.CLOSED if number % 7 == 0 else State.TO_DO, noted=True), number)
                case core.Examine(day, point):
                    state = State.BLOCKED if number % 3 == 0 else State.TO_DO
                    self.hear(core.Judged(day, Night(day, f"p{point}", state)), number // 3)
                case core.Start(day, point):
                    self.started.append((day, point))
                    self.running.add((day, point))
                case _:
                    pass

    def one_ends(self, number: int) -> None:
        day, point = sorted(self.running)[number % len(self.running)]
        self.running.remove((day, point))
        self.hear(core.Judged(day, Night(day, f"p{point}", State.CLOSED), core.Ended(0, 1.0, "")), number)


@given(
    st.integers(1, 5),
    st.integers(1, 3),
    st.integers(1, 3),
    st.lists(st.tuples(st.sampled_from(["end", "end", "pause", "resume"]), st.integers(0, 1000)), max_size=20),
)
def test_all_productions_are_dealt_with_once_whenever_it_is_paused(
    nights: int, points: int, places: int, events: list[tuple[str, int]]
) -> None:
    world = Played(nights, points, places)
    for what, number in [*events, ("resume", 1), *[("end", 1)] * (nights * points)]:
        if what == "end" and world.running:
            world.one_ends(number)
        elif what != "end":
            world.hear(core.Polled(paused=what == "pause"), number)
            before = len(world.started)
            world.hear(core.Freed(), number)
            assert what == "resume" or len(world.started) == before
        world.hear(core.Freed(), number)
        assert len({day for day, _ in world.running}) == len(world.running) <= places
        assert len(world.state.nights) <= places
    assert world.state.over
    assert len(world.started) == len(set(world.started))
    assert sum(world.state.counts.values()) == nights * points


def test_a_stop_interrupts_once_and_starts_no_more() -> None:
    world = Played(3, 2, 2)
    world.hear(core.Freed(), 2)
    assert len(world.running) == 2
    state, commands = core.decide(world.state, core.Stopped())
    assert commands == (core.Interrupt(),)
    assert core.decide(state, core.Polled(paused=True, at_once=True))[1] == ()
    world.state = state
    while world.running:
        assert not world.state.over
        world.one_ends(0)
    assert world.state.over
    assert len(world.started) == 2
