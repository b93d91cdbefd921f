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

import logging
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from typing import Any

import luigi

from osa_luigi.batch.job import Job
from osa_luigi.batch.lease import take_lease
from osa_luigi.config import Configuration
from osa_luigi.config.paths import variables
from osa_luigi.errors import ConfigurationError, NightError, OsaError
from osa_luigi.night import compact, require_raw
from osa_luigi.steps.close import MARKER
from osa_luigi.steps.plan import Group
from osa_luigi.tasks.notices import passed_over
from osa_luigi.tasks.opening import (
    choose_procedure,
    config_path,
    configure,
    forget_session,
    night_paths,
    production_folder,
)
from osa_luigi.tasks.part import CalibrationTask, NightPart, RunSummaryTask
from osa_luigi.tasks.run import (
    DatacheckTask,
    Dl2Task,
    MergeTask,
    PlotsTask,
    ReconstructionTask,
    RunCalibrationTask,
)

logger = logging.getLogger("luigi-interface")


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
    archives = True

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
        calibration = [CalibrationTask(**common)] if plan.calibration else []
        return [*parts, *calibration, *self._lost()]

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

    def job(self, stage: str = "", index: int | None = None) -> Job:
        return replace(super().job(stage, index), afterwards=self._report())

    def _report(self) -> tuple[str, ...]:
        """The words after ``osa`` that make the night's report; none if the site wants none by itself.

        A node of the cluster has not the environment of this process: what folders are named by goes along. The ledger's URL may hold
        a password, and the report asks no ledger.
        """
        main, procedure = self.session.configuration.main, self.session.configuration.procedure
        if not main.report.after_closing:
            return ()
        night = ("--date", self.date.isoformat(), "--production", self.production, "--procedure", procedure.name)
        settings = [value for name, value in main.settings.items() if name != "ledger"]
        given = (f"{name}={value}" for name, value in sorted(variables(*settings, procedure.settings).items()))
        return (*given, "report", "--config", str(main.path), *night)

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
            close = self.close_task()
            finished = bool(close.complete())
        except OsaError:
            return False
        if finished and (passed := passed_over(close.session.plan.night)):
            logger.warning("night %s is closed, but %s", compact(self.date), "; ".join(passed))
        return finished

    @classmethod
    def bulk_complete(cls, parameter_tuples: Iterable[Any]) -> list[Any]:
        """Those of many nights that are finished: for luigi's range tools, which ask about all of them at once.

        A night without its marker is not, and is not planned to find out. Of those that have it one is looked at after the other, and
        forgotten: memory does not grow with their number.
        """
        # `cls` may be a functools.partial of the class: luigi's range tools bind the parameters that all nights share.
        return [one for one in parameter_tuples if _task_of(cls, one).is_finished()]

    def is_finished(self) -> bool:
        """As `complete`, of many nights one after the other."""
        try:
            production = production_folder(self._configuration, self.date)
        except OsaError:
            return False
        finished = (production.root / MARKER).exists() and self.complete()
        forget_session(self.date, production.id)
        return finished

    def close_task(self) -> CloseTask:
        """The last task of the night."""
        production = production_folder(self._configuration, self.date).id
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
            configuration = self._configuration
            paths = night_paths(configuration)
            require_raw(paths.r0, paths.r0g, self.date)
            take_lease(production_folder(configuration, self.date))

    @cached_property
    def _configuration(self) -> Configuration:
        """Read once: what runs goes by one configuration to its end."""
        return configure(config_path(), self.production, self.procedure)

    def run(self) -> Generator[luigi.Task, None, None]:
        production = self._configuration.procedure.production_id
        yield RunSummaryTask(date=self.date, production=production, procedure=self.procedure)
        close = self.close_task()
        close.session.begin()
        if not close.complete():
            close.session.require_progress()
        yield close
        forget_session(close.date, close.production)  # luigi comes to this line once the night is closed


def _task_of(cls: Callable[..., NightTask], parameters: Any) -> NightTask:
    """The task of what luigi's tools know of it: all its parameters, or the date alone."""
    if isinstance(parameters, Mapping):
        return cls(**parameters)
    return cls(*parameters) if isinstance(parameters, list | tuple) else cls(parameters)
