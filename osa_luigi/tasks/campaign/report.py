"""A campaign's report: how its nights ended and what they cost, in sums, and a line for each that is not closed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from osa_luigi.config import Campaign
from osa_luigi.tasks.campaign.standing import DONE, Standing
from osa_luigi.tasks.morning.look import State


@dataclass(slots=True)
class Sums:
    """Of one point, or of all.

    Parameters
    ----------
    cpu_h
        Of what was made, not of what was linked.
    gigabytes
        Of all products; those that are linked take no place of their own.
    """

    states: Counter[State] = field(default_factory=Counter)
    products: int = 0
    linked: int = 0
    cpu_h: float = 0.0
    gigabytes: float = 0.0
    engine_minutes: float = 0.0

    def add(self, standing: Standing) -> None:
        """Count one production in."""
        said = standing.summary
        self.states[standing.state] += 1
        self.products += int(said.get("products") or 0)
        self.linked += int(said.get("linked") or 0)
        self.cpu_h += float(said.get("cpu_s") or 0) / 3600
        self.gigabytes += float(said.get("megabytes") or 0) / 1024
        self.engine_minutes += standing.minutes or 0

    def as_json(self) -> dict[str, Any]:
        """For a program to read."""
        return {
            "states": {str(state): count for state, count in sorted(self.states.items())},
            "products": self.products,
            "steps_linked": self.linked,
            "cpu_h": round(self.cpu_h, 3),
            "gigabytes": round(self.gigabytes, 3),
            "engine_minutes": round(self.engine_minutes, 1),
        }


@dataclass(frozen=True, slots=True)
class Report:
    """Of a campaign; `left` are those that are not closed."""

    campaign: Campaign
    total: Sums
    points: dict[int, Sums]
    left: list[Standing]

    @property
    def good(self) -> bool:
        """Whether nothing is left to do."""
        return not self.left

    def as_json(self) -> dict[str, Any]:
        """For a program to read."""
        return {
            "campaign": self.campaign.name,
            "good": self.good,
            **self.total.as_json(),
            "points": [
                {
                    "point": index,
                    "production": self.campaign.point(index).production,
                    "labels": dict(self.campaign.point(index).labels),
                    **sums.as_json(),
                }
                for index, sums in sorted(self.points.items())
            ],
            "left": [standing.as_json() for standing in self.left],
        }

    def lines(self) -> Iterator[str]:
        """For people."""
        total = self.total
        yield f"Campaign {self.campaign.name}: {said(total.states)}."
        yield (
            f"{total.products} products, {total.gigabytes:.2f} GB; {total.cpu_h:.2f} CPU hours; "
            f"{total.linked} steps linked instead of made."
        )
        if len(self.points) > 1:
            yield from (f"  {self.campaign.point(i)}: {said(sums.states)}" for i, sums in sorted(self.points.items()))
        yield from map(line, self.left)


def report(campaign: Campaign, standings: Iterable[Standing]) -> Report:
    """Gather a campaign's report."""
    total, points, left = Sums(), dict[int, Sums](), list[Standing]()
    for standing in standings:
        total.add(standing)
        points.setdefault(standing.point.index, Sums()).add(standing)
        if standing.state not in DONE:
            left.append(standing)
    return Report(campaign, total, points, left)


def said(states: Counter[State]) -> str:
    """How many stand how."""
    return ", ".join(f"{count} {state}" for state, count in sorted(states.items())) or "no nights"


def line(standing: Standing) -> str:
    """A production of a night in a line; of a longer reason its beginning."""
    first, *more = standing.why.splitlines() or [""]
    rest = " …" if more else ""
    reason = f": {first}{rest}" if first else ""
    return f"{standing.date.isoformat()}  {standing.point.production}  {standing.state}{reason}"
