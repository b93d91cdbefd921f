"""The parameter that luigi's batching joins: the subruns of one task, as a text that leads back to them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import luigi

RANGE = re.compile(r"(\d+)(?:-(\d+))?")


class SubrunsParameter(luigi.Parameter):  # type: ignore[misc]
    """Subrun numbers as a sorted tuple: ``3`` for one, ``0-149,152`` for those that luigi hands out together.

    After a restart luigid hands back the joined task by this text alone, so nothing may be lost in it.
    """

    def __init__(self, **arguments: Any) -> None:
        super().__init__(batch_method=_union, **arguments)

    def normalize(self, value: int | Iterable[int]) -> tuple[int, ...]:
        """One number or several, in any order."""
        return _shared((value,) if isinstance(value, int) else tuple(sorted(set(value))))

    def parse(self, text: str) -> tuple[int, ...]:
        """Read what `serialize` wrote.

        Raises
        ------
        ValueError
            The text is no list of numbers and ranges.
        """
        return _union(_range(part) for part in text.split(","))

    def serialize(self, value: int | Iterable[int]) -> str:
        """As short as it goes: neighbours make a range."""
        ranges: list[list[int]] = []
        for number in self.normalize(value):
            if ranges and number == ranges[-1][-1] + 1:
                ranges[-1][1:] = [number]
            else:
                ranges.append([number])
        return ",".join("-".join(map(str, ends)) for ends in ranges)

    def next_in_enumeration(self, value: tuple[int, ...]) -> tuple[int, ...]:
        """So that luigi's summary says ``0...149`` of tasks of one subrun each."""
        return tuple(number + 1 for number in value)


@lru_cache(maxsize=1024)
def _shared(numbers: tuple[int, ...]) -> tuple[int, ...]:
    """One tuple for all tasks of these subruns: luigi keeps it twice for each of thousands."""
    return numbers


def _union(several: Iterable[tuple[int, ...]]) -> tuple[int, ...]:
    return tuple(sorted({number for numbers in several for number in numbers}))


def _range(text: str) -> tuple[int, ...]:
    ends = RANGE.fullmatch(text.strip())
    numbers = tuple(range(int(ends[1]), int(ends[2] or ends[1]) + 1)) if ends else ()
    if not numbers:
        raise ValueError(f"{text!r} is no subrun: give a number, or some as in 0-149,152")
    return numbers
