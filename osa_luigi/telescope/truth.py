"""The truth table: what is true of every event of the night."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
from astropy.table import QTable, vstack

from osa_luigi.telescope.faults import Fault
from osa_luigi.telescope.files import written_whole
from osa_luigi.telescope.light import Signal
from osa_luigi.telescope.schedule import EventKind
from osa_luigi.telescope.showers import NAN, Shower

DESCRIPTIONS = {
    "run": "Run number",
    "subrun": "Subrun number",
    "event_id": "Event number, as in the raw data",
    "kind": "dark, flatfield, pedestal, gamma, proton or muon",
    "energy": "Energy of the primary",
    "impact": "Distance of the core from the telescope",
    "core_phi": "Azimuth of the core as seen in the camera",
    "src_x": "Arrival direction in the camera frame, for muons the centre of the ring",
    "src_y": "Arrival direction in the camera frame, for muons the centre of the ring",
    "size": "Photo-electrons in all pixels, night sky apart",
    "thrown": "Showers thrown until this one triggered",
}
UNITS = {"energy": u.TeV, "impact": u.m, "core_phi": u.rad, "src_x": u.m, "src_y": u.m, "size": u.electron}


@dataclass(frozen=True)
class TrueEvent:
    """One row."""

    run: int
    subrun: int
    event_id: int
    kind: str
    energy: float = NAN
    impact: float = NAN
    core_phi: float = NAN
    src_x: float = NAN
    src_y: float = NAN
    size: float = 0.0
    thrown: int = 0


def true_event(place: tuple[int, int, int], kind: EventKind, shower: Shower | None, signal: Signal | None) -> TrueEvent:
    """The row of an event at `place`, which is run, subrun and event number."""
    size = 0.0 if signal is None else round(signal.size, 3)
    if shower is None:
        return TrueEvent(*place, kind.name.lower(), size=size)
    return TrueEvent(
        *place,
        shower.kind,
        shower.energy,
        shower.impact,
        shower.core_phi,
        shower.src_x,
        shower.src_y,
        size,
        shower.thrown,
    )


def write_truth(path: Path, events: Sequence[TrueEvent]) -> None:
    """Write the rows of one subrun."""
    columns: dict[str, Any] = {name: np.array([getattr(e, name) for e in events]) for name in DESCRIPTIONS}
    table = QTable({name: values * UNITS.get(name, 1) if name in UNITS else values for name, values in columns.items()})
    for name, text in DESCRIPTIONS.items():
        table[name].info.description = text
    _write(table, path)


def join_truth(parts: Sequence[Path], path: Path, faults: Sequence[Fault] = ()) -> None:
    """Write the table of the night from those of its subruns; what is wrong with the night is in its ``faults``."""
    table = vstack([QTable.read(part) for part in parts], metadata_conflicts="silent")
    if faults:
        table.meta["faults"] = [str(fault) for fault in faults]
    _write(table, path)


def _write(table: QTable, path: Path) -> None:
    with written_whole(path) as temporary:
        table.write(temporary, format="ascii.ecsv")
