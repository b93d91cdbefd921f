"""Which productions a site has, and which of them are asked for."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from osa_luigi.config import MainConfig
from osa_luigi.errors import NightError
from osa_luigi.night.dates import parse_date
from osa_luigi.products.production import Production

Key = tuple[date, str]

PRODUCTION_ID = re.compile(r"(?!\.)[A-Za-z0-9._+-]{1,64}", re.ASCII)
"""As the configuration takes them; a folder of another name is none of ours."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The nights that are asked for: all, those of `dates`, or the newest so many (`last`) that have a folder."""

    dates: frozenset[date] = frozenset()
    last: int | None = None

    def of(self, days: Iterable[date]) -> list[date]:
        """Those of the site's nights that are asked for, the oldest first."""
        known = sorted(day for day in days if not self.dates or day in self.dates)
        return known if self.last is None else known[max(len(known) - self.last, 0) :]

    def covers(self, day: date, found: Iterable[Key]) -> bool:
        """Whether a night of which there is nothing any more is meant as well."""
        if self.dates:
            return day in self.dates
        first = min((known for known, _ in found), default=None)
        return self.last is None or (first is not None and day >= first)


def productions(main: MainConfig, choice: Choice) -> dict[Key, Production]:
    """The productions of the nights that are asked for, in order: those that this engine, and no other program, has begun.

    Raises
    ------
    NightError
        The folder of productions is not there, or cannot be read.
    """
    root = main.site.paths.running_analysis
    try:
        nights = {day: path for path in _folders(root) if (day := _date(path.name))}
    except OSError as error:
        raise NightError(
            f"{root}: cannot be read ({error.strerror}). Look whether it is mounted, and site.paths.running_analysis."
        ) from error
    found = {}
    for day in choice.of(nights):
        for folder in _folders(nights[day]):
            if PRODUCTION_ID.fullmatch(folder.name) and (folder / ".osa").is_dir():
                found[day, folder.name] = Production(folder)
    return found


def _folders(folder: Path) -> list[Path]:
    return sorted(Path(entry.path) for entry in os.scandir(folder) if entry.is_dir())


def _date(name: str) -> date | None:
    if not (len(name) == 8 and name.isdecimal()):
        return None
    try:
        return parse_date(name)
    except NightError:
        return None
