"""Tiny simulated nights, and reading them back."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np

from osa_luigi.telescope import SimulatedNight, SimulationOptions


def tiny(base: Path, **changes: Any) -> SimulationOptions:
    """A night of some forty events, without random forests, in this process."""
    options: dict[str, Any] = {
        "base": base,
        "date": dt.date(2024, 11, 15),
        "drs4_events": 4,
        "pedcal_events": 8,
        "data_runs": 1,
        "subruns": 2,
        "events": 12,
        "models": False,
        "processes": 1,
    }
    return SimulationOptions(**(options | changes))


def read_raw(night: SimulatedNight, run_id: int, subrun: int) -> list[Any]:
    """Events of all streams of a subrun as protozfits reads them, in order of their numbers."""
    from protozfits import File

    events = []
    for stream in range(1, 5):
        with File(str(night.r0 / f"LST-1.{stream}.Run{run_id:05d}.{subrun:04d}.fits.fz")) as file:
            events += list(file.Events)
    return sorted(events, key=lambda event: int(event.event_id))


def same_events(first: list[Any], second: list[Any]) -> bool:
    """Whether all fields of all events are equal."""
    return len(first) == len(second) and all(
        _same_message(one, other) for one, other in zip(first, second, strict=True)
    )


def _same_message(one: Any, other: Any) -> bool:
    return all(
        _same_message(a, b) if hasattr(a, "_fields") else np.array_equal(a, b) for a, b in zip(one, other, strict=True)
    )
