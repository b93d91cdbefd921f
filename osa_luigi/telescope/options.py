"""What can be asked of the simulated telescope, and what it gives back. Standard library only."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Literal

from osa_luigi.errors import NightError
from osa_luigi.telescope.faults import Fault, FaultKind, problems

ProgressCallback = Callable[[str, float], None]
"""``(stage, fraction of the whole night done)``."""

N_STREAMS = 4
"""The event builder writes event *i* of a subrun to stream *i* modulo 4."""


class RunType(StrEnum):
    """The run types of the run summary of lstchain."""

    DRS4 = "DRS4"
    PEDCALIB = "PEDCALIB"
    DATA = "DATA"


@dataclass(frozen=True, kw_only=True)
class SimulationOptions:
    """One simulated night. All but `base` and `processes` decide what the data are.

    Parameters
    ----------
    base
        Root of the tree; stands for ``/fefs/aswg/data/real`` (plus ``models`` and ``mc``).
    date
        The observation date: that of the evening. The first run starts at 01:00 UTC of the next day.
    seed
        Of everything random. The same options give the same events.
    format
        Name of the raw data format, one of `osa_luigi.telescope.formats.FORMATS`.
    drs4_events
        Events of the DRS4 run. Below 500 lstchain does not recognise the run's type, below 1,000 its plot fails.
    pedcal_events
        Events of the PEDCALIB run, half flat-field and half pedestal. Below 512 some pixels lack a bin of the
        time calibration: every bin gets one pulse from 256 on, but lstchain leaves out those below 200 ADC counts.
    data_runs, subruns, events
        Number of DATA runs, of subruns in each, and of events in each subrun.
    interleaved_period
        One event in so many of a DATA run is a flat-field one, another a pedestal. With less than 11 and 500 events in a
        subrun, lstchain takes the run for PEDCALIB. It finds cleaning levels in subruns with 100 pedestals and more.
    gains
        Of the showers. ``"selected"``: the event builder keeps one per pixel; ``"both"``: it keeps both, for the analysis to
        select. Calibration events always have both.
    first_run
        Number of the DRS4 run; PEDCALIB and DATA follow.
    time_calibration
        ``"truth"``: write the DRS4 time calibration file, from what is true of the simulated camera.
        ``"run"``: leave it out, for the analysis to make it from the PEDCALIB run.
    mc_events
        Pseudo-Monte-Carlo gammas, and as many protons, for the random forests.
    models
        Make the Monte-Carlo and train the random forests.
    trees
        Trees per random forest.
    faults
        What is wrong with the night; the rest of it is as without.
    processes
        How many to work in. None: as many as there are processors; 1: all in the calling process.
    """

    base: Path
    date: date
    seed: int = 1
    format: str = "r1v1"
    drs4_events: int = 1100
    pedcal_events: int = 800
    data_runs: int = 2
    subruns: int = 3
    events: int = 200
    interleaved_period: int = 20
    gains: Literal["selected", "both"] = "selected"
    first_run: int = 2001
    time_calibration: Literal["truth", "run"] = "truth"
    mc_events: int = 1500
    models: bool = True
    trees: int = 10
    faults: tuple[Fault, ...] = ()
    processes: int | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be written, all of it in one message."""
        # A stream without events hangs the zfits writer at the end of the process, hence one event for each.
        smallest = {
            "seed": 0,
            "drs4_events": N_STREAMS,
            "pedcal_events": N_STREAMS,
            "data_runs": 0,
            "subruns": 1,
            "events": N_STREAMS,
            "interleaved_period": 3,
            "first_run": 1,
            "mc_events": 50,
            "trees": 1,
        }
        found = [
            f"{name} is {getattr(self, name)}, must be {least} or more"
            for name, least in smallest.items()
            if getattr(self, name) < least
        ]
        if self.processes is not None and self.processes < 1:
            found.append(f"processes is {self.processes}, must be 1 or more")
        if self.time_calibration not in ("truth", "run"):
            found.append(f"time_calibration is {self.time_calibration!r}, must be 'truth' or 'run'")
        if self.gains not in ("selected", "both"):
            found.append(f"gains is {self.gains!r}, must be 'selected' or 'both'")
        if self.format == "pe" and self.gains == "both":
            found.append("data in p.e. ('pe') have one gain: gains must be 'selected'")
        if self.last_run > 99_999:
            found.append(f"the last run would be {self.last_run}: run numbers have five digits")
        found += problems(self.faults, self._subruns(), range(self.first_run + 2, self.last_run + 1), N_STREAMS)
        if found:
            raise NightError("Cannot simulate this night: " + "; ".join(found))

    def _subruns(self) -> dict[int, int]:
        """Run number → its subruns."""
        data = dict.fromkeys(range(self.first_run + 2, self.last_run + 1), self.subruns)
        return {self.first_run: 1, self.first_run + 1: 1} | data

    @property
    def last_run(self) -> int:
        """Number of the last run of the night."""
        return self.first_run + 1 + self.data_runs

    def has(self, kind: FaultKind) -> bool:
        """Whether a fault of this kind is of the whole night."""
        return any(fault.kind is kind and fault.run is None for fault in self.faults)

    @property
    def worker_count(self) -> int:
        """How many processes to work in."""
        return self.processes or os.cpu_count() or 1

    @property
    def yyyymmdd(self) -> str:
        """The observation date as the tree and lstchain write it."""
        return f"{self.date:%Y%m%d}"


@dataclass(frozen=True)
class SimulatedRun:
    """One run of a simulated night."""

    run_id: int
    run_type: RunType
    subruns: int
    events: int
    """Per subrun."""
    start: datetime
    """UTC."""


@dataclass(frozen=True)
class SimulatedNight:
    """Where a simulated night lies."""

    base: Path
    date: date
    source: str
    """Name of the observed source, as in the run catalog."""
    runs: tuple[SimulatedRun, ...]
    r0: Path
    """Folder of the raw files."""
    run_catalog: Path
    drive_log: Path | None
    ffactor_systematics: Path
    time_calibration: Path | None
    truth: Path
    """Table of what is true of each event."""
    models: Path | None
    """Folder for ``lstchain_dl1_to_dl2 --path-models``."""
    model_config: Path | None
    """The lstchain configuration the models were trained with."""
    fresh: bool
    """False if the night was complete before the call."""
    faults: tuple[Fault, ...] = ()
    """What is wrong with it."""

    def runs_of(self, run_type: RunType) -> tuple[SimulatedRun, ...]:
        """The runs of one type, in order of their numbers."""
        return tuple(run for run in self.runs if run.run_type is run_type)
