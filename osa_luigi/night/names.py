"""The names that files carry at LST-1, written and read back.

Each pair of functions is an exact inverse: what a parser accepts, its formatter writes again letter by letter,
so that a padded or decorated look-alike is never taken for the file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from osa_luigi.errors import NightError
from osa_luigi.night.dates import compact, parse_date

TELESCOPE = "LST-1"
STREAMS = (1, 2, 3, 4)
"""The event builder writes every subrun as four streams, event *i* into one of them."""

# Five digits, or more without leading zeros.
_RUN = r"Run(?P<run>\d{5}|[1-9]\d{5,})"
_SUBRUN = r"(?P<subrun>\d{4}|[1-9]\d{4,})"
_RAW = re.compile(rf"LST-1\.(?P<stream>[1-4])\.{_RUN}\.{_SUBRUN}\.fits\.fz", re.ASCII)
_UNIT = re.compile(rf"{_RUN}(?:\.{_SUBRUN})?", re.ASCII)
_PEDESTAL_IDS = re.compile(rf"pedestal_ids_{_RUN}\.{_SUBRUN}\.h5", re.ASCII)
_TIME_CALIBRATION = re.compile(rf"time_calibration\.{_RUN}\.0000\.h5", re.ASCII)


class RawName(NamedTuple):
    """What the name of a raw file says."""

    run: int
    subrun: int
    stream: int


class Unit(NamedTuple):
    """A run, or one subrun of it."""

    run: int
    subrun: int | None


@dataclass(frozen=True, slots=True)
class DatedName:
    """A kind of file of which there is one a night."""

    prefix: str
    suffix: str

    def format(self, day: date) -> str:
        return f"{self.prefix}{compact(day)}{self.suffix}"

    def parse(self, name: str) -> date | None:
        """The date in the name, None if it is not such a name."""
        match = re.fullmatch(rf"{re.escape(self.prefix)}(\d{{8}}){re.escape(self.suffix)}", name, re.ASCII)
        try:
            return parse_date(match[1]) if match else None
        except NightError:
            return None


RUN_SUMMARY = DatedName("RunSummary_", ".ecsv")
RUN_CATALOG = DatedName("RunCatalog_", ".ecsv")
DRIVE_LOG = DatedName("DrivePosition_log_", ".txt")
BENDING_LOG = DatedName("BendingModelCorrection_log_", ".txt")
SYSTEMATICS = DatedName("ffactor_systematics_", ".h5")


def raw_name(run: int, subrun: int, stream: int) -> str:
    """``LST-1.1.Run02008.0003.fits.fz``."""
    return f"{TELESCOPE}.{stream}.{unit_label(run, subrun)}.fits.fz"


def parse_raw_name(name: str) -> RawName | None:
    """What the name of a raw file says, None if it is not one."""
    match = _RAW.fullmatch(name)
    return RawName(int(match["run"]), int(match["subrun"]), int(match["stream"])) if match else None


def run_label(run: int) -> str:
    """``Run02008``."""
    return f"Run{run:05d}"


def unit_label(run: int, subrun: int | None = None) -> str:
    """``Run02008.0003``, or ``Run02008`` for the whole run."""
    return run_label(run) if subrun is None else f"{run_label(run)}.{subrun:04d}"


def parse_unit(label: str) -> Unit:
    """The run, and the subrun if there is one, that a label means.

    Raises
    ------
    NightError
        Not such a label.
    """
    match = _UNIT.fullmatch(label)
    if match is None:
        raise NightError(f"{label!r} is neither a run nor a subrun: type Run02008 or Run02008.0003")
    return Unit(int(match["run"]), int(match["subrun"]) if match["subrun"] else None)


def pedestal_ids_name(run: int, subrun: int) -> str:
    """``pedestal_ids_Run02008.0003.h5``."""
    return f"pedestal_ids_{unit_label(run, subrun)}.h5"


def parse_pedestal_ids_name(name: str) -> tuple[int, int] | None:
    """Run and subrun of a file of pedestal events, None if it is not one."""
    match = _PEDESTAL_IDS.fullmatch(name)
    return (int(match["run"]), int(match["subrun"])) if match else None


def time_calibration_name(run: int) -> str:
    """``time_calibration.Run02008.0000.h5``."""
    return f"time_calibration.{run_label(run)}.0000.h5"


def parse_time_calibration_name(name: str) -> int | None:
    """The run from which a time calibration was made, None if it is not one."""
    match = _TIME_CALIBRATION.fullmatch(name)
    return int(match["run"]) if match else None
