"""The plan of a night: its source, its runs with their times, and where every file goes."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from astropy.time import Time, TimeDelta

from osa_luigi.telescope.damage import decide_streams
from osa_luigi.telescope.faults import Fault, FaultKind
from osa_luigi.telescope.models import CONFIG_FILE, ModelsJob, Pointing
from osa_luigi.telescope.options import RunType, SimulatedNight, SimulatedRun, SimulationOptions
from osa_luigi.telescope.schedule import RunPlan, run_duration
from osa_luigi.telescope.sky import Source, declination_line, pointing_at, position_in_camera, source_at
from osa_luigi.telescope.subrun import SubrunJob

FIRST_RUN_HOUR = 1
"""UTC, of the day after the observation date."""
BREAK = 60
"""Seconds between runs, and of the drive log before the first and after the last."""
PRODUCTION = "simulated_nsb_tuning_0.00"
"""Of the models; LST names theirs ``<production>nsb_tuning_<value>`` likewise."""


@dataclass(frozen=True)
class NightPlan:
    """Everything about a night that is decided before anything is written."""

    options: SimulationOptions
    source: Source
    runs: tuple[RunPlan, ...]
    begin: Time
    end: Time
    pointing: Pointing
    """In the middle of the night."""
    faults: tuple[Fault, ...]
    """What is wrong with it, of each file its stream, too."""

    def _pixel_calibration(self, kind: str, name: str) -> Path:
        folder = self.options.base / "monitoring" / "PixelCalibration" / "Cat-A" / kind
        return folder / self.options.yyyymmdd / "pro" / name

    @property
    def ffactor_systematics(self) -> Path:
        """File of the F-factor systematics."""
        return self._pixel_calibration("ffactor_systematics", f"ffactor_systematics_{self.options.yyyymmdd}.h5")

    @property
    def time_calibration(self) -> Path | None:
        """File of the DRS4 time sampling, named after the PEDCALIB run; None if it is left out."""
        run = next((run.run_id for run in self.runs if run.run_type is RunType.PEDCALIB), None)
        if run is None or self.options.time_calibration == "run":
            return None
        return self._pixel_calibration("drs4_time_sampling_from_FF", f"time_calibration.Run{run:05d}.0000.h5")

    @property
    def r0(self) -> Path:
        """Folder of the raw files."""
        return self.options.base / "R0" / self.options.yyyymmdd

    @property
    def held(self) -> Path:
        """Folder of raw files that are held back."""
        return self.options.base / "late" / self.options.yyyymmdd

    @property
    def drive_folder(self) -> Path:
        """Folder of the drive logs."""
        return self.options.base / "monitoring" / "DrivePositioning"

    @property
    def drive_log(self) -> Path | None:
        """File of the positions; None if there is none."""
        if self.options.has(FaultKind.NO_POINTING):
            return None
        return self.drive_folder / f"DrivePosition_log_{self.options.yyyymmdd}.txt"

    @property
    def without_pointing(self) -> tuple[Fault, ...]:
        """The faults of the drive logs."""
        return tuple(fault for fault in self.faults if fault.kind is FaultKind.NO_POINTING)

    def pointing_gaps(self) -> Iterator[tuple[float, float]]:
        """Times without pointing, unix seconds: from between two runs to between the next two."""
        lost = {fault.run for fault in self.without_pointing}
        ends = [run.start_tai for run in self.runs[1:]] + [math.inf]
        for run, end in zip(self.runs, ends, strict=True):
            if run.run_id in lost:
                yield _unix(run.start_tai - BREAK / 2), _unix(end - BREAK / 2)

    @property
    def run_catalog(self) -> Path:
        """File of the run catalog."""
        folder = self.options.base / "monitoring" / "RunCatalog"
        return folder / f"RunCatalog_{self.options.yyyymmdd}.ecsv"

    @property
    def truth(self) -> Path:
        """File of the truth table."""
        return self.options.base / "truth" / f"truth_{self.options.yyyymmdd}.ecsv"

    @property
    def truth_parts(self) -> Path:
        """Folder of the subruns' parts of the truth table, while the night is being made."""
        return self.options.base / "truth" / f".parts_{self.options.yyyymmdd}"

    def subrun_jobs(self) -> Iterator[SubrunJob]:
        """The subruns, in order."""
        for run in self.runs:
            for subrun in range(run.subruns):
                part = self.truth_parts / f"truth.Run{run.run_id:05d}.{subrun:04d}.ecsv"
                yield SubrunJob(run, subrun, self.r0, part, self.options.format, self.held, self._of(run, subrun))

    def _of(self, run: RunPlan, subrun: int) -> tuple[Fault, ...]:
        return tuple(fault for fault in self.faults if fault.hits(run.run_id, subrun))

    def models_job(self) -> ModelsJob | None:
        """The Monte-Carlo and the training, if asked for."""
        options = self.options
        if not options.models:
            return None
        line = declination_line(self.source)
        return ModelsJob(
            seed=options.seed,
            events=options.mc_events,
            trees=options.trees,
            pointing=self.pointing,
            monte_carlo=options.base / "mc" / "DL1" / "AllSky" / PRODUCTION / line,
            models=options.base / "models" / "AllSky" / PRODUCTION / line,
        )

    def night(self) -> SimulatedNight:
        """What the caller is told."""
        models = self.models_job()
        return SimulatedNight(
            base=self.options.base,
            date=self.options.date,
            source=self.source.name,
            runs=tuple(_simulated_run(run) for run in self.runs),
            r0=self.r0,
            run_catalog=self.run_catalog,
            drive_log=self.drive_log,
            ffactor_systematics=self.ffactor_systematics,
            time_calibration=self.time_calibration,
            truth=self.truth,
            models=models.models if models else None,
            model_config=models.models / CONFIG_FILE if models else None,
            fresh=True,
            faults=self.faults,
        )


