"""The seam between the simulated events and the raw data formats.

A format is one file with a class like `RawFormat`, and one line in `FORMATS`.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from osa_luigi.errors import NightError
from osa_luigi.telescope.camera import Camera
from osa_luigi.telescope.evbv5 import EvbV5Format
from osa_luigi.telescope.r1v1 import R1v1Format
from osa_luigi.telescope.schedule import EventKind, RunPlan
from osa_luigi.telescope.waveforms import Readout


@dataclass(frozen=True)
class RawEvent:
    """One event as the event builder sees it."""

    event_id: int
    kind: EventKind
    elapsed: int
    """ns since the start of the run."""
    first_cells: NDArray[np.uint16]
    """First DRS4 cell of each readout channel, shape (2120,)."""
    readout: Readout


class SubrunWriter(Protocol):
    """Open files of one subrun."""

    def write(self, event: RawEvent) -> None:
        """Add an event to the stream whose turn it is."""


class RawFormat(Protocol):
    """A format of raw data."""

    def open(self, paths: Sequence[Path], plan: RunPlan, camera: Camera) -> AbstractContextManager[SubrunWriter]:
        """Create the files of one subrun, one for each stream."""

    def selects_gain(self, plan: RunPlan, *, shower: bool) -> bool:
        """Whether the event builder keeps one gain per pixel of showers, or of other events."""


FORMATS: dict[str, RawFormat] = {
    "r1v1": R1v1Format(),
    "evbv5": EvbV5Format(),
    "pe": R1v1Format(calibrated=True),
}


def raw_format(name: str) -> RawFormat:
    """The format of that name."""
    try:
        return FORMATS[name]
    except KeyError:
        known = ", ".join(sorted(FORMATS))
        raise NightError(f"Unknown raw data format {name!r}; there is: {known}") from None
