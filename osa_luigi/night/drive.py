"""The drive log: where the telescope pointed, one line a second (``unix-seconds azimuth zenith``)."""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from math import asin, cos, degrees, inf, isfinite, radians, sin
from pathlib import Path
from statistics import median

from osa_luigi.errors import NightError
from osa_luigi.night.model import Pointing
from osa_luigi.night.names import BENDING_LOG, DRIVE_LOG

MARGIN = 60
"""Seconds taken before and after a run, for interpolation and clock differences."""

LATITUDE = 28.7615
"""Of LST-1 (degrees north)."""

SETTLED = 300
"""Seconds from the start of a run whose positions tell where it points: they do not change while the log grows."""

STEADY = 1.0
"""Degrees by which the declination may change in that time while the telescope tracks."""

TAI_MINUS_UTC = 37
"""Seconds; since 2017, so for all LST data."""


@dataclass(frozen=True)
class DriveLog:
    """The lines of a drive log, sorted by their time stamps (unix seconds, UTC).

    ``covered`` is the time up to which all of it was written: no line that is still to come is older. ``positions`` are the lines
    of the log itself, without those of the bending corrections.
    """

    name: str
    stamps: tuple[float, ...]
    lines: tuple[bytes, ...]
    covered: float
    positions: tuple[tuple[float, bytes], ...] = ()

    @classmethod
    def read(cls, path: Path) -> DriveLog:
        """A drive log, and the bending corrections beside it if there are any: lstchain takes both.

        Raises
        ------
        NightError
            A file cannot be read.
        """
        bending = path.with_name(path.name.replace(DRIVE_LOG.prefix, BENDING_LOG.prefix))
        logs = [_stamped(path), *([_stamped(bending)] if bending != path and bending.exists() else [])]
        covered = min(max((stamp for stamp, _ in log), default=-inf) for log in logs)
        stamped = sorted(line for log in logs for line in log)
        stamps, lines = tuple(stamp for stamp, _ in stamped), tuple(line for _, line in stamped)
        return cls(path.name, stamps, lines, covered, tuple(sorted(logs[0])))

    def pointing(self, start: int, next_start: int | None) -> Pointing:
        """The lines that a run uses.

        The interval goes on to the start of the next run. While that is not known, or the log has not
        come so far, it ends with the start of the run itself. So it changes once while a night is taken:
        what was made before keeps the pointing that it has, as long as the log `goes_on_from` it.

        Parameters
        ----------
        start, next_start
            Unix seconds (UTC).
        """
        until = start if next_start is None or self.covered < next_start + MARGIN else next_start + MARGIN
        interval = (start - MARGIN, until)
        digest = hashlib.sha256(
            b"".join(line + b"\n" for line in self._between(start - MARGIN, min(until, self.covered)))
        )
        return Pointing(self.name, interval, digest.hexdigest(), self.declination(start, next_start))

    def declination(self, start: int, next_start: int | None) -> float | None:
        """Where the telescope pointed in the first minutes of a run (degrees); None if it did not track, or the log is not so far.

        Parameters
        ----------
        start, next_start
            Unix seconds (UTC).
        """
        end = min(start + SETTLED, next_start or inf)
        if self.covered < end:
            return None
        first, last = (bisect_left(self.positions, (stamp,)) for stamp in (start, end))
        found = [value for _, line in self.positions[first:last] if (value := _declination(line)) is not None]
        return median(found) if found and max(found) - min(found) <= STEADY else None

    def goes_on_from(self, begin: int, end: int, sha256: str) -> bool:
        """Whether the lines taken from an interval earlier are still the first that it has: the log has only grown.

        Parameters
        ----------
        begin, end
            Of the interval, unix seconds (UTC).
        sha256
            Of the lines that were taken, as in a `Pointing`.
        """
        found = hashlib.sha256()
        for line in self._between(begin, end):
            if found.hexdigest() == sha256:
                return True
            found.update(line + b"\n")
        return found.hexdigest() == sha256

    def _between(self, begin: float, end: float) -> tuple[bytes, ...]:
        return self.lines[bisect_left(self.stamps, begin) : bisect_right(self.stamps, end)]


def _declination(line: bytes) -> float | None:
    """Of a line ``unix-seconds azimuth zenith`` (degrees, azimuth from north through east)."""
    latitude = radians(LATITUDE)
    try:
        azimuth, zenith = (radians(float(word)) for word in line.split()[1:3])
        height = sin(latitude) * cos(zenith) + cos(latitude) * sin(zenith) * cos(azimuth)
    except ValueError:
        return None
    return degrees(asin(max(-1.0, min(1.0, height)))) if isfinite(height) else None


def pointing_times(path: Path) -> tuple[float, ...]:
    """When the lines of a log of positions were written, sorted unix seconds (UTC).

    Raises
    ------
    NightError
        It cannot be read.
    """
    return tuple(sorted(stamp for stamp, _ in _stamped(path)))


def zenith_angles(path: Path) -> tuple[tuple[float, float], ...]:
    """Unix seconds (UTC) and zenith angle (degrees) of each line of a log of positions, sorted.

    Raises
    ------
    NightError
        It cannot be read.
    """
    found = ((stamp, line.split()) for stamp, line in _stamped(path))
    angles = ((stamp, _angle(words)) for stamp, words in found)
    return tuple(sorted((stamp, angle) for stamp, angle in angles if angle is not None))


def unix_seconds(run_start: int) -> int | None:
    """A ``run_start`` of the run summary (nanoseconds, TAI) in unix seconds (UTC), None if not known."""
    return run_start // 10**9 - TAI_MINUS_UTC if run_start > 0 else None


def _stamped(path: Path) -> list[tuple[float, bytes]]:
    """The finished lines with their time stamps: the last one may be half written."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise NightError(
            f"{path}: cannot read the drive log ({error.strerror or error}): check it and observe again"
        ) from error
    lines = content[: content.rfind(b"\n") + 1].splitlines()
    return [(stamp, line) for line in lines if (stamp := _stamp(line)) is not None]


def _angle(words: list[bytes]) -> float | None:
    """The third column, if there is such an angle."""
    try:
        angle = float(words[2])
    except (ValueError, IndexError):
        return None
    return angle if 0 <= angle <= 180 else None


def _stamp(line: bytes) -> float | None:
    try:
        stamp = float(line.split(maxsplit=1)[0])
    except (ValueError, IndexError):
        return None
    return stamp if isfinite(stamp) else None
