"""What was observed in a night, as frozen values.

Everything here is sorted and equal from one observation to the next, and ``identity`` is what a step key takes of
it: a mapping that can be written as JSON and does not depend on where the files lie.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import IntFlag, StrEnum
from functools import cached_property
from math import isfinite
from pathlib import Path
from typing import NamedTuple, TypeAlias

from osa_luigi.errors import NightError
from osa_luigi.night.names import STREAMS, raw_name, run_label, unit_label

Json: TypeAlias = str | int | float | bool | None


class RunType(StrEnum):
    """The type of a run in the run summary."""

    DRS4 = "DRS4"
    """Pedestal events for the baseline of the DRS4 chips."""
    PEDCALIB = "PEDCALIB"
    """Pedestal and flat-field events for the charge calibration."""
    DATA = "DATA"
    ERRPEDCALIB = "ERRPEDCALIB"
    """A PEDCALIB run that must not be used."""
    ERROR = "ERROR"
    EDATA = "EDATA"
    """A DATA run that was vetoed."""


class Preprocessing(IntFlag):
    """What the event builder did, the bits of ``evb_preprocessing`` (from ctapipe_io_lst.evb_preprocessing)."""

    GAIN_SELECTION = 1
    BASELINE_SUBTRACTION = 2
    DELTA_T_CORRECTION = 4
    SPIKE_REMOVAL = 8
    PEDESTAL_SUBTRACTION = 32
    PE_CALIBRATION = 64


class DataLevel(StrEnum):
    """The state in which data arrive."""

    RAW = "R0"
    GAIN_SELECTED = "R0G"
    CALIBRATED = "R1"
    """In photo-electrons: the event builder has applied the Cat-A calibration."""

    @classmethod
    def of(cls, preprocessing: int, *, in_r0g: bool) -> DataLevel:
        """The level from what the event builder did and the folder in which the files lie."""
        if preprocessing & Preprocessing.PE_CALIBRATION:
            return cls.CALIBRATED
        if in_r0g or preprocessing & Preprocessing.GAIN_SELECTION:
            return cls.GAIN_SELECTED
        return cls.RAW


@dataclass(frozen=True, slots=True)
class Source:
    """Where a run points, from the run catalog: its name, coordinates (ICRS) in degrees or unknown."""

    name: str
    ra: float | None = None
    dec: float | None = None

    @property
    def identity(self) -> dict[str, Json]:
        return {"name": self.name, "ra": self.ra, "dec": self.dec}


@dataclass(frozen=True, slots=True)
class Pointing:
    """The part of the drive log that a run uses.

    ``interval`` (unix seconds) and the ``sha256`` of its lines are None if the run summary gives no start time
    (always so for R1v1 data): then the name says which log it is, which is append-only, and the receipt records
    what was used. ``declination`` (degrees; apparent, of date) is what the log says of the run's first minutes, None if nothing.
    """

    log: str
    interval: tuple[int, int] | None = None
    sha256: str | None = None
    declination: float | None = field(default=None, compare=False)

    @property
    def identity(self) -> dict[str, object]:
        if self.interval is None:
            return {"log": self.log}
        return {"log": self.log, "interval": list(self.interval), "sha256": self.sha256}


class RawFile(NamedTuple):
    """One stream of a subrun, with its size in bytes."""

    folder: Path
    name: str
    stream: int
    size: int

    @property
    def path(self) -> Path:
        return self.folder / self.name


@dataclass(frozen=True, slots=True)
class Subrun:
    """The raw files of some seconds of a run, all from one folder, R0 or R0G.

    Parameters
    ----------
    folder
        Of the files; ``None`` where there are none.
    streams, sizes
        Of the files, sorted by stream; bytes. A night has tens of thousands: what else they are follows from these.
    """

    run: int
    subrun: int
    folder: Path | None = None
    streams: tuple[int, ...] = ()
    sizes: tuple[int, ...] = ()
    in_r0g: bool = False
    pedestal_ids: Path | None = None

    @property
    def files(self) -> tuple[RawFile, ...]:
        """Sorted by stream."""
        return tuple(map(self.file, self.streams))

    def file(self, stream: int) -> RawFile:
        """The file of a stream that is there."""
        assert self.folder is not None
        return RawFile(self.folder, raw_name(self.run, self.subrun, stream), stream, self.size_of(stream))

    def size_of(self, stream: int) -> int:
        """Bytes of a stream that is there."""
        return self.sizes[self.streams.index(stream)]

    @property
    def label(self) -> str:
        """``Run02008.0003``."""
        return unit_label(self.run, self.subrun)

    @property
    def missing_streams(self) -> tuple[int, ...]:
        return tuple(stream for stream in STREAMS if stream not in self.streams)

    @property
    def is_complete(self) -> bool:
        return not self.missing_streams

    @property
    def size(self) -> int:
        """Bytes of all streams."""
        return sum(self.sizes)

    @property
    def first_stream(self) -> Path:
        """The file that lstchain's tools are given: they find the other streams beside it.

        Raises
        ------
        NightError
            Stream 1 is missing.
        """
        if STREAMS[0] in self.streams:
            return self.file(STREAMS[0]).path
        raise NightError(self.describe_missing() or f"{self.label} has no stream {STREAMS[0]}")

    @property
    def identity(self) -> dict[str, object]:
        return {"files": [[file.name, file.size] for file in self.files]}

    def describe_missing(self) -> str | None:
        """A sentence for the operator if streams are missing, with what to do; None if none are."""
        missing = self.missing_streams
        if not missing:
            return None
        which = f"stream{'s' * (len(missing) > 1)} {', '.join(map(str, missing))}"
        if self.folder:
            which += f" in {self.folder}"
        else:
            which = "all its raw files"
        return f"{self.label} lacks {which}: wait for the transfer, or copy them again, then run again"


@dataclass(frozen=True)
class Run:
    """One row of the run summary, its source, and the subruns that belong to it.

    ``n_subruns`` is what the run summary says (it counts files of stream 1); ``subruns`` holds these and any
    further ones found on disk. ``row`` is the row as plain JSON types and must not be changed.
    """

    run_id: int
    run_type: RunType
    n_subruns: int
    data_format: str
    preprocessing: Preprocessing
    row: Mapping[str, Json] = field(hash=False)
    source: Source | None = None
    subruns: tuple[Subrun, ...] = ()
    pointing: Pointing | None = None

    @property
    def label(self) -> str:
        """``Run02008``."""
        return run_label(self.run_id)

    @property
    def declination(self) -> tuple[float, str] | None:
        """Where the telescope pointed (degrees), and who says so: the run catalog, or else the drive log."""
        if self.source and self.source.dec is not None and isfinite(self.source.dec):
            return self.source.dec, "run catalog"
        if self.pointing and self.pointing.declination is not None:
            return self.pointing.declination, "drive log"
        return None

    @property
    def in_r0g(self) -> bool:
        """Whether any of its files were taken from R0G."""
        return any(subrun.in_r0g for subrun in self.subruns)

    @property
    def level(self) -> DataLevel:
        """The state of its data; of single subruns, when some are gain selected already, see ``level_of``."""
        return DataLevel.of(self.preprocessing, in_r0g=bool(self.subruns) and all(s.in_r0g for s in self.subruns))

    def level_of(self, subrun: Subrun) -> DataLevel:
        return DataLevel.of(self.preprocessing, in_r0g=subrun.in_r0g)

    @property
    def array(self) -> str:
        """The subruns as the indices of a job array: ``0-10``, with gaps ``0-3,5``; empty without subruns."""
        return index_ranges(tuple(subrun.subrun for subrun in self.subruns))

    @property
    def incomplete(self) -> tuple[Subrun, ...]:
        return tuple(subrun for subrun in self.subruns if not subrun.is_complete)

    @property
    def identity(self) -> dict[str, Json]:
        """The row without ``n_subruns``, which grows while the run is taken: no subrun's product depends on it."""
        return {name: value for name, value in sorted(self.row.items()) if name != "n_subruns"}

    def subrun(self, number: int) -> Subrun:
        """
        Raises
        ------
        NightError
            There is no such subrun.
        """
        for subrun in self.subruns:
            if subrun.subrun == number:
                return subrun
        known = f"its subruns are {self.array}" if self.subruns else "no subrun was observed"
        raise NightError(f"{self.label} has no subrun {number}: {known}")


