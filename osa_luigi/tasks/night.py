"""The luigi graph of a night.

    NightTask (validates and spawns)
      ├── RunSummaryTask                       where the night has none
      └── CloseTask
            ├── LongtermTask ── DatacheckTask (run)
            ├── PlotsTask (run) ── DatacheckTask (run)
            └── Dl2Task (run) ── MergeTask (run) ── ReconstructionTask (run, subrun, leg) ── CalibrationTask

What a task does stands in the plan; a task only says which part of it, and what it needs.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import luigi

from osa_luigi.batch.executor import Executor
from osa_luigi.batch.job import Event, Job
from osa_luigi.batch.lease import take_lease
from osa_luigi.batch.local import LocalExecutor
from osa_luigi.batch.task import BatchTask
from osa_luigi.config import Configuration
from osa_luigi.errors import ConfigurationError, NightError, OsaError
from osa_luigi.night import DataLevel, scan_raw
from osa_luigi.steps.plan import Group, RunPlan
from osa_luigi.steps.planner import run_summary_group
from osa_luigi.tasks.session import (
    Session,
    choose_procedure,
    config_path,
    configure,
    night_paths,
    note_made,
    production_folder,
    session,
)
from osa_luigi.tasks.subruns import SubrunsParameter

ARRAY_SIZE = 1000
"""Subruns that a cluster takes as one array, unless configured."""


class NightPart(BatchTask):
    """A part of a night's plan, as one job."""

    stage = ""
    """What the jobs of the same kind of work are grouped by."""

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
        return self.group().priority

    def complete(self) -> bool:
        group = self.group()
        return self.session.is_done(group.calls, group.production)

    def jobs(self) -> list[Job]:
        # luigid hands tasks back to a restarted worker before NightTask ran again
        self.session.begin()
        return [self.job()]

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
        )

    def engine_root(self) -> Path:
        """Root of the production of the night that is being made."""
        return self.session.plan.production.root

    def make_executor(self) -> Executor:
        return executor(self.session.configuration)

    def heard(self, event: Event) -> None:
        if event.kind == "made":
            note_made(self.group().production, event.call, event.record["key"])


def executor(configuration: Configuration) -> Executor:
    """The executor that a configuration asks for."""
    main = configuration.main
    return LocalExecutor(main.site.paths.numba_cache, main.executor.local.cores, main.executor.local.memory_mb)


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
        group = run_summary_group(self.configuration, self.date, scan_raw(paths.r0, paths.r0g, self.date))
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
    """The night's calibration: DRS4 baseline, sampling times where asked for, charges."""

    stage = "calibration"
    engine = luigi.Parameter(
        default="", significant=False, description="Root of the production being made, where it is another night's"
    )

    def engine_root(self) -> Path:
        return Path(self.engine) if self.engine else super().engine_root()

    def group(self) -> Group:
        assert self.session.plan.calibration is not None
        return self.session.plan.calibration


class RunPart(NightPart):
    """A part of the plan of one run."""

    run_id = luigi.IntParameter(description="Run number")

    @property
    def run_plan(self) -> RunPlan:
        """The run's part of the plan."""
        return self.session.plan.runs[self.run_id]

    def part(self, task: type[NightPart], **more: Any) -> NightPart:
        """Another part of the same night."""
        return task(date=self.date, production=self.production, **more)

    def calibration(self) -> list[NightPart]:
        """The calibration that the run needs: the night's own, an earlier night's, or none."""
        source = self.session.plan.source
        if source is None or self.run_plan.run.level is DataLevel.CALIBRATED:
            return []
        return [CalibrationTask(date=source.date, production=self.production, engine=str(self.engine_root()))]

    def leg(self, leg: str) -> list[NightPart]:
        """All subruns of the run through a leg."""
        return [
            self.part(ReconstructionTask, run_id=self.run_id, subrun=subrun, leg=leg)
            for subrun in self.run_plan.legs[leg]
        ]


class ReconstructionTask(RunPart):
    """One subrun through one leg; its datacheck rides along and holds nothing back. Luigi joins those of a run where that pays."""

    noun = "subruns"
    subrun = SubrunsParameter(description="Subrun number; 0-149,152 for several that are handed out together")
    leg = luigi.Parameter(description="dl1, or dl1a and dl1b where cleaning or Cat-B is found per run")

    @property
    def max_batch_size(self) -> int:
        """How many subruns luigi hands out together: an array on a cluster; on this machine its priorities decide one by one."""
        main = self.session.configuration.main
        if main.executor.type == "local":
            return 1
        return getattr(getattr(main.executor, "slurm", None), "array_size", ARRAY_SIZE)

    def members(self) -> Sequence[ReconstructionTask]:
        if len(self.subrun) == 1:
            return [self]
        common = {"date": self.date, "production": self.production, "run_id": self.run_id, "leg": self.leg}
        return [ReconstructionTask(**common, subrun=subrun) for subrun in self.subrun]

    def requires(self) -> list[NightPart]:
        if self.leg != "dl1b":
            return self.calibration()
        # The run's calibration stands on all DL1a of the run; but this subrun reads its own, which may have been lost since.
        return [
            self.part(RunCalibrationTask, run_id=self.run_id),
            self.part(ReconstructionTask, run_id=self.run_id, subrun=self.subrun, leg="dl1a"),
        ]

    def complete(self) -> bool:
        return all(self.session.is_done(group.calls, group.production) for group in self.groups())

    def jobs(self) -> list[Job]:
        self.session.begin()
        array = f"Run{self.run_id:05d}.{self.leg}"
        return [member.job(array, *member.subrun) for member in self.members()]

    def groups(self) -> list[Group]:
        """The steps of each subrun."""
        return [self.run_plan.legs[self.leg][subrun] for subrun in self.subrun]

    def group(self) -> Group:
        """The steps of the first subrun, of which the others' differ by name only."""
        return self.groups()[0]


