"""A grid of settings: the Cartesian product of its dimensions, the last one running fastest."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from osa_luigi.config.problems import Key


@dataclass(frozen=True, slots=True)
class Choice:
    """One value of a dimension.

    Parameters
    ----------
    labels
        Name → value, for people and for production ids.
    changes
        The settings that it changes, nested as in a procedure.
    """

    labels: Mapping[str, Any]
    changes: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Dimension:
    """What may be chosen; `key` is where it stands in the campaign's file."""

    key: Key
    choices: tuple[Choice, ...]


def size(grid: Sequence[Dimension]) -> int:
    """How many points a grid has; one without dimensions has one."""
    return math.prod(len(dimension.choices) for dimension in grid)


def chosen(grid: Sequence[Dimension], index: int) -> tuple[Choice, ...]:
    """The choice of each dimension at a point, counted from 0."""
    found = []
    for dimension in reversed(grid):
        index, number = divmod(index, len(dimension.choices))
        found.append(dimension.choices[number])
    return tuple(reversed(found))


def nested(key: Sequence[str], value: Any) -> dict[str, Any]:
    """``("a", "b")`` and 1 as ``{"a": {"b": 1}}``."""
    for name in reversed(key):
        value = {name: value}
    return dict(value)


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Nested settings with some of them changed; neither argument is."""
    result = dict(base)
    for name, value in changes.items():
        before = result.get(name)
        both = isinstance(value, Mapping) and isinstance(before, Mapping)
        result[name] = merged(before, value) if both else value  # type: ignore[arg-type]
    return result


def leaves(changes: Mapping[str, Any], prefix: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Each setting that is changed, by its full name, with its new value."""
    for name, value in changes.items():
        if isinstance(value, Mapping) and value:
            yield from leaves(value, (*prefix, name))
        else:
            yield (*prefix, name), value
