"""Which calibration a night uses: its own runs or an earlier night's, and files that are made elsewhere."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from osa_luigi.errors import NightError
from osa_luigi.night.dates import compact, parse_date
from osa_luigi.night.model import Night, RunType
from osa_luigi.night.names import SYSTEMATICS, parse_time_calibration_name, run_label

_LATEST = "pro"
"""LST's link to the version in use."""


@dataclass(frozen=True, slots=True, order=True)
class CalibrationSource:
    """The night and the runs from which the calibration is made."""

    date: date
    drs4_run: int
    pedcal_run: int


def _nothing(_day: date) -> None:
    return None


def find_calibration(
    day: date,
    look_back_days: int,
    observe_date: Callable[[date], Night | None],
    begun: Callable[[date], CalibrationSource | None] = _nothing,
) -> CalibrationSource:
    """Tonight's calibration runs if it has both, else those of the latest earlier night that has.

    Parameters
    ----------
    look_back_days
        How many days before tonight may be used; 0 for tonight only.
    observe_date
        What was observed at a date, None if nothing. Earlier nights that cannot be read are passed over.
    begun
        The runs of which a calibration of a date was made already: they go before later ones, as long as they count.

    Raises
    ------
    NightError
        No night within the limit has a DRS4 and a PEDCALIB run; or tonight itself cannot be read.
    """
    lacking = []
    for days in range(look_back_days + 1):
        candidate = day - timedelta(days=days)
        try:
            night = observe_date(candidate)
        except NightError as error:
            if not days:
                raise
            lacking.append(f"{candidate.isoformat()}: {str(error)[:120]}")
            continue
        if night is not None and night.drs4 is not None and night.pedcal is not None:
            made = begun(candidate)
            latest = CalibrationSource(candidate, night.drs4.run_id, night.pedcal.run_id)
            return made if made and _counts(night, made) else latest
        lacking.append(f"{candidate.isoformat()}: {_lacks(night)}")
    raise NightError(
        f"no calibration for {day.isoformat()}: looked {look_back_days} days back, "
        f"to {candidate.isoformat()}, and no night has a DRS4 and a PEDCALIB run:\n  "
        + "\n  ".join(lacking)
        + "\nRaise calibration.look_back_days in the procedure, or correct the run types in the run summary."
    )


def _counts(night: Night, source: CalibrationSource) -> bool:
    """Whether its runs still are of their types: a faulty one is marked in the run summary."""
    types = {run.run_id: run.run_type for run in night.runs}
    return types.get(source.drs4_run) is RunType.DRS4 and types.get(source.pedcal_run) is RunType.PEDCALIB


def _lacks(night: Night | None) -> str:
    if night is None:
        return "not observed"
    missing = [name for name, run in (("DRS4", night.drs4), ("PEDCALIB", night.pedcal)) if run is None]
    return f"no {' and no '.join(missing)} run"


def find_time_calibration(folder: Path, day: date, run: int) -> Path:
    """The time calibration of the last run not after a PEDCALIB run (LST's rule).

    Parameters
    ----------
    folder
        Holds ``YYYYMMDD/pro/time_calibration.RunR.0000.h5``. Where a date has no ``pro``,
        its last version is taken.
    day
        Of the PEDCALIB run, for the message.

    Raises
    ------
    NightError
        There is none.
    """
    found: dict[int, Path] = {}
    for version in _versions(folder):
        for path in sorted(version.iterdir()):
            made_from = parse_time_calibration_name(path.name)
            if made_from is not None and path.is_file():
                found[made_from] = path
    usable = [made_from for made_from in found if made_from <= run]
    if usable:
        return found[max(usable)].resolve()
    first = f"the first one there is of {run_label(min(found))}" if found else "there is none at all"
    raise NightError(
        f"{folder}: no time calibration from {run_label(run)} ({day.isoformat()}) or an earlier run, "
        f"{first}: make one with lstchain_data_create_time_calibration_file, or correct the folder in the site file"
    )


def find_systematics(folder: Path, day: date) -> Path:
    """The F-factor systematics of the last date not after a night, or else of the first date (LST's rule).

    Parameters
    ----------
    folder
        Holds ``YYYYMMDD/pro/ffactor_systematics_YYYYMMDD.h5``. Where a date has no ``pro``,
        its last version is taken.

    Raises
    ------
    NightError
        There are none.
    """
    found = {}
    for version in _versions(folder):
        made_for = parse_date(version.parent.name)
        path = version / SYSTEMATICS.format(made_for)
        if path.is_file():
            found[made_for] = path
    if not found:
        raise NightError(
            f"{folder}: no F-factor systematics for {compact(day)}: "
            f"put YYYYMMDD/{_LATEST}/ffactor_systematics_YYYYMMDD.h5 there, "
            "or correct the folder in the site file"
        )
    return found[max((d for d in found if d <= day), default=min(found))].resolve()


def _versions(folder: Path) -> Iterator[Path]:
    """For each date the version folder to use, earliest date first."""
    for day in _subfolders(folder):
        try:
            parse_date(day.name)
        except NightError:
            continue
        versions = _subfolders(day)
        latest = [version for version in versions if version.name == _LATEST] or versions[-1:]
        yield from latest


def _subfolders(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return [folder / name for name in sorted(entry.name for entry in entries if entry.is_dir())]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise NightError(f"{folder}: cannot be read ({error.strerror or error}): check the mount") from error
