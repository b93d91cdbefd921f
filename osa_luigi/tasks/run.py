"""The tasks of one run: its subruns through their legs, and what takes the run as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import luigi

from osa_luigi.batch.job import Job
from osa_luigi.night import DataLevel
from osa_luigi.steps.plan import Group, RunPlan
from osa_luigi.tasks.part import CalibrationTask, NightPart
from osa_luigi.tasks.subruns import SubrunsParameter


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
    archives = True

    def requires(self) -> list[NightPart]:
        return self.leg(list(self.run_plan.legs)[-1])

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


class DatacheckTask(RunPart):
    """The datacheck of a run, and of those of its subruns that still lack one."""

    stage = "datacheck"
    archives = True

    def requires(self) -> list[NightPart]:
        return self.leg(list(self.run_plan.legs)[-1])

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
