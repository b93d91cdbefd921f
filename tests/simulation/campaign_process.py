"""The campaign's process in the simulated world: what carries out the decisions of tasks/campaign/core.py."""

from __future__ import annotations

from collections import deque
from datetime import date
from typing import TYPE_CHECKING

from osa_luigi.config import Point
from osa_luigi.night.dates import compact
from osa_luigi.tasks.campaign import core
from osa_luigi.tasks.campaign.folder import Note
from osa_luigi.tasks.campaign.standing import finished
from osa_luigi.tasks.morning.look import Night, State
from tests.simulation.danger import Crash

if TYPE_CHECKING:
    from tests.simulation.campaign import Campaign, Engine

WHEN = "2025-01-01T00:00:00+00:00"


class Process:
    """The campaign's process: carries out what core.py decides, as tasks/campaign/work.py does, in the simulated world."""

    def __init__(self, world: Campaign) -> None:
        nights = world.open()
        self._world, self._nights = world, nights
        self._waiting = nights.campaign.nights()
        self._ended: list[tuple[Engine, int]] = []
        self.state = core.State(nights.campaign.nights_in_flight, nights.campaign.points)

    def turn(self) -> None:
        """What it does between two looks at its processes; `Crash` kills it."""
        self._poll()
        while self._ended:
            engine, code = self._ended.pop(0)
            found = self._night(engine.night, engine.point)
            if found.state is State.TO_DO:
                found = Night(found.date, found.production, State.INCOMPLETE, "its engine ended")
            self.hear(core.Judged(engine.night, found, core.Ended(code, 1.0, "")))
        self.hear(core.Freed())

    def has_ended(self, engine: Engine, code: int) -> None:
        """One of its engines is no more."""
        self._ended.append((engine, code))

    def hear(self, event: core.Event) -> None:
        """Decide, and carry out."""
        self.state, commands = core.decide(self.state, event)
        left = deque(commands)
        while left:
            self._world.danger.step()
            if (answer := self._carry_out(left.popleft())) is not None:
                self.state, commands = core.decide(self.state, answer)
                left.extendleft(reversed(commands))

    def _poll(self) -> None:
        pause = self._nights.folder.paused()
        self.hear(core.Polled(pause is not None, at_once=bool(pause and pause.now)))

    def _carry_out(self, command: core.Command) -> core.Event | None:
        campaign = self._nights.campaign
        match command:
            case core.Take():
                day = next(self._waiting, None)
                return core.Taken(day, day is not None and self._nights.has_raw(day))
            case core.Look(day, index):
                point = campaign.point(index)
                note = self._nights.folder.notes(day).get(point.production)
                return core.Looked(day, self._nights.standing(day, point, note).state, noted=note is not None)
            case core.Examine(day, index):
                return core.Judged(day, self._night(day, campaign.point(index)))
            case core.Start(day, index):
                self._world.start(day, campaign.point(index))
                self._write(day, Note(WHEN, campaign.point(index).production, State.AT_WORK))
            case core.Write(day, index, found, _):
                point = campaign.point(index)
                self._write(day, Note(WHEN, point.production, found.state, found.why, self._nights.settings(point)))
            case core.Interrupt():
                self._world.interrupt()
        return None

    def _night(self, day: date, point: Point) -> Night:
        closed = bool(finished(self._nights.production(day, point)))
        return Night(day, point.production, State.CLOSED if closed else State.TO_DO)

    def _write(self, day: date, note: Note) -> None:
        self._nights.folder.note(day, note)
        try:
            self._world.danger.step()
        except Crash:
            self._world.tear(self._nights.folder.root / "nights" / f"{compact(day)}.jsonl")
            raise
