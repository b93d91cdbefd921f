"""The drive log: where the telescope pointed, one line a second (``unix-seconds azimuth zenith``)."""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from pathlib import Path

from osa_luigi.errors import NightError
from osa_luigi.night.model import Pointing

MARGIN = 60
"""Seconds taken before and after a run, for interpolation and clock differences."""

TAI_MINUS_UTC = 37
"""Seconds; since 2017, so for all LST data."""


@dataclass(frozen=True)
class DriveLog:
    """The lines of a drive log, sorted by their time stamps (unix seconds, UTC)."""

    name: str
    stamps: tuple[float, ...]
    lines: tuple[bytes, ...]

    @classmethod
    def read(cls, path: Path) -> DriveLog:
        """
        Raises
        ------
        NightError
            The file cannot be read.
        """
        try:
            content = path.read_bytes()
        except OSError as error:
            raise NightError(
                f"{path}: cannot read the drive log ({error.strerror or error}): check it and observe again"
            ) from error
        stamped = sorted((stamp, line) for line in content.splitlines() if (stamp := _stamp(line)) is not None)
        return cls(path.name, tuple(stamp for stamp, _ in stamped), tuple(line for _, line in stamped))

    def pointing(self, start: int, next_start: int | None) -> Pointing:
        """The lines that a run uses.

        The interval goes on to the start of the next run. While that is not known, or the log has not
        come so far, it ends with the start of the run itself: the log still grows, and by that a run's
        pointing must not change more often than once.

        Parameters
        ----------
        start, next_start
            Unix seconds (UTC).
        """
        until = start if next_start is None else next_start + MARGIN
        if not self.stamps or self.stamps[-1] < until:
            until = start
        interval = (start - MARGIN, until)
        first, last = bisect_left(self.stamps, interval[0]), bisect_right(self.stamps, interval[1])
        digest = hashlib.sha256(b"".join(line + b"\n" for line in self.lines[first:last]))
        return Pointing(self.name, interval, digest.hexdigest())


def unix_seconds(run_start: int) -> int | None:
    """A ``run_start`` of the run summary (nanoseconds, TAI) in unix seconds (UTC), None if not known."""
    return run_start // 10**9 - TAI_MINUS_UTC if run_start > 0 else None


def _stamp(line: bytes) -> float | None:
    try:
        return float(line.split(maxsplit=1)[0])
    except (ValueError, IndexError):
        return None
