"""How a night stands, as data: the operator's table, what failed, who works on it, and where the products lie."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Any

from osa_luigi.batch.lease import Engine
from osa_luigi.products.decisions import Decision
from osa_luigi.products.identity import plain
from osa_luigi.products.production import Production
from osa_luigi.tasks.grid import Grid
from osa_luigi.tasks.verdict import NightVerdict


class State(StrEnum):
    """State of a sequence."""

    CLOSED = "CLOSED"
    COMPLETED = "COMPLETED"
    RUNNING = "RUNNING"
    FAILED = "FAILED"
    CONFLICT = "CONFLICT"
    PENDING = "PENDING"
    DISCARDED = "DISCARDED"
    VETOED = "VETOED"


ACTION = {
    State.CLOSED: "None",
    State.COMPLETED: "Close",
    State.RUNNING: "Wait",
    State.FAILED: "Retry",
    State.CONFLICT: "Decide",
    State.PENDING: "Run",
    State.DISCARDED: "None",
    State.VETOED: "None",
}
"""What the sequence waits for."""


@dataclass(frozen=True, slots=True)
class Row:
    """A sequence in the operator's table. Percentages are of subruns; `None` where the procedure makes no such product.

    Parameters
    ----------
    job_id
        Of the newest attempt, where an executor gives one.
    running_on
        Other machines that work on it.
    cpu_time_s
        CPU seconds of all attempts, verification included.
    exit
        Exit code of the last failed attempt; `None` if none failed, or no tool ran in it.
    """

    tel: str
    seq: int
    parent: int | None
    type: str
    run: int
    subruns: int
    source: str | None
    action: str
    tries: int
    job_id: str | None
    state: State
    running_on: tuple[str, ...]
    cpu_time_s: float
    exit: int | None
    dl1: float | None
    muons: float | None
    cat_b: float | None
    dl1ab: float | None
    datacheck: float | None
    dl2: float | None


@dataclass(frozen=True, slots=True)
class Failure:
    """A step whose last attempt failed.

    Parameters
    ----------
    log
        Where what the attempt printed lies: a path, or an archive's and the member's name in it; empty if nothing ran.
    """

    step: str
    unit: str
    tries: int
    exit: int | None
    reason: str
    log: str
    ended: str
    next: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where the products of a step lie."""

    step: str
    folder: Path
    files: int
    bytes: int


@dataclass(frozen=True)
class Overview:
    """A night under one production id.

    Parameters
    ----------
    closed
        When the night was closed (UTC), empty while it is open.
    was_closed
        When it was closed, where products have been lost since.
    closed_otherwise
        When it was closed, where other decisions hold since.
    missing
        Steps of the plan whose products are not there.
    decisions
        Those that leave something out.
    passed_over
        Runs that have raw files and are not processed, for people.
    """

    date: date
    production: Production
    rows: tuple[Row, ...]
    failures: tuple[Failure, ...]
    places: tuple[Place, ...]
    engine: Engine | None
    closed: str
    was_closed: str
    closed_otherwise: str
    steps: int
    missing: int
    verdict: NightVerdict
    decisions: tuple[Decision, ...]
    passed_over: tuple[str, ...]
    grid: Grid

    def as_json(self) -> dict[str, Any]:
        """For a program to read."""
        return {
            "date": self.date.isoformat(),
            "production": self.production.id,
            "folder": str(self.production.root),
            "closed": self.closed or None,
            "was_closed": self.was_closed or None,
            "closed_otherwise": self.closed_otherwise or None,
            "verdict": self.verdict.as_json(),
            "decisions": [decision.as_json() for decision in self.decisions],
            "passed_over": list(self.passed_over),
            "steps": self.steps,
            "missing": self.missing,
            "engine": asdict(self.engine) if self.engine else None,
            "grid": asdict(self.grid),
            "sequences": [asdict(row) for row in self.rows],
            "failures": [asdict(failure) for failure in self.failures],
            "products": [plain(asdict(place)) for place in self.places],
        }
