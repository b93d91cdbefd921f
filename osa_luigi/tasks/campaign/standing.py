"""How the nights of a campaign stand: from its notes and the nights' markers, without planning a night."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

from osa_luigi.batch.lease import engine
from osa_luigi.config import Campaign, Configuration, MainConfig, Point, load, scientific, thaw
from osa_luigi.night.dates import compact
from osa_luigi.products.identity import digest
from osa_luigi.products.production import Production
from osa_luigi.steps.close import SUMMARY
from osa_luigi.tasks.campaign.folder import CampaignFolder, Note
from osa_luigi.tasks.morning.look import State, who

KEPT = ("verdict", "products", "megabytes", "linked", "cpu_s", "closed")
"""What is kept of a closed night's summary."""

DONE = (State.CLOSED, State.NO_DATA)


@dataclass(frozen=True, slots=True)
class Standing:
    """A production of a night, how it stands, and why.

    Parameters
    ----------
    minutes, log
        Of its last engine.
    summary
        Of a closed one: see `KEPT`.
    """

    date: date
    point: Point
    state: State
    why: str = ""
    minutes: float | None = None
    log: str = ""
    summary: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """For a program to read."""
        return {
            "date": self.date.isoformat(),
            "production": self.point.production,
            "point": self.point.index,
            "state": str(self.state),
            "why": self.why,
            "minutes": self.minutes,
            "log": self.log,
            **self.summary,
        }


class Nights:
    """The nights of a campaign.

    Parameters
    ----------
    config
        Main configuration.
    """

    def __init__(self, config: Path, main: MainConfig, campaign: Campaign) -> None:
        self.config, self.main, self.campaign = config, main, campaign
        self.folder = CampaignFolder(main, campaign.name)

    def standings(self) -> Iterator[Standing]:
        """Every production of every night, one at a time: a campaign may have a hundred thousand."""
        for day in self.campaign.nights():
            if not self.has_raw(day):
                yield from (Standing(day, point, State.NO_DATA) for point in self.campaign.all_points())
                continue
            notes = self.folder.notes(day)
            for point in self.campaign.all_points():
                yield self.standing(day, point, notes.get(point.production))

    def standing(self, day: date, point: Point, note: Note | None) -> Standing:
        """How one production stands."""
        production = self.production(day, point)
        summary = finished(production)
        if note is None:
            state = State.CLOSED if summary else State.TO_DO
            return Standing(day, point, state, "" if summary else "new", summary=summary)
        state, why = State(note.state), note.why
        if state is State.CLOSED and not summary:
            state, why = State.TO_DO, "it was closed, and its marker is gone"
        elif state is State.CLOSED and note.settings != self.settings(point):
            state, why = State.TO_DO, "the settings have changed since it was closed"
        elif state is State.AT_WORK:
            state, why = _at_work(production)
        return Standing(day, point, state, why, note.minutes, note.log, summary if state is State.CLOSED else {})

    def production(self, day: date, point: Point) -> Production:
        """Where a production lies."""
        return Production(self.main.site.paths.running_analysis / compact(day) / point.production)

    def has_raw(self, day: date) -> bool:
        """Whether there is anything in the night's raw folders."""
        paths = self.main.site.paths
        return any(_holds_something(folder / compact(day)) for folder in (paths.r0, paths.r0g))

    def settings(self, point: Point) -> str:
        """Stands for what a production is made with: the same settings and the same selection of runs, the same text."""
        return _settings(self.config, point.procedure)

    def configuration(self, point: Point) -> Configuration:
        """The configuration of a point's nights."""
        return _configuration(self.config, point.procedure)


def tally(standings: Iterator[Standing]) -> Counter[State]:
    """How many stand how."""
    return Counter(standing.state for standing in standings)


def finished(production: Production) -> dict[str, Any]:
    """What a closed production's summary says; empty if it is not closed."""
    try:
        found = json.loads((production.root / SUMMARY).read_text())
        return {name: found.get(name) for name in KEPT}
    except (OSError, ValueError, AttributeError):
        return {}


@lru_cache(maxsize=10_000)
def _settings(config: Path, procedure: str) -> str:
    configuration = _configuration(config, procedure)
    return digest([scientific(configuration), thaw(configuration.procedure.settings["select"])])[:16]


@lru_cache(maxsize=16)
def _configuration(config: Path, procedure: str) -> Configuration:
    return load(config, procedure, check_files=False)


def forget_configurations() -> None:
    """As if this were a new process."""
    _settings.cache_clear()
    _configuration.cache_clear()


def _at_work(production: Production) -> tuple[State, str]:
    holder = engine(production)
    if holder and holder.alive is not False:
        return State.AT_WORK, who(production, holder)
    return State.STOPPED, "its engine was killed; the campaign goes on with it when it is started again"


def _holds_something(folder: Path) -> bool:
    try:
        with os.scandir(folder) as entries:
            return next(entries, None) is not None
    except (FileNotFoundError, NotADirectoryError):
        return False
