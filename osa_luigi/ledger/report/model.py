"""The report of a night as data: no files, no plan, only what a page or a program shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

from osa_luigi.products.identity import plain


@dataclass(frozen=True, slots=True)
class Cell:
    """The steps of one kind in one run, counted by how they stand."""

    made: int = 0
    failed: int = 0
    running: int = 0
    waiting: int = 0
    discarded: int = 0

    @property
    def declared(self) -> int:
        """All but what was left out."""
        return self.made + self.failed + self.running + self.waiting

    @property
    def state(self) -> str:
        """The one that an operator has to know of first."""
        return next((name for name in ("failed", "running", "waiting", "discarded") if getattr(self, name)), "made")


LEFT_OUT = "LEFT_OUT"
"""In the place of a verdict: of a run of which nothing is declared any more, it would say that there is all of it."""


@dataclass(frozen=True, slots=True)
class GridRow:
    """A run (or the night's calibration and checks): step → its cell."""

    unit: str
    source: str
    verdict: str
    cells: Mapping[str, Cell]


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt, by its exit record.

    Parameters
    ----------
    wall_s, cpu_s, peak_memory_mb
        Of the tool alone: s, s, MiB.
    cost_s
        CPU time with verification, s.
    out_of_time
        It was ended because its time limit was over.
    killed
        It was ended by SIGKILL, as for lack of memory.
    asked_memory_mb
        What was asked for it (MiB): on SLURM by its array, grown where it was killed before. 0 if its record does not say.
    """

    step: str
    unit: str
    outcome: str
    started: datetime
    ended: datetime
    wall_s: float
    cpu_s: float
    cost_s: float
    peak_memory_mb: float
    host: str
    reason: str
    log: str
    exit_code: int | None
    out_of_time: bool
    killed: bool
    asked_memory_mb: int = 0

    @property
    def run(self) -> str:
        """``Run02003``, or ``night``."""
        return self.unit.partition(".")[0]

    @property
    def failed(self) -> bool:
        """Whether nothing came of it."""
        return self.outcome == "failed"


@dataclass(frozen=True, slots=True)
class Spread:
    """How a quantity is distributed."""

    median: float
    p95: float
    largest: float


@dataclass(frozen=True, slots=True)
class Use:
    """What the attempts of a step used, of what they ask for now.

    Parameters
    ----------
    asked_memory_mb, asked_time_s, asked_cores
        By the configuration.
    given_memory_mb
        The least and the most that was asked for an attempt.
    memory_mb, wall_s, cores
        Of the attempts whose tool ran; `cores` is CPU time by wall time.
    advice
        What to set instead, and why.
    """

    step: str
    attempts: int
    failed: int
    cpu_s: float
    asked_memory_mb: int
    asked_time_s: float
    asked_cores: int
    given_memory_mb: tuple[int, int]
    memory_mb: Spread
    wall_s: Spread
    cores: Spread
    advice: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Problem:
    """The same thing about several units: what is missing, or attempts that failed.

    Parameters
    ----------
    units
        The first of `count`.
    standing
        Of failed attempts: how many of these units still fail; the others were made, or left out, since.
    next
        A command.
    log, excerpt
        Of the newest: where its log lies, and how it ends.
    """

    step: str
    units: tuple[str, ...]
    count: int
    why: str
    standing: int = 0
    next: str = ""
    ended: str = ""
    log: str = ""
    excerpt: str = ""


@dataclass(frozen=True, slots=True)
class Slow:
    """A slow attempt, with the median time of its step (s)."""

    attempt: Attempt
    median_s: float


@dataclass(frozen=True, slots=True)
class Plots:
    """The pictures of a check: a file to open.

    Parameters
    ----------
    note
        What is in it.
    """

    unit: str
    file: Path
    note: str


@dataclass(frozen=True, slots=True)
class Trend:
    """A quantity of the night's check, subrun by subrun.

    Parameters
    ----------
    quantity
        With its unit.
    runs
        Position of each run's first value, and the run.
    """

    quantity: str
    values: tuple[float, ...]
    runs: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class Ruling:
    """A decision, and whether it still holds."""

    number: int
    kind: str
    unit: str
    who: str
    when: str
    reason: str
    stands: bool


@dataclass(frozen=True, slots=True)
class Held:
    """A time that an engine worked on the night; `released` is empty where it did not end well, or has not ended."""

    generation: int
    host: str
    pid: int
    since: str
    released: str


@dataclass(frozen=True, slots=True)
class Folder:
    """Where products of a step lie."""

    step: str
    path: Path
    files: int
    megabytes: float


@dataclass(frozen=True)
class NightReport:
    """All that the report says.

    Parameters
    ----------
    made
        When the report was made (UTC).
    verdict
        A value of `osa_luigi.steps.close.Verdict`.
    conclusion
        The verdict in a sentence.
    closed
        When the night was closed, empty while it is open.
    steps, missing
        Declared, and of these not there.
    waiting
        Missing steps that only wait for others.
    beside
        What the verdict does not count, or came late, with what to do.
    """

    date: date
    production: str
    procedure: str
    telescope: str
    site: str
    folder: Path
    made: datetime
    verdict: str
    conclusion: str
    closed: str
    steps: int
    missing: int
    waiting: int
    beside: tuple[str, ...]
    runs: tuple[GridRow, ...]
    night: tuple[GridRow, ...]
    actions: tuple[Problem, ...]
    attempts: tuple[Attempt, ...] = field(repr=False)
    uses: tuple[Use, ...]
    slowest: tuple[Slow, ...]
    failures: tuple[Problem, ...]
    plots: tuple[Plots, ...]
    trends: tuple[Trend, ...]
    decisions: tuple[Ruling, ...]
    engines: tuple[Held, ...]
    software: Mapping[str, tuple[str, ...]]
    settings: str
    """Hash of the procedure's settings."""
    folders: tuple[Folder, ...]

    @property
    def cpu_s(self) -> float:
        """CPU time of all attempts, verification included."""
        return sum(attempt.cost_s for attempt in self.attempts)

    @property
    def advice(self) -> list[str]:
        """On what the steps ask for."""
        return [line for use in self.uses for line in use.advice]

    def as_json(self) -> dict[str, Any]:
        """For a program to read; of the attempts only their number."""
        data: dict[str, Any] = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "attempts"}
        return {name: _json(value) for name, value in data.items()} | {
            "attempts": len(self.attempts),
            "cpu_s": round(self.cpu_s, 1),
        }


def _json(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, tuple):
        return [_json(item) for item in value]
    if hasattr(value, "__dataclass_fields__"):
        return {name: _json(item) for name, item in _shallow(value)}
    if isinstance(value, Mapping):
        return {key: _json(item) for key, item in value.items()}
    return plain(value)


def _shallow(value: Any) -> list[tuple[str, Any]]:
    return [(name, getattr(value, name)) for name in value.__dataclass_fields__]
