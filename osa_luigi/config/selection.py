"""Which DATA runs of a night are processed: part of a reconstruction's schema, and of a campaign's, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from osa_luigi.config.frozen import FrozenMapping
from osa_luigi.config.rules import OPERATIONAL, Schema, free, leaf, names, section

_ZENITH: Schema = {
    "min": leaf(OPERATIONAL, "number", None, "From this zenith angle on (null: no limit).", min=0, unit="deg"),
    "max": leaf(OPERATIONAL, "number", None, "Up to this zenith angle (null: no limit).", min=0, unit="deg"),
    "unknown": leaf(
        OPERATIONAL,
        "string",
        "leave",
        "What becomes of a run of which no drive log tells the zenith angle: `leave` it out, or `take` it.",
        allowed=["leave", "take"],
    ),
}

SELECT: Schema = {
    "runs": free(
        OPERATIONAL,
        "Date → the numbers of the runs to take, `2024-11-15: [2003, 2004]`; a night that is not named is not limited by it.",
    ),
    "sources": names(
        OPERATIONAL,
        [],
        "Only runs whose source in the run catalog fits one of these patterns (`Crab*`; upper and lower case are the same).",
    ),
    "types": leaf(
        OPERATIONAL,
        "list",
        ["DATA"],
        "Run types in the run summary that are taken; `EDATA` are DATA runs that were vetoed there.",
        schema={"type": "string", "allowed": ["DATA", "EDATA"]},
        minlength=1,
    ),
    "zenith": section("Only runs of these zenith angles, by the drive log.", _ZENITH),
}


def select_section(doc: str) -> Schema:
    """The section, in a reconstruction or a campaign."""
    return section(doc, SELECT)


@dataclass(frozen=True, slots=True)
class Zenith:
    """Zenith angles from `min` to `max` in degrees, `None` for no limit; `unknown` is "leave" or "take"."""

    min: float | None = None
    max: float | None = None
    unknown: str = "leave"

    @property
    def limits(self) -> bool:
        """Whether there is a limit at all."""
        return self.min is not None or self.max is not None


@dataclass(frozen=True, slots=True)
class Select:
    """Which runs are processed; by default all DATA runs.

    Parameters
    ----------
    runs
        Date (ISO) → numbers of the runs to take, for the nights that are limited so.
    sources
        Patterns of source names; none: all.
    types
        Run types that count as DATA.
    """

    runs: Mapping[str, tuple[int, ...]] = field(default_factory=FrozenMapping)
    sources: tuple[str, ...] = ()
    types: tuple[str, ...] = ("DATA",)
    zenith: Zenith = field(default_factory=Zenith)

    @property
    def takes_all(self) -> bool:
        """Whether it leaves nothing out, in any night."""
        return self == Select()


def iso_date(text: object) -> date | None:
    """The date that a text says; None if it is none, or written otherwise."""
    try:
        day = date.fromisoformat(str(text))
    except ValueError:
        return None
    return day if day.isoformat() == text else None
