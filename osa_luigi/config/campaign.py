"""Campaigns: many nights, one reconstruction or several, a grid of settings. Schema as data, and the frozen result.

A point of the grid is one production of each night. It is a procedure of its own, ``<campaign>@<index>``: whatever takes the name of a
reconstruction takes that, too.
"""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from osa_luigi.config import grid
from osa_luigi.config.frozen import FrozenMapping
from osa_luigi.config.head import head
from osa_luigi.config.rules import OPERATIONAL, Schema, leaf, names
from osa_luigi.config.selection import Select, select_section

CAMPAIGN_TYPE = "campaign"
SEPARATOR = "@"
"""Between a campaign's name and a point's index; no procedure's name holds it."""

MOST_POINTS = 10_000

CAMPAIGN: Schema = {
    **head(CAMPAIGN_TYPE),
    "reconstruction": leaf(
        OPERATIONAL,
        "string",
        None,
        "The procedure that makes the productions.",
        minlength=1,
    ),
    "reconstructions": names(
        OPERATIONAL, [], "Or several, each with productions of its own: the slowest dimension of the grid."
    ),
    "production_id": leaf(
        OPERATIONAL,
        "string",
        None,
        "Folder name of the productions. In braces: `production_id` (the reconstruction's own), `campaign`, `reconstruction`, "
        "`index` (of the point, from 0; `{index:03}` has three digits), and the names of what the grid changes (null: the "
        "reconstruction's own; with a grid `{production_id}-p{index:03}`).",
        minlength=1,
    ),
    "dates": leaf(
        OPERATIONAL,
        "list",
        [],
        "The nights, as dates and ranges: `[2024-11-15, {first: 2024-12-01, last: 2024-12-31}]`; both ends are part of a range, and "
        "its nights without raw data are passed over (none: those of select.runs).",
    ),
    "select": select_section(
        "Which DATA runs of these nights are processed. What is said here counts instead of what the reconstruction says."
    ),
    "grid": leaf(
        OPERATIONAL,
        "list",
        [],
        "Settings to vary, one production for each combination, the last dimension running fastest: "
        "`{key: [dl1ab, tailcuts, picture_thresh], values: [6, 8]}`, or values as `{start: 0, stop: 9, step: 3}` (stop excluded), or "
        "`{template: TEXT, default: {name: value}, values: [...]}`, where the text is settings with names in double braces.",
    ),
    "nights_in_flight": leaf(OPERATIONAL, "integer", 2, "Nights that are worked on at a time.", min=1),
    "elements_in_flight": leaf(
        OPERATIONAL,
        "integer",
        None,
        "Elements of arrays that the campaign has with SLURM at a time, at most (null: as executor.slurm.in_flight says for a night).",
        min=1,
    ),
    "qos": leaf(
        OPERATIONAL,
        "string",
        None,
        "Quality of service of its jobs (null: as in executor.slurm).",
        regex=r"[^\s,;'\"]+",
        hint="one word, without quotes and commas",
    ),
    "nice": leaf(
        OPERATIONAL,
        "integer",
        1000,
        "How far its jobs step back behind those of other nights, on top of executor.slurm.nice.",
        min=0,
    ),
}


@dataclass(frozen=True, slots=True)
class Point:
    """One production of each night of a campaign.

    Parameters
    ----------
    procedure
        Its name as a procedure, ``<campaign>@<index>``.
    production
        Its production id.
    labels
        What the grid chose, by name, for people.
    changes
        The settings that it changes in the reconstruction, nested.
    """

    index: int
    procedure: str
    reconstruction: str
    production: str
    labels: Mapping[str, Any]
    changes: Mapping[str, Any]

    def __str__(self) -> str:
        said = ", ".join(f"{name} {value}" for name, value in self.labels.items())
        return f"{self.production} ({said})" if said else self.production


@dataclass(frozen=True, slots=True)
class Campaign:
    """What is to be made of which nights.

    Parameters
    ----------
    productions
        Reconstruction → its own production id, in order.
    production_id
        Template of the ids.
    dates
        First and last night of ranges, sorted; they may overlap.
    elements_in_flight
        For the whole campaign; `None`: no limit of its own.
    """

    path: Path
    name: str
    productions: Mapping[str, str]
    production_id: str
    dates: tuple[tuple[date, date], ...]
    select: Select
    grid: tuple[grid.Dimension, ...]
    nights_in_flight: int
    elements_in_flight: int | None
    qos: str | None
    nice: int
    settings: FrozenMapping = field(repr=False, default_factory=FrozenMapping)

    @property
    def points(self) -> int:
        """How many productions of a night there are."""
        return len(self.productions) * grid.size(self.grid)

    def point(self, index: int) -> Point:
        """A point, counted from 0.

        Raises
        ------
        IndexError
            There is no such point.
        """
        if not 0 <= index < self.points:
            raise IndexError(f"{self.name} has the points 0 to {self.points - 1}, not {index}")
        which, rest = divmod(index, grid.size(self.grid))
        reconstruction = list(self.productions)[which]
        chosen = grid.chosen(self.grid, rest)
        labels = {name: value for choice in chosen for name, value in choice.labels.items()}
        changes: dict[str, Any] = {}
        for choice in chosen:
            changes = grid.merged(changes, choice.changes)
        own = {"production_id": self.productions[reconstruction], "campaign": self.name}
        words = {**labels, **own, "reconstruction": reconstruction, "index": index}
        production = string.Formatter().vformat(self.production_id, (), words)
        return Point(index, point_name(self.name, index), reconstruction, production, labels, changes)

    def all_points(self) -> Iterator[Point]:
        """Every point, in order."""
        return map(self.point, range(self.points))

    def nights(self) -> Iterator[date]:
        """Every night once, the oldest first, whether or not there are data of it."""
        following = date.min
        for first, last in self.dates:
            day = max(first, following)
            while day <= last:
                yield day
                day += timedelta(days=1)
            following = max(following, day)


def point_name(campaign: str, index: int) -> str:
    """What a point is called as a procedure."""
    return f"{campaign}{SEPARATOR}{index}"


def parse_point(name: str) -> tuple[str, int] | None:
    """Campaign and index of a point's name; None for any other name."""
    campaign, separator, index = name.rpartition(SEPARATOR)
    return (campaign, int(index)) if separator and index.isascii() and index.isdecimal() else None
