"""The decisions of a campaign's run: ``(state, event) → (state, commands)``, and nothing else.

No file, clock or process is touched here, so that a campaign of hundreds of nights can be played through with a kill at every step
(tests/simulation). A state holds the nights at work, and counts: it does not grow with the campaign. Commands are carried out in their
order, and what an answer asks for before the next of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum

from osa_luigi.tasks.morning.look import Night
from osa_luigi.tasks.morning.look import State as Standing


class Phase(StrEnum):
    """What is done with the production of a night that has its turn."""

    LOOKED_AT = "looked at"
    RUN = "run"
    HELD = "held"
    """By a pause, or for good by a stop."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A night at work: the production that has its turn, by the index of its point."""

    point: int
    phase: Phase


@dataclass(frozen=True, slots=True)
class State:
    """All that the run of a campaign knows.

    Parameters
    ----------
    places
        Nights that are worked on at a time, at most.
    points
        Productions of each night.
    thorough
        Whether what was closed before is looked at closely, too.
    nights
        Those at work.
    exhausted
        Whether the campaign has no further night.
    counts
        How the productions stand that were dealt with.
    """

    places: int
    points: int
    thorough: bool = False
    nights: Mapping[date, Turn] = field(default_factory=dict)
    exhausted: bool = False
    paused: bool = False
    stopped: bool = False
    counts: Mapping[Standing, int] = field(default_factory=dict)

    @property
    def goes_on(self) -> bool:
        """Whether anything may be started."""
        return not self.paused and not self.stopped

    @property
    def over(self) -> bool:
        """Whether nothing runs, and nothing will be started."""
        if any(turn.phase is not Phase.HELD for turn in self.nights.values()):
            return False
        return not self.goes_on or (self.exhausted and not self.nights)


@dataclass(frozen=True, slots=True)
class Ended:
    """How luigi's command for a production ended: its exit code (negative: the signal that ended it), and its log."""

    code: int
    minutes: float
    log: str


# ---- events ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Polled:
    """It was looked whether the campaign is paused; `at_once`: nights at work are to be stopped, too."""

    paused: bool
    at_once: bool = False


@dataclass(frozen=True, slots=True)
class Stopped:
    """Somebody asked for the end."""


@dataclass(frozen=True, slots=True)
class Freed:
    """Time to fill the places that are free."""


@dataclass(frozen=True, slots=True)
class Taken:
    """The campaign's next night, and whether there are raw data of it; None: there is no further one."""

    night: date | None
    has_raw: bool = False


@dataclass(frozen=True, slots=True)
class Looked:
    """How a production stands by its note and its marker.

    Parameters
    ----------
    noted
        Whether the campaign has a note of it.
    """

    night: date
    standing: Standing
    noted: bool


@dataclass(frozen=True, slots=True)
class Judged:
    """How a production stands by a close look, or, with `ended`, once its engine has ended."""

    night: date
    found: Night
    ended: Ended | None = None


Event = Polled | Stopped | Freed | Taken | Looked | Judged

# ---- commands -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Take:
    """Say what the next night is: `Taken`."""


@dataclass(frozen=True, slots=True)
class Look:
    """Say how a production stands, by its note and its marker: `Looked`."""

    night: date
    point: int


@dataclass(frozen=True, slots=True)
class Examine:
    """Look closely whether a production may be run: `Judged`."""

    night: date
    point: int


@dataclass(frozen=True, slots=True)
class Start:
    """Start luigi's command for a production; `Judged` comes when it has ended."""

    night: date
    point: int


@dataclass(frozen=True, slots=True)
class Write:
    """Note how a production stands."""

    night: date
    point: int
    found: Night
    ended: Ended | None = None


@dataclass(frozen=True, slots=True)
class Interrupt:
    """Stop the nights at work as Ctrl-C would."""


Command = Take | Look | Examine | Start | Write | Interrupt
Decision = tuple[State, tuple[Command, ...]]


def decide(state: State, event: Event) -> Decision:
    """What follows from an event."""
    match event:
        case Polled(paused, at_once):
            stops = at_once and not state.stopped
            state = replace(state, paused=paused, stopped=state.stopped or at_once)
            return state, (Interrupt(),) if stops else ()
        case Stopped():
            return replace(state, stopped=True), () if state.stopped else (Interrupt(),)
        case Freed():
            return _go_on(state)
        case Taken():
            return _taken(state, event)
        case Looked():
            return _looked(state, event)
        case Judged():
            return _judged(state, event)


def _go_on(state: State) -> Decision:
    """What a pause held back first, then further nights, one for each free place."""
    if not state.goes_on:
        return state, ()
    held = [(night, turn.point) for night, turn in state.nights.items() if turn.phase is Phase.HELD]
    for night, point in held:
        state = _with(state, night, point, Phase.LOOKED_AT)
    free = 0 if state.exhausted else max(state.places - len(state.nights), 0)
    return state, (*(Look(*one) for one in held), *(Take() for _ in range(free)))


def _taken(state: State, event: Taken) -> Decision:
    if event.night is None:
        return replace(state, exhausted=True), ()
    if not event.has_raw:
        state = _count(state, Standing.NO_DATA, state.points)
        return state, (Take(),) if state.goes_on else ()
    return _turn(state, event.night, 0)


def _looked(state: State, event: Looked) -> Decision:
    point = state.nights[event.night].point
    if event.standing is Standing.CLOSED and event.noted and not state.thorough:
        return _next(_count(state, Standing.CLOSED), event.night)
    return state, (Examine(event.night, point),)


def _judged(state: State, event: Judged) -> Decision:
    night, point = event.night, state.nights[event.night].point
    if event.ended is None and event.found.state is Standing.TO_DO:
        if not state.goes_on:  # to look may have taken a while
            return _with(state, night, point, Phase.HELD), ()
        return _with(state, night, point, Phase.RUN), (Start(night, point),)
    state, commands = _next(_count(state, event.found.state), night)
    return state, (Write(night, point, event.found, event.ended), *commands)


def _next(state: State, night: date) -> Decision:
    """The night's next production, or where it was the last, another night in its place."""
    point = state.nights[night].point + 1
    if point < state.points:
        return _turn(state, night, point)
    state = replace(state, nights={day: turn for day, turn in state.nights.items() if day != night})
    return state, (Take(),) if state.goes_on and not state.exhausted else ()


def _turn(state: State, night: date, point: int) -> Decision:
    if not state.goes_on:
        return _with(state, night, point, Phase.HELD), ()
    return _with(state, night, point, Phase.LOOKED_AT), (Look(night, point),)


def _with(state: State, night: date, point: int, phase: Phase) -> State:
    return replace(state, nights={**state.nights, night: Turn(point, phase)})


def _count(state: State, standing: Standing, by: int = 1) -> State:
    return replace(state, counts={**state.counts, standing: state.counts.get(standing, 0) + by})
