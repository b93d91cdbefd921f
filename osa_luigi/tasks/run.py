"""The tasks of one run: its subruns through their legs, and what takes the run as a whole."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import luigi

from osa_luigi.batch.job import Event, Job
from osa_luigi.errors import OsaError
from osa_luigi.night import DataLevel
from osa_luigi.steps.plan import Group, RunPlan
from osa_luigi.tasks.part import CalibrationTask, NightPart
from osa_luigi.tasks.subruns import SubrunsParameter

logger = logging.getLogger("luigi-interface")


class RunPart(NightPart):
    """A part of the plan of one run."""

    run_id = luigi.IntParameter(description="Run number")

    @property
    def run_plan(self) -> RunPlan:
        """The run's part of the plan."""
        return self.session.plan.runs[self.run_id]

    def is_planned(self) -> bool:
        return self.run_id in self.session.plan.runs

    def part(self, task: type[NightPart], **more: Any) -> NightPart:
        """Another part of the same night."""
        return task(date=self.date, production=self.production, **more)

    def calibration(self) -> list[NightPart]:
        """The calibration that the run needs, if any."""
        if self.session.plan.calibration is None or self.run_plan.run.level is DataLevel.CALIBRATED:
            return []
        return [self.part(CalibrationTask)]

    def leg(self, leg: str) -> list[NightPart]:
        """All subruns of the run through a leg."""
        return [
            self.part(ReconstructionTask, run_id=self.run_id, subrun=subrun, leg=leg)
            for subrun in self.run_plan.legs[leg]
        ]

    def last_leg(self) -> list[NightPart]:
        """All subruns of the run to their DL1b; none where the run is left out."""
        return self.leg(list(self.run_plan.legs)[-1]) if self.is_planned() else []


class WholeRun(RunPart):
    """What takes all subruns of a run: before it is made, the rules say which these are."""

    def jobs(self) -> list[Job]:
        self.session.begin()
        self.session.apply_policies(self.run_id)
        return super().jobs()


class ReconstructionTask(RunPart):
    """One subrun through one leg; its datacheck rides along and holds nothing back. Luigi joins those of a run where that pays."""

    noun = "subruns"
    subrun = SubrunsParameter(description="Subrun number; 0-149,152 for several that are handed out together")
    leg = luigi.Parameter(description="dl1, or dl1a and dl1b where cleaning or Cat-B is found per run")

    @property
    def max_batch_size(self) -> int:
        """How many subruns luigi hands out together: an array on a cluster; on this machine its priorities decide one by one."""
        executor = self.session.configuration.main.executor
        return executor.slurm.array_size * executor.slurm.subruns_per_job if executor.type == "slurm" else 1

    def members(self) -> Sequence[ReconstructionTask]:
        if len(self.subrun) == 1:
            return [self]
        common = {"date": self.date, "production": self.production, "run_id": self.run_id, "leg": self.leg}
        return [ReconstructionTask(**common, subrun=subrun) for subrun in self.subrun]

    def is_planned(self) -> bool:
        return super().is_planned() and any(number in self.run_plan.legs[self.leg] for number in self.subrun)

    def heard(self, event: Event) -> None:
        super().heard(event)
        if event.kind == "given up":
            try:
                self.session.apply_policies(self.run_id)
            except OsaError as error:  # it has failed then, as it would without rules
                logger.warning("%s", error)

    def requires(self) -> list[NightPart]:
        if not self.is_planned():
            return []
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
        return [member.job(array, *member.subrun) for member in self.members() if member.is_planned()]

    def groups(self) -> list[Group]:
        """The steps of each subrun that is planned."""
        planned = self.run_plan.legs[self.leg] if super().is_planned() else {}
        return [planned[subrun] for subrun in self.subrun if subrun in planned]

    def group(self) -> Group:
        """The steps of the first subrun, of which the others' differ by name only."""
        return self.groups()[0]


class RunCalibrationTask(WholeRun):
    """Cat-B calibration and cleaning levels of a run, from all its subruns."""

    stage = "run_calibration"

    def requires(self) -> list[NightPart]:
        if not self.is_planned():
            return []
        # Cat-B starts from the night's calibration, also where DL1a needed none.
        starts_from = self.session.plan.calibration and self.session.configuration.procedure.cat_b.enabled
        return [*self.leg("dl1a"), *([self.part(CalibrationTask)] if starts_from else [])]

    def group(self) -> Group:
        assert self.run_plan.calibration is not None
        return self.run_plan.calibration


class MergeTask(WholeRun):
    """One file per run out of its subruns': DL1 and muons."""

    stage = "merge"
    archives = True

    def requires(self) -> list[NightPart]:
        return self.last_leg()

    def group(self) -> Group:
        assert self.run_plan.merge is not None
        return self.run_plan.merge


class Dl2Task(RunPart):
    """Energy, direction and gammaness of a run's events."""

    stage = "dl2"
    archives = True

    def requires(self) -> list[NightPart]:
        return [self.part(MergeTask, run_id=self.run_id)]

    def group(self) -> Group:
        assert self.run_plan.dl2 is not None
        return self.run_plan.dl2


class DatacheckTask(WholeRun):
    """The datacheck of a run, and of those of its subruns that still lack one."""

    stage = "datacheck"
    archives = True

    def requires(self) -> list[NightPart]:
        return self.last_leg()

    def group(self) -> Group:
        assert self.run_plan.datacheck is not None
        return self.run_plan.datacheck


class PlotsTask(RunPart):
    """The plots of a run's datacheck; only closing waits for them."""

    stage = "plots"
    archives = True

    def requires(self) -> list[NightPart]:
        return [self.part(DatacheckTask, run_id=self.run_id)]

    def group(self) -> Group:
        assert self.run_plan.plots is not None
        return self.run_plan.plots
