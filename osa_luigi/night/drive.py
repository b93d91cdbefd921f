"""The drive log: where the telescope pointed, one line a second (``unix-seconds azimuth zenith``)."""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from osa_luigi.errors import NightError
from osa_luigi.night.model import Pointing
from osa_luigi.night.names import BENDING_LOG, DRIVE_LOG

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
        """A drive log, and the bending corrections beside it if there are any: lstchain takes both.

        Raises
        ------
        NightError
            A file cannot be read.
        """
        bending = path.with_name(path.name.replace(DRIVE_LOG.prefix, BENDING_LOG.prefix))
        lines = [line for log in dict.fromkeys((path, bending)) for line in _lines(log, optional=log != path)]
        stamped = sorted((stamp, line) for line in lines if (stamp := _stamp(line)) is not None)
        return cls(path.name, tuple(stamp for stamp, _ in stamped), tuple(line for _, line in stamped))

    def pointing(self, start: int, next_start: int | None) -> Pointing:
        """The lines that a run uses.

        The interval goes on to the start of the next run. While that is not known, or the log has not
        come so far, it ends with the start of the run itself: the log still grows, and a run's
        pointing must not change with every line of it.

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


def _lines(path: Path, *, optional: bool) -> list[bytes]:
    """The finished lines: the last one may be half written."""
    try:
        content = path.read_bytes()
    except OSError as error:
        if optional and isinstance(error, FileNotFoundError):
            return []
        raise NightError(
            f"{path}: cannot read the drive log ({error.strerror or error}): check it and observe again"
        ) from error
    return content[: content.rfind(b"\n") + 1].splitlines()


def _stamp(line: bytes) -> float | None:
    try:
        stamp = float(line.split(maxsplit=1)[0])
    except (ValueError, IndexError):
        return None
    return stamp if isfinite(stamp) else None
