"""Making a whole night."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

from astropy.utils import iers

from osa_luigi.telescope.calibration import write_ffactor_systematics, write_time_calibration
from osa_luigi.telescope.catalog import write_run_catalog
from osa_luigi.telescope.formats import raw_format
from osa_luigi.telescope.manifest import Held, Manifest
from osa_luigi.telescope.options import ProgressCallback, RunType, SimulatedNight, SimulationOptions
from osa_luigi.telescope.plan import NightPlan, plan_night
from osa_luigi.telescope.quiet import library_warnings_discarded
from osa_luigi.telescope.sky import write_drive_logs
from osa_luigi.telescope.truth import join_truth
from osa_luigi.telescope.workers import Part, do_parts

log = logging.getLogger(__name__)

RAW_STAGE, MODELS_STAGE, MONITORING_STAGE = "raw data", "models", "monitoring"
COST_PER_EVENT, COST_PER_SHOWER, COST_OF_TRAINING = 1.0, 1.0, 1000.0
"""Of progress, in raw events."""


def make_night(options: SimulationOptions, manifest: Manifest, report: ProgressCallback) -> SimulatedNight:
    """Write what is missing of a night, and note in the manifest when it is complete."""
    raw_format(options.format)
    with iers.conf.set_temp("auto_download", False), library_warnings_discarded():
        plan = plan_night(options)
        night = plan.night()
        manifest.begin(options)
        _make(plan, report)
        manifest.finish(options, night, _files(plan, night), _held(plan))
        shutil.rmtree(plan.truth_parts, ignore_errors=True)
        return night


def _make(plan: NightPlan, report: ProgressCallback) -> None:
    """Write all that is missing of a night."""
    report(MONITORING_STAGE, 0.0)
    _write_monitoring(plan)
    parts = _parts(plan)
    left = [part for part in parts if not part.job.complete]
    total = sum(part.cost for part in parts)
    done = total - sum(part.cost for part in left)
    report(RAW_STAGE, done / total)
    for part in do_parts(left, plan.options.worker_count):
        done += part.cost
        log.info("simulated %s", part.job)
        report(part.stage, min(done / total, 1.0))
    join_truth([job.truth for job in plan.subrun_jobs()], plan.truth, plan.faults)


def _parts(plan: NightPlan) -> list[Part]:
    parts = [Part(RAW_STAGE, job, COST_PER_EVENT * job.plan.events) for job in plan.subrun_jobs()]
    models = plan.models_job()
    if models is not None:
        cost = 2 * COST_PER_SHOWER * models.events + COST_OF_TRAINING
        parts.append(Part(MODELS_STAGE, models, cost))
    return parts


def _write_monitoring(plan: NightPlan) -> None:
    """Write what accompanies the raw data. Quick, so always anew."""
    options = plan.options
    if plan.drive_log is not None:
        gaps = plan.pointing_gaps()
        write_drive_logs(plan.drive_folder, options.yyyymmdd, plan.source, plan.begin, plan.end, gaps)
    if plan.without_pointing:
        write_drive_logs(plan.held, options.yyyymmdd, plan.source, plan.begin, plan.end)
    data_runs = [run.run_id for run in plan.runs if run.run_type is RunType.DATA]
    write_run_catalog(plan.run_catalog, data_runs, plan.source)
    write_ffactor_systematics(plan.ffactor_systematics)
    if plan.time_calibration is not None:
        write_time_calibration(plan.time_calibration)


def _files(plan: NightPlan, night: SimulatedNight) -> list[Path]:
    """The files without which the night is not complete."""
    files = [file.path for job in plan.subrun_jobs() for file in job.files if file.held is None]
    files += [night.run_catalog, night.ffactor_systematics, night.truth]
    log = None if plan.without_pointing else night.drive_log  # which grows when the whole one is delivered
    files += [path for path in (log, night.time_calibration) if path is not None]
    models = plan.models_job()
    return files + list(models.files if models else ())


def _held(plan: NightPlan) -> list[Held]:
    """The files that are held back, or were until they were delivered."""
    files = (file for job in plan.subrun_jobs() for file in job.files)
    raw = [Held(str(file.fault), file.path, file.held) for file in files if file.held is not None]
    logs = sorted(plan.held.glob(f"*_log_{plan.options.yyyymmdd}.txt")) if plan.without_pointing else []
    return raw + [Held(str(plan.without_pointing[0]), plan.drive_folder / log.name, log) for log in logs]