@dataclass(frozen=True)
class Night:
    """An observation date and what was observed in it, runs sorted by number."""

    date: date
    runs: tuple[Run, ...]
    drive_log: Path | None = None
    unlisted_runs: tuple[int, ...] = ()
    """Runs with raw files that the run summary lacks."""
    ignored_files: int = 0
    """Files in the raw folders whose names are not those of raw files."""
    unselected: Mapping[int, str] = field(default_factory=dict, hash=False)
    """DATA runs that were not asked for, and why (see selection.py)."""

    @cached_property
    def _by_id(self) -> Mapping[int, Run]:
        return {run.run_id: run for run in self.runs}

    def run(self, run_id: int) -> Run:
        """
        Raises
        ------
        NightError
            The night has no such run.
        """
        try:
            return self._by_id[run_id]
        except KeyError:
            known = ", ".join(str(run.run_id) for run in self.runs) or "none"
            hint = " It has raw files: make the run summary again." if run_id in self.unlisted_runs else ""
            raise NightError(
                f"{run_label(run_id)} is not in the run summary of {self.date.isoformat()} "
                f"(runs: {known}): check the number.{hint}"
            ) from None

    def of_type(self, run_type: RunType) -> tuple[Run, ...]:
        return tuple(run for run in self.runs if run.run_type is run_type)

    @property
    def erroneous(self) -> tuple[Run, ...]:
        """Runs that are not processed since their type is ERROR: lstchain could not read their first subrun, or a person said so."""
        return self.of_type(RunType.ERROR)

    @property
    def data_runs(self) -> tuple[Run, ...]:
        return self.of_type(RunType.DATA)

    @property
    def drs4(self) -> Run | None:
        """The DRS4 run to use: the one with the highest number."""
        return max(self.of_type(RunType.DRS4), key=lambda run: run.run_id, default=None)

    @property
    def pedcal(self) -> Run | None:
        """The PEDCALIB run to use: the one with the highest number."""
        return max(self.of_type(RunType.PEDCALIB), key=lambda run: run.run_id, default=None)

    @property
    def has_calibration(self) -> bool:
        return self.drs4 is not None and self.pedcal is not None


def index_ranges(indices: tuple[int, ...]) -> str:
    """Indices in SLURM's notation for job arrays: ``(0, 1, 2, 5)`` → ``0-2,5``."""
    ranges: list[tuple[int, int]] = []
    for index in sorted(set(indices)):
        if ranges and index == ranges[-1][1] + 1:
            ranges[-1] = (ranges[-1][0], index)
        else:
            ranges.append((index, index))
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)
