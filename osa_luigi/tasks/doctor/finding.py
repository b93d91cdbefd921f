"""What a check found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How grave it is."""

    OK = "ok"
    WARN = "warn"
    """Nights run; something will hurt sooner or later."""
    BAD = "bad"
    """Nights do not run, or not as they should."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line.

    Parameters
    ----------
    what
        That was looked at, and how it is.
    next
        What a person does about it; empty where nothing is to be done.
    """

    level: Level
    what: str
    next: str = ""


def ok(what: str) -> Finding:
    """Nothing is to be done."""
    return Finding(Level.OK, what)


def warn(what: str, next_: str) -> Finding:
    """Nights run all the same."""
    return Finding(Level.WARN, what, next_)


def bad(what: str, next_: str) -> Finding:
    """Nights do not."""
    return Finding(Level.BAD, what, next_)
