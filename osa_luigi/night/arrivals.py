"""Which nights have raw folders, and when each last changed: whether its files are still being copied."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from osa_luigi.errors import NightError
from osa_luigi.night.dates import compact
from osa_luigi.night.names import parse_raw_name


@dataclass(frozen=True, slots=True)
class Arrival:
    """What lies in a night's raw folders.

    Parameters
    ----------
    files
        Raw files.
    changed
        When anything there last changed (UTC): by the files' status, whose time no copying program can set; `None` if nothing is there.
    """

    files: int = 0
    changed: datetime | None = None


def arrival(folders: Iterable[Path], day: date) -> Arrival:
    """How far the raw files of a night have arrived.

    Parameters
    ----------
    folders
        Such as hold one folder ``YYYYMMDD`` a night. One that is not there holds nothing.

    Raises
    ------
    NightError
        A folder cannot be read.
    """
    files, newest = 0, 0.0
    for folder in folders:
        for entry in _entries(folder / compact(day)):
            files += parse_raw_name(entry.name) is not None
            newest = max(newest, _changed(entry))
    return Arrival(files, datetime.fromtimestamp(newest, UTC) if newest else None)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise NightError(f"{folder}: cannot read the raw files ({error.strerror or error}): check the mount") from error


def _changed(entry: os.DirEntry[str]) -> float:
    """Also of what is half copied under another name, as rsync does."""
    try:
        return entry.stat().st_ctime
    except FileNotFoundError:
        return 0.0
