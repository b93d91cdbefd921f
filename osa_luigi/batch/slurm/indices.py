"""The elements of an array as SLURM writes them: ``1-3,7,20-30:5%2``."""

from __future__ import annotations

import re
from collections.abc import Iterable

_STRETCH = re.compile(r"(\d{1,9})(?:-(\d{1,9})(?::([1-9]\d{0,8}))?)?", re.ASCII)
_INDEX_LIMIT = 4_000_001  # SLURM's own for MaxArraySize; a damaged range must not fill the memory


def expand_indices(text: str) -> list[int]:
    """The indices in an array expression such as ``1-3,7,20-30:5%2``, ascending.

    Raises
    ------
    ValueError
        It is none, or was cut short (SLURM writes ``...`` then).
    """
    found: set[int] = set()
    for stretch in text.partition("%")[0].split(","):
        match = _STRETCH.fullmatch(stretch)
        if not match:
            raise ValueError(f"{stretch!r} names no elements of an array")
        first, last, step = int(match[1]), int(match[2] or match[1]), int(match[3] or 1)
        if not first <= last < _INDEX_LIMIT:
            raise ValueError(f"{stretch!r} names no elements that an array can have")
        found.update(range(first, last + 1, step))
    return sorted(found)


def write_indices(indices: Iterable[int]) -> str:
    """The array expression of some indices, as ``1-3,7``; empty for none."""
    return ",".join(f"{first}-{last}" if first < last else f"{first}" for first, last in _stretches(indices))


def _stretches(indices: Iterable[int]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for index in sorted(set(indices)):
        if found and found[-1][1] == index - 1:
            found[-1] = (found[-1][0], index)
        else:
            found.append((index, index))
    return found
