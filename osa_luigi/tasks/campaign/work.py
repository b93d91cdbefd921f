"""Runs a campaign: luigi's own command for each production of each night that is not closed, a few nights at a time.

The productions of a night come one after the other, so that each links what the one before it made. What follows from what is decided in
core.py; here it is carried out. What is remembered lies in files, and nights are looked at one by one: the memory of this process does
not grow with the campaign.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial

from osa_luigi.config import Point
from osa_luigi.errors import ConfigurationError, OsaError
from osa_luigi.tasks import processes
from osa_luigi.tasks.apart import in_child
from osa_luigi.tasks.campaign import core
from osa_luigi.tasks.campaign.folder import Note
from osa_luigi.tasks.campaign.standing import Nights, Standing, finished
from osa_luigi.tasks.morning.engines import Ended, night_command, outcome
from osa_luigi.tasks.morning.look import Asked, Night, State, hindered, judged, now_utc
from osa_luigi.tasks.processes import Command, Processes

LOOK_S = 2.0
"""How often it is looked whether the campaign was paused."""


@dataclass(frozen=True, slots=True)
class Item:
    """A production of a night that is run."""

    date: date
    point: Point
    asked: Asked
    night: Night
    began: datetime


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a campaign has come: how many productions were looked at, of how many, and how those stand."""

    looked_at: int
    of: int
    states: Counter[State]

    def __str__(self) -> str:
        states = ", ".join(f"{count} {state}" for state, count in sorted(self.states.items()))
        return f"{self.looked_at} of {self.of}: {states or 'nothing yet'}"


