"""Runs a campaign: luigi's own command for each production of each night that is not closed, a few nights at a time.

The productions of a night come one after the other, so that each links what the one before it made. What is remembered lies in files, and
nights are looked at one by one: the memory of this process does not grow with the campaign.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial

from osa_luigi.config import Point
from osa_luigi.errors import ConfigurationError, OsaError
from osa_luigi.tasks.apart import in_child
from osa_luigi.tasks.campaign.folder import Note
from osa_luigi.tasks.campaign.standing import Nights, Standing, finished
from osa_luigi.tasks.morning.engines import Ended, night_command, outcome
from osa_luigi.tasks.morning.look import Asked, Night, State, hindered, judged, now_utc
from osa_luigi.tasks.processes import Command, Processes

LOOK_S = 2.0
"""How often it is looked whether the campaign was paused."""


@dataclass(frozen=True, slots=True)
class Item:
    """A production of a night that is to be run."""

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
        self._states: Counter[State] = Counter()
        self._total = nights.campaign.points * sum(1 for _ in nights.campaign.nights())
        self._looked = 0.0
        self._paused = False
        self._processes: Processes[Item] = Processes(
            nights.campaign.nights_in_flight,
            self._command,
            self._started,
            self._ended,
            may_begin=lambda: not self._is_paused(),
            meanwhile=self._obey,
        )

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
            self._processes.run(map(self._points, self._nights.campaign.nights()))
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
        return self._paused

    @property
    def progress(self) -> Progress:
        """How far it has come."""
        return Progress(sum(self._states.values()), self._total, Counter(self._states))

    # ---- which productions are to be run ----------------------------------------------------------------------------

    def _points(self, day: date) -> Iterator[Item]:
        if not self._nights.has_raw(day):
            self._states[State.NO_DATA] += self._nights.campaign.points
            return
        notes = self._nights.folder.notes(day)
        for point in self._nights.campaign.all_points():
            standing = self._nights.standing(day, point, notes.get(point.production))
            noted = point.production in notes
            if standing.state is State.CLOSED and noted and not self._thorough:
                self._states[State.CLOSED] += 1
            elif item := self._item(day, point, closed=bool(finished(self._nights.production(day, point)))):
                yield item

    def _item(self, day: date, point: Point, *, closed: bool) -> Item | None:
        """What is to be run; None, with a note on why, if it is not."""
        asked = Asked(self._nights.config, "", point.procedure)
        night = self._look(asked, day, point, closed=closed)
        if night.state is State.TO_DO:
            return Item(day, point, asked, night, now_utc())
        self._note(day, point, night)
        return None

    def _look(self, asked: Asked, day: date, point: Point, *, closed: bool) -> Night:
        """Whether it may be run. What has a marker is looked at closely; the rest its own engine plans."""
        try:
            if found := hindered(self._nights.configuration(point), day, now_utc()):
                return found
            return in_child(partial(judged, asked, day)) if closed else _to_do(day, point)
        except ConfigurationError:
            raise
        except (OsaError, OSError) as error:
            return Night(day, point.production, State.BLOCKED, str(error))

    # ---- their engines ----------------------------------------------------------------------------------------------

    def _command(self, item: Item) -> Command:
        return night_command(item.asked, item.night, self._nights.main.site.paths.logs, item.began, self._options)

    def _started(self, item: Item, command: Command) -> None:
        note = Note(_now(), item.point.production, State.AT_WORK, log=str(command.log))
        self._nights.folder.note(item.date, note)
        self._tell_start(Standing(item.date, item.point, State.AT_WORK, log=str(command.log)))

    def _ended(self, item: Item, command: Command, code: int) -> None:
        ended = Ended(command.log, code, item.began, self._processes.stopped)
        try:
            night = in_child(partial(outcome, item.asked, item.night, ended))
        except (OsaError, OSError) as error:
            night = Night(item.date, item.point.production, State.BLOCKED, str(error))
        minutes = round((now_utc() - item.began).total_seconds() / 60, 1)
        standing = self._note(item.date, item.point, night, code, minutes, str(command.log))
        self._tell_end(standing, self.progress)

    def _note(
        self,
        day: date,
        point: Point,
        night: Night,
        code: int | None = None,
        minutes: float | None = None,
        log: str = "",
    ) -> Standing:
        summary = finished(self._nights.production(day, point)) if night.state is State.CLOSED else {}
        settings = self._nights.settings(point)
        note = Note(_now(), point.production, night.state, night.why, settings, code, minutes, log, summary)
        self._nights.folder.note(day, note)
        self._states[night.state] += 1
        return Standing(day, point, night.state, night.why, minutes, log, summary)

    # ---- pauses -----------------------------------------------------------------------------------------------------

    def _is_paused(self) -> bool:
        self._obey(at_once=True)
        return self._paused

    def _obey(self, *, at_once: bool = False) -> None:
        if not at_once and time.monotonic() - self._looked < LOOK_S:
            return
        self._looked = time.monotonic()
        pause = self._nights.folder.paused()
        self._paused = pause is not None
        if pause and pause.now and not self._processes.stopped:
            self._processes.stop()


def _to_do(day: date, point: Point) -> Night:
    return Night(day, point.production, State.TO_DO, "new")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