class RunCalibrationTask(RunPart):
    """Cat-B calibration and cleaning levels of a run, from all its subruns."""

    stage = "run_calibration"

    def requires(self) -> list[NightPart]:
        return self.leg("dl1a")

    def group(self) -> Group:
        assert self.run_plan.calibration is not None
        return self.run_plan.calibration


class MergeTask(RunPart):
    """One file per run out of its subruns': DL1 and muons."""

    stage = "merge"

    def requires(self) -> list[NightPart]:
        return self.leg(list(self.run_plan.legs)[-1])

    def group(self) -> Group:
        assert self.run_plan.merge is not None
        return self.run_plan.merge


class Dl2Task(RunPart):
    """Energy, direction and gammaness of a run's events."""

    stage = "dl2"

    def requires(self) -> list[NightPart]:
        return [self.part(MergeTask, run_id=self.run_id)]

    def group(self) -> Group:
        assert self.run_plan.dl2 is not None
        return self.run_plan.dl2


class DatacheckTask(RunPart):
    """The datacheck of a run, and of those of its subruns that still lack one."""

    stage = "datacheck"

    def requires(self) -> list[NightPart]:
        return self.leg(list(self.run_plan.legs)[-1])

    def group(self) -> Group:
        assert self.run_plan.datacheck is not None
        return self.run_plan.datacheck


class PlotsTask(RunPart):
    """The plots of a run's datacheck; only closing waits for them."""

    stage = "plots"

    def requires(self) -> list[NightPart]:
        return [self.part(DatacheckTask, run_id=self.run_id)]

    def group(self) -> Group:
        assert self.run_plan.plots is not None
        return self.run_plan.plots


class LongtermTask(NightPart):
    """The check over all runs of the night."""

    stage = "longterm"

    def requires(self) -> list[NightPart]:
        return [
            DatacheckTask(date=self.date, production=self.production, run_id=run_id)
            for run_id, run in self.session.plan.runs.items()
            if run.datacheck
        ]

    def group(self) -> Group:
        assert self.session.plan.longterm is not None
        return self.session.plan.longterm


class CloseTask(NightPart):
    """The night is finished: every declared product is there."""

    stage = "close"

    def requires(self) -> list[NightPart]:
        plan = self.session.plan
        common = {"date": self.date, "production": self.production}
        parts: list[NightPart] = [LongtermTask(**common)] if plan.longterm else []
        for run_id, run in plan.runs.items():
            kinds = ((Dl2Task, run.dl2), (DatacheckTask, run.datacheck), (PlotsTask, run.plots), (MergeTask, run.merge))
            parts += [task(**common, run_id=run_id) for task, group in kinds if group]
            if not run.merge:
                leg = list(run.legs)[-1]
                parts += [ReconstructionTask(**common, run_id=run_id, subrun=n, leg=leg) for n in run.legs[leg]]
        # also where no run needs it: what is declared is made
        if plan.source:
            engine = str(self.engine_root())
            parts.append(CalibrationTask(date=plan.source.date, production=self.production, engine=engine))
        return [*parts, *self._lost()]

    def _lost(self) -> list[NightPart]:
        """Parts of runs that are merged but not whole: luigi looks for nothing below a task that is complete."""
        common = {"date": self.date, "production": self.production}
        below: list[NightPart] = []
        for run_id, run in self.session.plan.runs.items():
            if not (run.merge and MergeTask(**common, run_id=run_id).complete()):
                continue
            below += [
                ReconstructionTask(**common, run_id=run_id, subrun=subrun, leg=leg)
                for leg, subruns in run.legs.items()
                for subrun in subruns
            ]
            below += [RunCalibrationTask(**common, run_id=run_id)] if run.calibration else []
        return [part for part in below if not part.complete()]

    def group(self) -> Group:
        return self.session.plan.close

    def complete(self) -> bool:
        """Whether the night was closed and all that it declared is still there: what was lost since is made again."""
        return all(self.session.is_done([call], production) for production, call in self.session.plan.calls.values())


class NightTask(luigi.Task):  # type: ignore[misc]
    """A night, from raw files to checked and merged DL2: validates everything, then spawns the rest."""

    date = luigi.DateParameter(description="Observation date (the evening's), YYYY-MM-DD")
    production = luigi.Parameter(default="", description="Production id; default: the procedure's")
    procedure = luigi.Parameter(default="", description="Procedure; default: the main configuration's")

    def complete(self) -> bool:
        """Whether the night is finished; a night that cannot be looked at is not, and `run` says why."""
        try:
            return bool(self.close_task().complete())
        except OsaError:
            return False

    def close_task(self) -> CloseTask:
        """The last task of the night."""
        production = production_folder(self._configuration(), self.date).id
        choose_procedure(production, self.procedure)
        return CloseTask(date=self.date, production=production)

    def become_engine(self) -> None:
        """Take the night's lease, if there is such a night; what else is wrong, `run` says.

        Raises
        ------
        ExecutorError
            Another process works on this night and production.
        """
        with suppress(ConfigurationError, NightError, OSError):
            configuration = self._configuration()
            paths = night_paths(configuration)
            scan_raw(paths.r0, paths.r0g, self.date)
            take_lease(production_folder(configuration, self.date))

    def _configuration(self) -> Configuration:
        return configure(config_path(), self.production, self.procedure)

    def run(self) -> Generator[luigi.Task, None, None]:
        production = self._configuration().procedure.production_id
        yield RunSummaryTask(date=self.date, production=production, procedure=self.procedure)
        close = self.close_task()
        close.session.begin()
        if not close.complete():
            close.session.require_progress()
        yield close
