"""Which random forests suit a run: the nearest level of night-sky background, then the nearest declination line.

As LST-1's onsite analysis chooses them: a level counts only if its models were trained with the run's cleaning, and a line only if it
culminates as high as the telescope pointed, so that the simulation covers all zenith angles of the run.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from osa_luigi.errors import NightError
from osa_luigi.night.drive import LATITUDE
from osa_luigi.products import names

Levels = Sequence[tuple[float, Sequence[float]]]
"""Picture threshold (p.e.) → NSB (p.e./ns) of the models that suit it."""


@dataclass(frozen=True, slots=True)
class Models:
    """A folder of models.

    Parameters
    ----------
    folder
        Absolute, as text.
    nsb
        Additional NSB (p.e./ns) of their simulation.
    declination
        Of their simulated pointings (degrees).
    """

    folder: str
    nsb: float
    declination: float

    def __str__(self) -> str:
        """``nsb_tuning_0.14/dec_2276``, wherever it lies."""
        return f"{names.nsb_id(Path(self.folder))}/{Path(self.folder).name}"


def find_models(base: Path, patterns: Sequence[re.Pattern[str]]) -> tuple[Models, ...]:
    """All folders of models below one, sorted.

    Parameters
    ----------
    patterns
        Of the names of folders, level by level, with the groups ``nsb`` and ``declination``.

    Raises
    ------
    NightError
        A folder cannot be read, or none is of such a name.
    """
    found = tuple(sorted(_found(str(base), patterns, {}), key=lambda one: (one.nsb, one.declination, one.folder)))
    if not found:
        raise NightError(
            f"{base}: no folder in it is called as dl2.model_choice.folders says. Correct that setting, or put the models there."
        )
    return found


def _found(folder: str, patterns: Sequence[re.Pattern[str]], said: dict[str, str]) -> Iterator[Models]:
    if not patterns:
        yield Models(folder, float(said["nsb"]), degrees(said["declination"]))
        return
    try:
        inside = [entry.name for entry in os.scandir(folder) if entry.is_dir()]
    except OSError as error:
        raise NightError(
            f"{folder}: cannot be read ({error.strerror or error}): correct dl2.model_choice, or restore it"
        ) from error
    for name in inside:
        if match := patterns[0].fullmatch(name):
            yield from _found(f"{folder}/{name}", patterns[1:], {**said, **match.groupdict()})


def degrees(line: str) -> float:
    """A declination as folders name it: ``2276`` is 22.76, ``min_413`` is -4.13."""
    value = int(line.removeprefix("min_")) / 100
    return -value if line.startswith("min_") else value


def levels_for(levels: Levels, picture_thresh: float) -> Sequence[float]:
    """The NSBs of the models that suit a cleaning; empty if none do."""
    return next((nsbs for picture, nsbs in levels if picture == picture_thresh), ())


def nearest_level(models: Iterable[Models], suiting: Sequence[float], nsb: float) -> float | None:
    """Of the levels that suit the cleaning, and of which there are models, the nearest; of two as near the lower one."""
    there = sorted({one.nsb for one in models if one.nsb in suiting})
    return min(there, key=lambda level: abs(level - nsb), default=None)


def nearest_line(models: Iterable[Models], level: float, declination: float) -> Models:
    """Of the models of a level those of the nearest declination line that culminates as high as the pointing did.

    Between the two lines beside the zenith the nearest is good enough, and so it is where no line is high enough.

    Raises
    ------
    ValueError
        There are none of the level.
    """
    lines = sorted((one for one in models if one.nsb == level), key=lambda one: one.declination)
    beside = sorted((one.declination for one in lines), key=_culmination)[:2]
    if min(beside) <= declination <= max(beside):
        high = lines
    else:
        high = [one for one in lines if _culmination(one.declination) <= _culmination(declination)] or lines
    return min(high, key=lambda one: abs(one.declination - declination))


def _culmination(declination: float) -> float:
    """Zenith angle of the culmination (degrees)."""
    return abs(LATITUDE - declination)


def told(models: Models, nsb: float, picture_thresh: float, known: Mapping[str, Any]) -> dict[str, Any]:
    """A choice as receipts hold it and people read it; `known` is what `pointed` says."""
    why = f"NSB {nsb:g} p.e./ns, picture threshold {picture_thresh:g} p.e., {known['why']}"
    said = {"models": str(models), "folder": models.folder, "nsb": nsb, "picture_thresh": picture_thresh}
    return {**known, **said, "why": f"{models}: {why}"}


def pointed(declination: float, source: str) -> dict[str, Any]:
    """What is known of a choice from the pointing alone."""
    why = f"declination {declination:.2f} deg ({source})"
    return {"declination": declination, "declination_from": source, "why": why}


def none_suits(models: Iterable[Models], levels: Levels, picture_thresh: float, nsb: float) -> str:
    """Why there is no choice, and what to do."""
    there = ", ".join(f"{level:g}" for level in sorted({one.nsb for one in models}))
    suiting = ", ".join(f"{level:g}" for level in levels_for(levels, picture_thresh))
    wanted = f"of NSB {suiting}" if suiting else "of no NSB"
    return (
        f"no random forests suit NSB {nsb:g} p.e./ns and picture threshold {picture_thresh:g} p.e.: dl2.model_choice.levels allows "
        f"models {wanted} for it, and there are those of {there}. Put the models there, or give the levels in a production of its own."
    )
