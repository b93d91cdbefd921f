"""What may go wrong with a night: faults that are asked for by name and place. Standard library only."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

from osa_luigi.errors import NightError


class FaultKind(StrEnum):
    """Kinds of faults, as they are asked for."""

    TRUNCATED = "truncated"
    """A raw file that ends in the middle of its table of events."""
    EMPTY_FILE = "empty-file"
    """A raw file of no bytes."""
    FLIPPED_BIT = "flipped-bit"
    """A raw file with one wrong bit in its events; its size is right."""
    MISSING_STREAM = "missing-stream"
    """One of a subrun's four files is not there."""
    MISSING_SUBRUN = "missing-subrun"
    """None of them is there."""
    LATE = "late"
    """Raw files that come later: when they are delivered."""
    SPARSE = "sparse"
    """A last subrun with almost no events and none interleaved."""
    NO_POINTING = "no-pointing"
    """The drive log lacks a run, or there is none."""
    NO_CALIBRATION = "no-calibration"
    """A night without DRS4 and PEDCALIB runs."""


class Depth(NamedTuple):
    """How many parts of RUN.SUBRUN.STREAM a kind of fault takes."""

    least: int
    most: int

    def __str__(self) -> str:
        shapes = ["", ":RUN", ":RUN.SUBRUN", ":RUN.SUBRUN.STREAM"][self.least : self.most + 1]
        return " or ".join(f"KIND{shape}" for shape in shapes)


DEPTHS = {
    FaultKind.TRUNCATED: Depth(2, 3),
    FaultKind.EMPTY_FILE: Depth(2, 3),
    FaultKind.FLIPPED_BIT: Depth(2, 3),
    FaultKind.MISSING_STREAM: Depth(2, 3),
    FaultKind.MISSING_SUBRUN: Depth(2, 2),
    FaultKind.LATE: Depth(1, 3),
    FaultKind.SPARSE: Depth(1, 1),
    FaultKind.NO_POINTING: Depth(0, 1),
    FaultKind.NO_CALIBRATION: Depth(0, 0),
}
ONE_FILE = (FaultKind.TRUNCATED, FaultKind.EMPTY_FILE, FaultKind.FLIPPED_BIT, FaultKind.MISSING_STREAM)
"""They hit one stream: one that the seed decides, unless it is named."""
DAMAGE = (FaultKind.TRUNCATED, FaultKind.EMPTY_FILE, FaultKind.FLIPPED_BIT)
"""They leave a file that is not whole."""
OF_FILES = (*ONE_FILE, FaultKind.MISSING_SUBRUN, FaultKind.LATE)
"""Of these the whole files are held back, beside the tree."""
_PLACE = re.compile(r"\d+(\.\d+){0,2}")


@dataclass(frozen=True, order=True)
class Fault:
    """One fault; what is None is the whole night, the whole run, or all streams."""

    kind: FaultKind
    run: int | None = None
    subrun: int | None = None
    stream: int | None = None

    @classmethod
    def parse(cls, text: str) -> Fault:
        """From ``KIND[:RUN[.SUBRUN[.STREAM]]]``.

        Raises
        ------
        NightError
            There is no such kind, or its place is missing, too exact, or no numbers.
        """
        name, _, place = text.partition(":")
        if name not in list(FaultKind):
            raise NightError(f"there is no fault {name!r}; there are: {', '.join(FaultKind)}")
        kind = FaultKind(name)
        if place and not _PLACE.fullmatch(place):
            raise NightError(f"fault {text!r}: {place!r} is not RUN, RUN.SUBRUN or RUN.SUBRUN.STREAM")
        numbers = [int(number) for number in place.split(".")] if place else []
        depth = DEPTHS[kind]
        if not depth.least <= len(numbers) <= depth.most:
            raise NightError(f"fault {text!r}: must be {str(depth).replace('KIND', kind)}")
        return cls(kind, *numbers)

    def __str__(self) -> str:
        place = ".".join(str(number) for number in (self.run, self.subrun, self.stream) if number is not None)
        return f"{self.kind}:{place}" if place else str(self.kind)

    def hits(self, run: int, subrun: int, stream: int | None = None) -> bool:
        """Whether it is of this subrun, or of this file."""
        asked = ((self.run, run), (self.subrun, subrun), (self.stream, stream))
        return all(mine is None or its is None or mine == its for mine, its in asked)

    def at(self, stream: int) -> Fault:
        """The same of one stream."""
        return replace(self, stream=stream)


def problems(faults: tuple[Fault, ...], subruns: dict[int, int], data_runs: range, streams: int) -> list[str]:
    """What is wrong with the faults of a night.

    Parameters
    ----------
    subruns
        Run number → its subruns.
    """
    found = [problem for fault in faults if (problem := _problem(fault, subruns, data_runs, streams))]
    of_files = [fault for fault in faults if fault.kind in OF_FILES]
    for index, fault in enumerate(of_files):
        found += [
            f"faults {other} and {fault} are of the same file" for other in of_files[:index] if _same(fault, other)
        ]
    without = any(fault.kind is FaultKind.NO_CALIBRATION for fault in faults)
    if without:
        found += [f"fault {one}: there are no calibration runs" for one in of_files if one.run not in data_runs]
    return found


def _problem(fault: Fault, subruns: dict[int, int], data_runs: range, streams: int) -> str | None:
    if fault.run is None:
        return None
    if fault.run not in subruns:
        return f"fault {fault}: the night has the runs {min(subruns)} to {max(subruns)}"
    last = subruns[fault.run] - 1
    if fault.subrun is not None and fault.subrun > last:
        return f"fault {fault}: the subruns of run {fault.run} are 0 to {last}"
    if fault.stream is not None and not 1 <= fault.stream <= streams:
        return f"fault {fault}: the streams are 1 to {streams}"
    if fault.kind in (FaultKind.SPARSE, FaultKind.NO_POINTING) and fault.run not in data_runs:
        return f"fault {fault}: run {fault.run} is no DATA run"
    return None


def _same(one: Fault, other: Fault) -> bool:
    """Whether both could be of one file; where the seed decides on the stream, it might decide so."""
    pairs = ((one.run, other.run), (one.subrun, other.subrun), (one.stream, other.stream))
    return all(a is None or b is None or a == b for a, b in pairs)
