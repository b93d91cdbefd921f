"""What all tasks of a night share: they are parts of its plan, and their work is jobs of the executor."""

from __future__ import annotations

import logging
from dataclasses import fields
from functools import cached_property
from pathlib import Path

import luigi

from osa_luigi.batch.executor import Executor
from osa_luigi.batch.job import Event, Job
from osa_luigi.batch.local import LocalExecutor
from osa_luigi.batch.slurm.executor import SlurmExecutor
from osa_luigi.batch.task import BatchTask
from osa_luigi.config import Configuration
from osa_luigi.night import leave_out_damaged, scan_raw
from osa_luigi.steps.plan import Group
from osa_luigi.steps.planner import run_summary_group
from osa_luigi.tasks.opening import config_path, configure, night_paths, production_folder, session
from osa_luigi.tasks.session import Session, note_made

logger = logging.getLogger("luigi-interface")


class NightPart(BatchTask):
    """A part of a night's plan, as one job."""

    stage = ""
    """What the jobs of the same kind of work are grouped by."""

    archives = False
    """Whether its jobs may be the last of what they belong to, so that it is archived then."""

    date = luigi.DateParameter(description="Observation date (the evening's), YYYY-MM-DD")
    production = luigi.Parameter(description="Production id")

    @property
    def session(self) -> Session:
        """The night that this is part of."""
        return session(self.date, self.production)

    def group(self) -> Group:
        """The steps that this task stands for."""
        raise NotImplementedError

    @cached_property
    def priority(self) -> float:
        """Luigi's priority, which orders hand-out."""
        return self.group().priority if self.is_planned() else 0.0

    def is_planned(self) -> bool:
        """Whether the plan holds it (still): luigid may know of what was left out since, by a decision."""
        return True

    def is_excused(self) -> bool:
        return not self.is_planned()

    def complete(self) -> bool:
        if not self.is_planned():
            return True
        group = self.group()
        return self.session.is_done(group.calls, group.production)

    def jobs(self) -> list[Job]:
        # luigid hands tasks back to a restarted worker before NightTask ran again
        self.session.begin()
        return [self.job()] if self.is_planned() else []

    def job(self, stage: str = "", index: int | None = None) -> Job:
        """The one job of this task.

        Parameters
        ----------
        stage
            Its group, if not the task's `stage`.
        index
            Its number in the group.
        """
        group = self.group()
        return Job(
            self.task_id,
            group.production.root,
            group.calls,
            group.riders,
            group.after,
            group.priority,
            self.engine_root(),
            stage or self.stage,
            index,
            self.session.plan.close.calls[0].path("declared") if self.archives else None,
        )

    def engine_root(self) -> Path:
        """Root of the production of the night that is being made."""
        return self.session.plan.production.root

    def make_executor(self) -> Executor:
        return executor(self.session.configuration)

    def heard(self, event: Event) -> None:
        if event.kind == "made":
            note_made(self.group().production, event.call, event.record["key"])
        elif event.kind == "done":  # a cluster tells of all calls at once
            for call, key in event.record.get("made", ()):
                note_made(self.group().production, call, key)


def executor(configuration: Configuration) -> Executor:
    """The executor that a configuration asks for."""
    main, paths = configuration.main, configuration.main.site.paths
    if main.executor.type == "slurm":
        return SlurmExecutor(main.executor.slurm, paths.numba_cache, _seen_by_jobs(configuration))
    return LocalExecutor(paths.numba_cache, main.executor.local.cores, main.executor.local.memory_mb)


def _seen_by_jobs(configuration: Configuration) -> list[Path]:
    """What jobs read and write: an image is shown these places, and no other of the site's.

    Of the configuration, which the night's report is made by, its files alone: their folders might hide what the image has there.
    """
    main, dl2 = configuration.main, configuration.procedure.dl2
    paths = (getattr(main.site.paths, field.name) for field in fields(main.site.paths))
    published = main.publication.root if main.publication.enabled else None
    models = (dl2.models, dl2.choice and dl2.choice.base)
    return [main.site.base, *filter(None, (*paths, *models, published)), main.path, *main.procedures]


class RunSummaryTask(BatchTask):
    """Makes the night's run summary with lstchain's tool, where the site has none."""

    date = luigi.DateParameter(description="Observation date (the evening's), YYYY-MM-DD")
    production = luigi.Parameter(default="", description="Production id of the night; default: the procedure's")
    procedure = luigi.Parameter(default="", description="Procedure; default: the main configuration's")

    @cached_property
    def configuration(self) -> Configuration:
        """The site, and the night's production id."""
        return configure(config_path(), self.production, self.procedure)

    def complete(self) -> bool:
        return bool(night_paths(self.configuration).run_summary_file(self.date).exists())

    def jobs(self) -> list[Job]:
        paths = night_paths(self.configuration)
        scan, left_out = leave_out_damaged(scan_raw(paths.r0, paths.r0g, self.date))
        for reason in left_out:
            logger.warning(reason)
        group = run_summary_group(self.configuration, self.date, scan)
        engine = production_folder(self.configuration, self.date).root
        return [
            Job(
                self.task_id,
                group.production.root,
                group.calls,
                priority=group.priority,
                engine=engine,
                group="run_summary",
            )
        ]

    def make_executor(self) -> Executor:
        return executor(self.configuration)


class CalibrationTask(NightPart):
    """The night's calibration: DRS4 baseline, sampling times where asked for, charges.

    Where it is an earlier night's, it is made in that night's production, as this night plans it: what else goes on there, another
    engine at work among it, is no matter of this night.
    """

    stage = "calibration"

    def group(self) -> Group:
        assert self.session.plan.calibration is not None
        return self.session.plan.calibration
