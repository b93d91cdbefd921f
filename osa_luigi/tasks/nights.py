"""Several nights as one luigi parameter: ``2024-11-15,2024-11-18..2024-11-20``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from typing import Any

import luigi

from osa_luigi.errors import NightError
from osa_luigi.night import parse_date

Days = tuple[date, ...]


class NightsParameter(luigi.Parameter):  # type: ignore[misc]
    """One night, or several: each once, in order; the same nights are the same task, however they were written."""

    def parse(self, text: str) -> Days:
        return parse_nights(text)

    def normalize(self, value: Any) -> Days:
        return in_order([value] if isinstance(value, date) else value)

    def serialize(self, value: Days) -> str:
        return written(value)


def parse_nights(text: str) -> Days:
    """``2024-11-15,2024-11-18..2024-11-20`` as dates.

    Raises
    ------
    NightError
        A part of it is no date, or a range that ends before it begins.
    """
    return in_order(day for part in text.split(",") if part.strip() for day in _range(part.strip()))


def _range(text: str) -> Iterator[date]:
    begin, dots, end = text.partition("..")
    first, last = parse_date(begin), parse_date(end if dots else begin)
    if last < first:
        raise NightError(f"{text}: the range ends before it begins. Write the earlier date first.")
    yield from (first + timedelta(number) for number in range((last - first).days + 1))


def in_order(days: Iterable[date]) -> Days:
    """Each once, the earliest first."""
    return tuple(sorted(set(days)))


def written(days: Iterable[date]) -> str:
    """As `parse_nights` reads it, nights that follow each other as a range."""
    parts: list[list[date]] = []
    for day in in_order(days):
        if parts and day - parts[-1][-1] == timedelta(1):
            parts[-1].append(day)
        else:
            parts.append([day])
    return ",".join(
        part[0].isoformat() if len(part) == 1 else f"{part[0].isoformat()}..{part[-1].isoformat()}" for part in parts
    )
