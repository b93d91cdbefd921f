"""Some of a night's DATA runs: those of a list, of some sources, types, or zenith angles."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cached_property
from itertools import pairwise
from statistics import median

from osa_luigi.night.drive import unix_seconds, zenith_angles
from osa_luigi.night.model import Night, Run, RunType

LONGEST_RUN_S = 1_500
"""The last run of a night ends nowhere in the run summary: its pointing is looked at for so long. Unit: s."""


@dataclass(frozen=True)
class Selection:
    """What is asked of a run; nothing asked: all DATA runs are taken.

    Parameters
    ----------
    numbers
        Of the runs to take; `None`: any.
    sources
        Patterns of source names, in the manner of fnmatch; none: any source, or none.
    types
        Run types that count as DATA.
    zenith
        From and up to these angles, degrees; `None`: no limit.
    take_unknown
        Whether a run is taken of which no zenith angle is known.
    """

    numbers: Collection[int] | None = None
    sources: tuple[str, ...] = ()
    types: tuple[str, ...] = (RunType.DATA.value,)
    zenith: tuple[float | None, float | None] = (None, None)
    take_unknown: bool = False


def select(night: Night, asked: Selection) -> Night:
    """The night with those of its DATA runs that are asked for; of the others it says why they are not (`Night.unselected`).

    Calibration runs and the like stay.

    Raises
    ------
    NightError
        A zenith angle is asked for, and the drive log cannot be read.
    """
    zenith = _Zenith(night)
    kept, left = list[Run](), dict[int, str]()
    for run in night.runs:
        if run.run_type not in (RunType.DATA, RunType.EDATA):
            kept.append(run)
        elif why := _why_not(run, asked, zenith.of):
            left[run.run_id] = why
        else:
            kept.append(replace(run, run_type=RunType.DATA))
    return replace(night, runs=tuple(kept), unselected=left)


def _why_not(run: Run, asked: Selection, zenith: Callable[[Run], float | None]) -> str:
    if run.run_type not in asked.types:
        return f"it is of type {run.run_type}"
    if asked.numbers is not None and run.run_id not in asked.numbers:
        return "it is not in the list of runs"
    if asked.sources and not _fits(run, asked.sources):
        return f"its source is {run.source.name}" if run.source else "the run catalog gives it no source"
    if asked.zenith != (None, None):
        return _why_not_there(zenith(run), asked)
    return ""


def _fits(run: Run, patterns: tuple[str, ...]) -> bool:
    return run.source is not None and any(fnmatchcase(run.source.name.lower(), text.lower()) for text in patterns)


def _why_not_there(zenith: float | None, asked: Selection) -> str:
    if zenith is None:
        return "" if asked.take_unknown else "no drive log tells its zenith angle"
    low, high = asked.zenith
    good = (low is None or zenith >= low) and (high is None or zenith <= high)
    return "" if good else f"its zenith angle is {zenith:.1f} deg"


@dataclass
class _Zenith:
    """Zenith angles of runs: the median by the drive log, which is read when the first is asked for."""

    night: Night

    def of(self, run: Run) -> float | None:
        """In degrees; `None` where the run summary does not know when the run began, or no log has lines of it."""
        began = self._starts.get(run.run_id)
        if began is None:
            return None
        first, last = (bisect_left(self._angles, (time,)) for time in (began, self._ends[began]))
        angles = [angle for _, angle in self._angles[first:last]]
        return median(angles) if angles else None

    @cached_property
    def _angles(self) -> tuple[tuple[float, float], ...]:
        return zenith_angles(self.night.drive_log) if self.night.drive_log else ()

    @cached_property
    def _starts(self) -> dict[int, int]:
        starts = ((run.run_id, unix_seconds(int(run.row.get("run_start") or 0))) for run in self.night.runs)
        return {run: began for run, began in starts if began is not None}

    @cached_property
    def _ends(self) -> dict[int, int]:
        starts = sorted(set(self._starts.values()))
        last = {starts[-1]: starts[-1] + LONGEST_RUN_S} if starts else {}
        return {began: min(following, began + LONGEST_RUN_S) for began, following in pairwise(starts)} | last
