"""The raw files of a night, from one pass over each of its folders."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from osa_luigi.errors import NightError
from osa_luigi.night.dates import compact, parse_date
from osa_luigi.night.model import Subrun
from osa_luigi.night.names import STREAMS, parse_raw_name

_Files = dict[tuple[int, int], dict[int, int]]
"""Run and subrun → stream → bytes."""

_NEAREST = 3


@dataclass(frozen=True)
class RawScan:
    """What was found: subruns by run and number, sorted, and how many other files were passed over."""

    subruns: Mapping[int, Mapping[int, Subrun]]
    ignored: int = 0


def scan_raw(r0_dir: Path, r0g_dir: Path | None, day: date) -> RawScan:
    """The raw files of a night.

    Parameters
    ----------
    r0_dir, r0g_dir
        Folders that hold one folder ``YYYYMMDD`` a night. For each subrun all files come from one of the
        two: from R0G if it is complete there, else from R0, else what R0G has.

    Raises
    ------
    NightError
        Neither has a folder for the night, or it cannot be read.
    """
    r0 = _scan(r0_dir / compact(day))
    r0g = _scan(r0g_dir / compact(day)) if r0g_dir else None
    if r0 is None and r0g is None:
        raise NightError(_missing(r0_dir, r0g_dir, day))
    (raw, raw_ignored), (selected, selected_ignored) = r0 or ({}, 0), r0g or ({}, 0)
    subruns: dict[int, dict[int, Subrun]] = {}
    in_r0, in_selected = r0_dir / compact(day), r0g_dir / compact(day) if r0g_dir else None
    for unit in sorted(raw.keys() | selected.keys()):
        in_r0g = len(selected.get(unit, ())) == len(STREAMS) or unit not in raw
        folder, sizes = (in_selected, selected[unit]) if in_r0g else (in_r0, raw[unit])
        assert folder is not None
        run, number = unit
        subruns.setdefault(run, {})[number] = _subrun(run, number, folder, sizes, in_r0g=in_r0g)
    return RawScan(subruns, raw_ignored + selected_ignored)


def require_raw(r0_dir: Path, r0g_dir: Path | None, day: date) -> None:
    """Whether there is such a night, without a look at its files; parameters as of `scan_raw`.

    Raises
    ------
    NightError
        Neither has a folder for the night.
    """
    if not any((folder / compact(day)).is_dir() for folder in (r0_dir, r0g_dir) if folder):
        raise NightError(_missing(r0_dir, r0g_dir, day))


def _subrun(run: int, number: int, folder: Path, sizes: dict[int, int], *, in_r0g: bool) -> Subrun:
    streams = tuple(sorted(sizes))
    # One tuple for all that are complete, which are nearly all.
    shared = STREAMS if streams == STREAMS else streams
    return Subrun(run, number, folder, shared, tuple(sizes[stream] for stream in streams), in_r0g)


def _scan(folder: Path) -> tuple[_Files, int] | None:
    """Sizes by subrun and stream, and how many other files there are; None if there is no such folder."""
    found: _Files = {}
    ignored = 0
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                name = parse_raw_name(entry.name)
                size = _size(entry) if name else None
                if name is None or size is None:
                    ignored += 1
                    continue
                found.setdefault((name.run, name.subrun), {})[name.stream] = size
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise NightError(f"{folder}: cannot read the raw files ({error.strerror or error}): check the mount") from error
    return found, ignored


def _size(entry: os.DirEntry[str]) -> int | None:
    """Bytes of a file or of what a link leads to; None for folders, dangling links, files just gone."""
    try:
        return entry.stat().st_size if entry.is_file() else None
    except FileNotFoundError:
        return None


def _missing(r0_dir: Path, r0g_dir: Path | None, day: date) -> str:
    folders = [folder for folder in (r0_dir, r0g_dir) if folder]
    where = " nor ".join(str(folder / compact(day)) for folder in folders)
    known = sorted({night for folder in folders for night in _nights(folder)})
    nearest = sorted(sorted(known, key=lambda night: (abs(night - day), night))[:_NEAREST])
    if nearest:
        there = f"the nearest nights there are {', '.join(night.isoformat() for night in nearest)}"
    else:
        there = f"there are no nights at all in {' or '.join(map(str, folders))}"
    verb = "neither" if len(folders) > 1 else "no folder"
    return (
        f"no raw data of {day.isoformat()}: {verb} {where} exists ({there}): "
        "check the date (it is the evening's), wait for the transfer, "
        "or correct the raw folders in the site file"
    )


def _nights(folder: Path) -> set[date]:
    try:
        names = [path.name for path in folder.iterdir()]
    except OSError:
        return set()
    nights = set()
    for name in names:
        try:
            nights.add(parse_date(name))
        except NightError:  # "Trash" and the like
            continue
    return nights