def _unix(tai: float) -> float:
    """Unix seconds (UTC) of seconds since 1970-01-01 TAI; no time is infinitely late."""
    return tai if math.isinf(tai) else float(Time(tai, format="unix_tai").unix)


def _simulated_run(run: RunPlan) -> SimulatedRun:
    start = Time(run.start_tai, format="unix_tai").utc.to_datetime(timezone=dt.UTC)
    return SimulatedRun(run.run_id, run.run_type, run.subruns, run.events, start)


def plan_night(options: SimulationOptions) -> NightPlan:
    """Decide about the night."""
    begin = first_run_start(options.date)
    source = source_at(begin)
    runs: list[RunPlan] = []
    start = begin
    for run_id, (run_type, subruns, events) in enumerate(_shapes(options), start=options.first_run):
        place = position_in_camera(source, start)
        start_tai = round(start.unix_tai)
        runs.append(
            RunPlan(
                seed=options.seed,
                run_id=run_id,
                run_type=run_type,
                subruns=subruns,
                events=events,
                start_tai=start_tai,
                source=place,
                interleaved_period=options.interleaved_period,
                both_gains=options.gains == "both",
                sparse=Fault(FaultKind.SPARSE, run_id) in options.faults,
            )
        )
        start = start + TimeDelta(math.ceil(run_duration(runs[-1])) + BREAK, format="sec")
    margin = TimeDelta(BREAK, format="sec")
    pointing = Pointing(*pointing_at(source, begin + (start - begin) / 2))
    if options.has(FaultKind.NO_CALIBRATION):
        runs = [run for run in runs if run.run_type is RunType.DATA]
    faults = decide_streams(options.faults, options.seed)
    return NightPlan(options, source, tuple(runs), begin - margin, start + margin, pointing, faults)


def _shapes(options: SimulationOptions) -> list[tuple[RunType, int, int]]:
    """Type, subruns and events per subrun of each run."""
    calibration = [(RunType.DRS4, 1, options.drs4_events), (RunType.PEDCALIB, 1, options.pedcal_events)]
    return calibration + [(RunType.DATA, options.subruns, options.events)] * options.data_runs


def first_run_start(date: dt.date) -> Time:
    """Start of the first run of an observation date."""
    morning = date + dt.timedelta(days=1)
    return Time(dt.datetime(morning.year, morning.month, morning.day, FIRST_RUN_HOUR, tzinfo=dt.UTC))