class Work:
    """One run of a campaign, to its end or until it is stopped.

    Parameters
    ----------
    options
        Further options for luigi's command.
    thorough
        Also look closely at what was closed before: whether all its products are still there.
    started, ended
        Told of each engine.
    """

    def __init__(
        self,
        nights: Nights,
        options: Iterable[str] = (),
        *,
        thorough: bool = False,
        started: Callable[[Standing], None] = lambda standing: None,
        ended: Callable[[Standing, Progress], None] = lambda standing, progress: None,
    ) -> None:
        self._nights, self._options, self._thorough = nights, tuple(options), thorough
        self._tell_start, self._tell_end = started, ended
        campaign = nights.campaign
        self._total = campaign.points * sum(1 for _ in campaign.nights())
        self._waiting = campaign.nights()
        self._state = core.State(campaign.nights_in_flight, campaign.points, thorough)
        self._notes: dict[date, Mapping[str, Note]] = {}
        self._looked = -LOOK_S
        self._processes: Processes[Item] = Processes()

    def run(self) -> Progress:
        """Run what is not closed.

        Raises
        ------
        ExecutorError
            Another process runs the campaign, or a file of it cannot be written.
        """
        folder = self._nights.folder
        folder.take_lease()
        try:
            with self._processes:
                self._poll()
                self._hear(core.Freed())
                while not self._state.over:
                    time.sleep(processes.POLL_S)
                    if time.monotonic() - self._looked >= LOOK_S or self.stopped:
                        self._poll()
                    for item, command, code in self._processes.ended():
                        self._poll()
                        self._ended(item, command, code)
                    self._hear(core.Freed())
        finally:
            folder.release_lease()
        return self.progress

    def stop(self, *_: object) -> None:
        """Start no more, and end what runs as Ctrl-C would; a handler of signals."""
        self._processes.stop()

    @property
    def stopped(self) -> bool:
        """Whether somebody asked for the end."""
        return self._processes.stopped

    @property
    def paused(self) -> bool:
        """Whether it ended because it was paused."""
        return self._state.paused

    @property
    def progress(self) -> Progress:
        """How far it has come."""
        counts = Counter(self._state.counts)
        return Progress(counts.total(), self._total, counts)

    def _hear(self, event: core.Event) -> None:
        """Decide, and carry out; what an answer asks for comes before the next command."""
        self._state, commands = core.decide(self._state, event)
        left = deque(commands)
        while left:
            if (answer := self._carry_out(left.popleft())) is not None:
                self._state, commands = core.decide(self._state, answer)
                left.extendleft(reversed(commands))

    def _carry_out(self, command: core.Command) -> core.Event | None:
        match command:
            case core.Take():
                return self._take()
            case core.Look(day, index):
                return self._look(day, self._point(index))
            case core.Examine(day, index):
                found = self._examine(day, self._point(index))
                self._poll()
                return core.Judged(day, found)
            case core.Start(day, index):
                self._start(day, self._point(index))
            case core.Write(day, index, found, ended):
                self._write(day, self._point(index), found, ended)
            case core.Interrupt():
                if not self.stopped:  # a signal's handler has told them already, and a second Ctrl-C is another matter
                    self._processes.stop()
        return None

    def _point(self, index: int) -> Point:
        return self._nights.campaign.point(index)

    def _poll(self) -> None:
        """Whether somebody asked for the end, or paused the campaign."""
        self._looked = time.monotonic()
        if self.stopped:
            self._hear(core.Stopped())
        pause = self._nights.folder.paused()
        self._hear(core.Polled(pause is not None, at_once=bool(pause and pause.now)))

    # ---- which productions are to be run ----------------------------------------------------------------------------

    def _take(self) -> core.Taken:
        self._notes = {day: notes for day, notes in self._notes.items() if day in self._state.nights}
        day = next(self._waiting, None)
        return core.Taken(day, day is not None and self._nights.has_raw(day))

    def _look(self, day: date, point: Point) -> core.Looked:
        if day not in self._notes:
            self._notes[day] = self._nights.folder.notes(day)
        note = self._notes[day].get(point.production)
        return core.Looked(day, self._nights.standing(day, point, note).state, noted=note is not None)

    def _examine(self, day: date, point: Point) -> Night:
        """Whether it may be run. What has a marker is looked at closely; the rest its own engine plans."""
        closed = bool(finished(self._nights.production(day, point)))
        try:
            if found := hindered(self._nights.configuration(point), day, now_utc()):
                return found
            return in_child(partial(judged, self._asked(point), day)) if closed else _to_do(day, point)
        except ConfigurationError:
            raise
        except (OsaError, OSError) as error:
            return Night(day, point.production, State.BLOCKED, str(error))

    # ---- their engines ----------------------------------------------------------------------------------------------

    def _asked(self, point: Point) -> Asked:
        return Asked(self._nights.config, "", point.procedure)

    def _start(self, day: date, point: Point) -> None:
        item = Item(day, point, self._asked(point), _to_do(day, point), now_utc())
        logs = self._nights.main.site.paths.logs
        command = night_command(item.asked, item.night, logs, item.began, self._options)
        self._processes.start(item, command)
        self._nights.folder.note(day, Note(_now(), point.production, State.AT_WORK, log=str(command.log)))
        self._tell_start(Standing(day, point, State.AT_WORK, log=str(command.log)))

    def _ended(self, item: Item, command: Command, code: int) -> None:
        ended = Ended(command.log, code, item.began, self.stopped)
        try:
            night = in_child(partial(outcome, item.asked, item.night, ended))
        except (OsaError, OSError) as error:
            night = Night(item.date, item.point.production, State.BLOCKED, str(error))
        minutes = round((now_utc() - item.began).total_seconds() / 60, 1)
        self._hear(core.Judged(item.date, night, core.Ended(code, minutes, str(command.log))))

    def _write(self, day: date, point: Point, night: Night, ended: core.Ended | None) -> None:
        summary = finished(self._nights.production(day, point)) if night.state is State.CLOSED else {}
        code, minutes, log = (ended.code, ended.minutes, ended.log) if ended else (None, None, "")
        settings = self._nights.settings(point)
        note = Note(_now(), point.production, night.state, night.why, settings, code, minutes, log, summary)
        self._nights.folder.note(day, note)
        if ended:
            self._tell_end(Standing(day, point, night.state, night.why, minutes, log, summary), self.progress)


def _to_do(day: date, point: Point) -> Night:
    return Night(day, point.production, State.TO_DO, "new")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
