"""How the last nights stand: which are to be processed, and why the others are not. It starts nothing and writes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from pathlib import Path

from osa_luigi.batch.lease import RELEASED, Engine, engine
from osa_luigi.config import Configuration
from osa_luigi.errors import ConfigurationError, OsaError
from osa_luigi.night.arrivals import Arrival, arrival
from osa_luigi.night.dates import observation_date
from osa_luigi.products.production import Production
from osa_luigi.tasks.notices import left_out
from osa_luigi.tasks.opening import configure, night_paths, open_session, production_folder
from osa_luigi.tasks.outlook import Outlook, outlooks


class State(StrEnum):
    """How a night stands."""

    NO_DATA = "no data"
    ARRIVING = "arriving"
    AT_WORK = "at work"
    """Another engine has it."""
    TO_DO = "to do"
    CLOSED = "closed"
    LATE_RUNS = "late runs"
    """Closed but for runs that the run summary lacks."""
    BLOCKED = "blocked"
    """It cannot be planned, or is refused as a whole."""
    INCOMPLETE = "incomplete"
    """It was run, and something is still missing."""
    STOPPED = "stopped"


NEEDS_A_PERSON = frozenset({State.LATE_RUNS, State.BLOCKED, State.INCOMPLETE, State.STOPPED})


@dataclass(frozen=True, slots=True)
class Night:
    """A night of one production, how it stands, and why."""

    date: date
    production: str
    state: State
    why: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be looked at: a site's nights under one procedure and production id, as on any command line of ours."""

    config: Path
    production: str = ""
    procedure: str = ""

    def configuration(self, *, to_write: bool = False) -> Configuration:
        """Validated.

        Raises
        ------
        ConfigurationError
            It cannot be used.
        """
        return configure(self.config, self.production, self.procedure, to_write=to_write)


def last_nights(now: datetime, days: int) -> list[date]:
    """The current night and so many days before it, the oldest first."""
    tonight = observation_date(now)
    return [tonight - timedelta(days=back) for back in range(days, -1, -1)]


def look(asked: Asked, days: Iterable[date], now: datetime) -> list[Night]:
    """How nights stand.

    Raises
    ------
    ConfigurationError
        It cannot be used.
    """
    configuration = asked.configuration()
    return [hindered(configuration, day, now) or judged(asked, day) for day in days]


def hindered(configuration: Configuration, day: date, now: datetime) -> Night | None:
    """Why a night is not to be started now, whatever its plan: no data, data still arriving, another engine; None if it may be."""
    production = production_folder(configuration, day)
    try:
        seen = arrival(_raw_folders(configuration), day)
    except OsaError as error:
        return Night(day, production.id, State.BLOCKED, str(error))
    if not seen.files:
        return Night(day, production.id, State.NO_DATA)
    if why := _arriving(seen, now, configuration.main.morning.settle_minutes):
        return Night(day, production.id, State.ARRIVING, why)
    if (holder := engine(production)) and holder.alive is not False:
        return Night(day, production.id, State.AT_WORK, who(production, holder))
    return None


def _raw_folders(configuration: Configuration) -> list[Path]:
    paths = night_paths(configuration)
    return [folder for folder in (paths.r0, paths.r0g) if folder]


def _arriving(seen: Arrival, now: datetime, settle_minutes: float) -> str:
    """Why a night is to be left to the next time; empty if it is not."""
    assert seen.changed is not None
    minutes = (now - seen.changed) / timedelta(minutes=1)
    if minutes >= settle_minutes:
        return ""
    ago = f"{max(minutes, 0):.0f} min ago"
    return f"{seen.files} raw files; the last change was {ago}, and it waits for {settle_minutes:g} min without one"


def who(production: Production, holder: Engine) -> str:
    """Which engine has a night."""
    known = f"process {holder.pid} on {holder.host} since {holder.since}"
    if holder.alive:
        return known
    released = production.state / "engine" / f"{holder.generation}{RELEASED}"
    return f"{known}; whether it still works is known there only (if that machine is gone for good: touch {released})"


def judged(asked: Asked, day: date) -> Night:
    """How a night stands by its plan and what is made of it, whoever works on it."""
    production = production_folder(configure(asked.config, asked.production, asked.procedure, check_files=False), day)
    summary = night_paths(asked.configuration()).run_summary_file(day)
    if not summary.exists():
        return Night(day, production.id, State.TO_DO, "new")
    try:
        session = open_session(asked.config, day, asked.production, asked.procedure, to_write=False)
        found = outlooks(session)
    except ConfigurationError:
        raise
    except (OsaError, OSError) as error:
        return Night(day, production.id, State.BLOCKED, str(error))
    state, why = _standing(found)
    night = session.plan.night
    late = ", ".join(map(str, night.unlisted_runs))
    if late:
        state = State.LATE_RUNS if state is State.CLOSED else state
        note = f"raw files of runs that the run summary lacks: {late}; make it again"
    else:
        note = left_out(night) if night.erroneous else ""
    return Night(day, production.id, state, "; ".join(part for part in (why, note) if part))


def _standing(found: Mapping[str, Outlook]) -> tuple[State, str]:
    refused = [item for item in found.values() if item.refuses_night]
    if refused:
        return State.BLOCKED, f"{refused[0].call.name}: {refused[0].why} (`osa plan` says more)"
    left = sum(not item.made for item in found.values())
    if not left:
        return State.CLOSED, ""
    return State.TO_DO, "new" if left == len(found) else f"{left} of {len(found)} steps are to be made"


def now_utc() -> datetime:
    """The time."""
    return datetime.now(UTC)
