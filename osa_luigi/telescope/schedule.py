"""When the events of a run come, of what kind they are, and where the DRS4 ring stands.

Drawn for the whole run at once and cheap, so that every subrun knows its events' numbers and times without the
subruns before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from ctapipe_io_lst.constants import N_CAPACITORS_PIXEL
from numpy.typing import NDArray

from osa_luigi.telescope.options import RunType
from osa_luigi.telescope.seeds import Purpose, random_stream

DEAD_TIME = 7_000
"""ns between two events at least."""
RATE = {RunType.DRS4: 300.0, RunType.PEDCALIB: 100.0, RunType.DATA: 40.0}
"""Events per second. Real data come at 10 kHz; fewer of ours would be too short for an analysis."""
DRS4_STEP = 27
"""By how many cells the ring moves from event to event of a DRS4 run: 1,000 events then reach every cell."""
FLATFIELD_STEP = 8
"""By how many cells it moves between flat-field events: 128 of them fill each bin of the time calibration."""


class EventKind(IntEnum):
    """What an event is in truth."""

    DARK = 0
    FLATFIELD = 1
    PEDESTAL = 2
    GAMMA = 3
    PROTON = 4
    MUON = 5


SPARSE_EVENTS = 6
"""Events of a last subrun that has almost none: the run was ended just after it began."""
SHOWER_SHARES = {EventKind.GAMMA: 0.35, EventKind.PROTON: 0.55, EventKind.MUON: 0.10}


@dataclass(frozen=True)
class RunPlan:
    """What is decided about a run before its events are made."""

    seed: int
    """Of the night."""
    run_id: int
    run_type: RunType
    subruns: int
    events: int
    """Per subrun."""
    start_tai: int
    """s since 1970-01-01 TAI."""
    source: tuple[float, float]
    """The source in the camera, m."""
    interleaved_period: int
    """One event in so many of a DATA run is a flat-field one, another a pedestal."""
    both_gains: bool
    """Whether the event builder keeps both gains of showers, too."""
    sparse: bool = False
    """Whether the last subrun has almost no events and none interleaved."""


@dataclass(frozen=True)
class Schedule:
    """Events of a run or of a part of it; arrays of equal length."""

    event_id: NDArray[np.int64]
    """From 1, running on across subruns."""
    elapsed: NDArray[np.int64]
    """ns since the start of the run."""
    kind: NDArray[np.int64]
    """An `EventKind` each."""
    first_cell: NDArray[np.int64]
    """Position of the DRS4 ring, 0 to 4095."""

    def part(self, which: slice) -> Schedule:
        """A part of the events."""
        return Schedule(self.event_id[which], self.elapsed[which], self.kind[which], self.first_cell[which])


def run_schedule(plan: RunPlan) -> Schedule:
    """The events of a whole run."""
    rng = random_stream(plan.seed, Purpose.SCHEDULE, plan.run_id)
    count = plan.subruns * plan.events
    gaps = rng.exponential(1e9 / RATE[plan.run_type], count).astype(np.int64) + DEAD_TIME
    kind = _kinds(rng, plan, count)
    return Schedule(
        event_id=np.arange(1, count + 1),
        elapsed=np.cumsum(gaps),
        kind=kind,
        first_cell=_first_cells(rng, plan.run_type, kind),
    )


def subrun_schedule(plan: RunPlan, subrun: int) -> Schedule:
    """The events of one subrun."""
    whole = run_schedule(plan).part(slice(subrun * plan.events, (subrun + 1) * plan.events))
    return _sparse(whole) if plan.sparse and subrun == plan.subruns - 1 else whole


def _sparse(whole: Schedule) -> Schedule:
    """The first few times of a subrun, with its first showers."""
    showers = whole.kind[np.isin(whole.kind, [int(kind) for kind in SHOWER_SHARES])][:SPARSE_EVENTS]
    few = whole.part(slice(len(showers)))
    return Schedule(few.event_id, few.elapsed, showers, few.first_cell)


def run_duration(plan: RunPlan) -> float:
    """Seconds from the start of a run to its last event."""
    return float(run_schedule(plan).elapsed[-1]) * 1e-9


def _kinds(rng: np.random.Generator, plan: RunPlan, count: int) -> NDArray[np.int64]:
    index = np.arange(count)
    if plan.run_type is RunType.DRS4:
        return np.full(count, EventKind.DARK, np.int64)
    if plan.run_type is RunType.PEDCALIB:
        return np.where(index % 2 == 0, EventKind.FLATFIELD, EventKind.PEDESTAL).astype(np.int64)
    kinds = rng.choice([int(kind) for kind in SHOWER_SHARES], count, p=list(SHOWER_SHARES.values()))
    phase = index % plan.interleaved_period
    kinds[phase == plan.interleaved_period // 4] = EventKind.FLATFIELD
    kinds[phase == 3 * plan.interleaved_period // 4] = EventKind.PEDESTAL
    return kinds.astype(np.int64)


def _first_cells(rng: np.random.Generator, run_type: RunType, kind: NDArray[np.int64]) -> NDArray[np.int64]:
    cells: NDArray[np.int64] = rng.integers(0, N_CAPACITORS_PIXEL, len(kind))
    if run_type is RunType.DRS4:
        cells = np.arange(1, len(kind) + 1) * DRS4_STEP % N_CAPACITORS_PIXEL
    flatfield = np.flatnonzero(kind == EventKind.FLATFIELD)
    cells[flatfield] = flatfield_cells(len(flatfield))
    return cells


def flatfield_cells(count: int) -> NDArray[np.int64]:
    """Ring positions of flat-field events: step by step through the 1024 cells of each of the four chips."""
    cells: NDArray[np.int64] = np.arange(count) * FLATFIELD_STEP % N_CAPACITORS_PIXEL
    return cells
