"""A quantity subrun by subrun, as the points of a small picture."""

from __future__ import annotations

import math
from dataclasses import dataclass

from osa_luigi.ledger.report.model import Trend

WIDTH, HEIGHT = 600.0, 80.0

MOST_POINTS = 400
"""More values are drawn as means of neighbours."""


@dataclass(frozen=True, slots=True)
class Curve:
    """A polyline in a box of `WIDTH` × `HEIGHT`, the range of its values, and where each run begins."""

    points: str
    lowest: str
    highest: str
    runs: tuple[tuple[str, str], ...]


def curve(trend: Trend) -> Curve | None:
    """Of the values that are numbers; `None` if there is none."""
    numbers = [(place, value) for place, value in enumerate(trend.values) if math.isfinite(value)]
    if not numbers:
        return None
    lowest, highest = min(value for _, value in numbers), max(value for _, value in numbers)
    middle = (lowest + highest) / 2
    span = max(highest - lowest, 0.05 * abs(middle), 1e-12)  # what hardly changes is a straight line
    across = WIDTH / len(trend.values)
    drawn = [(across * (at + 0.5), HEIGHT * (0.5 - 0.9 * (value - middle) / span)) for at, value in _thinned(numbers)]
    if len(drawn) == 1:
        drawn = [(0.0, drawn[0][1]), (WIDTH, drawn[0][1])]
    return Curve(
        points=" ".join(f"{x:.1f},{y:.1f}" for x, y in drawn),
        lowest=f"{lowest:.4g}",
        highest=f"{highest:.4g}",
        runs=tuple((f"{across * at:.1f}", run) for at, run in trend.runs),
    )


def _thinned(numbers: list[tuple[int, float]]) -> list[tuple[float, float]]:
    size = math.ceil(len(numbers) / MOST_POINTS)
    groups = (numbers[start : start + size] for start in range(0, len(numbers), size))
    return [
        (sum(at for at, _ in group) / len(group), sum(value for _, value in group) / len(group)) for group in groups
    ]
