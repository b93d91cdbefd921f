"""Plans what is done for a DATA run, from raw to DL2."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from osa_luigi.config import Configuration
from osa_luigi.night import DRIVE_LOG, DataLevel, Run, Subrun
from osa_luigi.products import names
from osa_luigi.products.identity import canonical_json
from osa_luigi.steps.call import FileInput, Input, StepCall
from osa_luigi.steps.cat_b import CatB
from osa_luigi.steps.datacheck import Datacheck
from osa_luigi.steps.dl1ab import DL1ab
from osa_luigi.steps.gain_selection import GainSelection
from osa_luigi.steps.materials import Materials, foreign_input, raw_inputs
from osa_luigi.steps.merge_dl1 import MergeDL1
from osa_luigi.steps.merge_muons import MergeMuons
from osa_luigi.steps.plan import Group, RunPlan
from osa_luigi.steps.plan_calibration import CalibrationPlanner
from osa_luigi.steps.plan_dl2 import Dl2Planner
from osa_luigi.steps.r0_to_dl1 import R0ToDL1
from osa_luigi.steps.run_datacheck import RunDatacheck
from osa_luigi.steps.run_plots import RunPlots
from osa_luigi.steps.tailcuts import Tailcuts

GAIN_SELECTABLE = "R1v1"
"""Formats that lstchain selects gains of; of older data (ProtoR1) it does so when it makes DL1a."""


class RunPlanner:
    """Puts the factories of a run's steps together as the procedure asks.

    Parameters
    ----------
    pointings
        Subrun → identity of the pointing that it keeps.
    """

    def __init__(
        self, shared: Materials, calibration: CalibrationPlanner, pointings: Mapping[str, Mapping[str, Any]]
    ) -> None:
        self._shared = shared
        self._calibration = calibration
        self._pointings = pointings
        self._tailcut = tailcut_folder(shared.configuration)
        self._dl2 = Dl2Planner(shared, self._tailcut)

    def plan(self, run: Run) -> RunPlan:
        """All of a run, from raw to DL2."""
        gated = self._shared.procedure.cat_b.enabled or self._shared.procedure.tailcuts.per_run
        first = {subrun.subrun: self._to_dl1a(run, subrun) for subrun in run.subruns}
        dl1a = {number: calls[-1] for number, calls in first.items()}
        calibration = self._run_calibration(run, list(dl1a.values())) if gated else ()
        dl1b = {number: self._dl1ab(call, calibration) for number, call in dl1a.items()}
        checks = {number: self._datacheck(dl1a[number], call) for number, call in dl1b.items()}
        run_checks = [check for calls in checks.values() for check in calls]
        merge = self._merge(run, list(dl1a.values()), list(dl1b.values()))
        if gated:
            legs = {
                "dl1a": {n: self._shared.group("subrun", calls) for n, calls in first.items()},
                "dl1b": {n: self._shared.group("subrun", (call,), checks[n]) for n, call in dl1b.items()},
            }
        else:
            legs = {
                "dl1": {n: self._shared.group("subrun", (*calls, dl1b[n]), checks[n]) for n, calls in first.items()}
            }
        return RunPlan(
            run=run,
            legs=legs,
            calibration=self._shared.group("run calibration", calibration) if gated else None,
            merge=self._shared.group("merge", merge) if merge else None,
            dl2=self._dl2.plan(run, merge, calibration),
            datacheck=self._run_datacheck(run, run_checks),
            plots=self._run_plots(run, run_checks, list(dl1a.values())),
        )

    def _to_dl1a(self, run: Run, subrun: Subrun) -> tuple[StepCall, ...]:
        """Raw to DL1a, with gain selection before where asked for."""
        selects = (
            self._shared.procedure.gain_selection.enabled
            and run.level_of(subrun) is DataLevel.RAW
            and run.data_format.startswith(GAIN_SELECTABLE)
        )
        if not selects:
            return (self._r0_to_dl1(run, subrun, raw_inputs(subrun)),)
        selection = GainSelection.call(
            unit=subrun.label,
            raw=raw_inputs(subrun),
            flatfield_heuristic=self._shared.procedure.gain_selection.flatfield_heuristic,
            **self._shared.common("gain_selection"),
        )
        selected = [self._shared.product(selection, output.role) for output in selection.outputs]
        return selection, self._r0_to_dl1(run, subrun, selected)

    def _r0_to_dl1(self, run: Run, subrun: Subrun, raw: Sequence[Input]) -> StepCall:
        settings = self._shared.procedure.r0_to_dl1
        calibrated = run.level_of(subrun) is DataLevel.CALIBRATED
        ids = subrun.pedestal_ids
        return R0ToDL1.call(
            unit=subrun.label,
            raw=raw,
            run_summary=self._shared.summary(self._shared.night, run),
            pointing=self._pointing(run, self._pointings.get(subrun.label)),
            config=self._shared.config("r0_to_dl1", settings.config),
            pedestal=None if calibrated else self._calibration.product(self._calibration.drs4, "pedestal"),
            calibration=None if calibrated else self._calibration.product(self._calibration.charge, "calibration"),
            time_calibration=None if calibrated else self._calibration.time_calibration,
            systematics=self._calibration.systematics,
            pedestal_ids=foreign_input("pedestal_ids", ids) if ids else None,
            flatfield_heuristic=settings.flatfield_heuristic,
            trigger_type=settings.default_trigger_type,
            **self._shared.common("r0_to_dl1"),
        )

    def _pointing(self, run: Run, kept: Mapping[str, Any] | None) -> Input:
        """The drive log; where there is none yet, the attempt says which file it misses."""

        def read() -> Input:
            log = self._shared.night.drive_log or self._shared.paths.drive / DRIVE_LOG.format(self._shared.night.date)
            now = run.pointing.identity if run.pointing else {"log": log.name}
            return FileInput("pointing", str(log), now if kept is None else kept)

        return self._shared.once(read, "pointing", run.label if kept is None else canonical_json(kept))

    def _run_calibration(self, run: Run, dl1a: Sequence[StepCall]) -> tuple[StepCall, ...]:
        """Cat-B and cleaning levels, in this order where both are asked for."""
        calls = []
        if self._shared.procedure.cat_b.enabled:
            calls.append(
                CatB.call(
                    unit=run.label,
                    interleaved=[self._shared.product(call, "interleaved") for call in dl1a],
                    calibration=self._calibration.product(self._calibration.charge, "calibration"),
                    config=self._shared.config("cat_b", self._shared.procedure.cat_b.config),
                    systematics=self._calibration.systematics,
                    filters=self._shared.procedure.cat_b.filters,
                    sample_size=self._shared.procedure.cat_b.sample_size,
                    **self._shared.common_of_run("cat_b", run),
                )
            )
        if self._shared.procedure.tailcuts.per_run:
            dl1 = [self._shared.product(call, "dl1") for call in dl1a]
            calls.append(Tailcuts.call(unit=run.label, dl1=dl1, **self._shared.common_of_run("tailcuts", run)))
        return tuple(calls)

    def _dl1ab(self, dl1a: StepCall, calibration: Sequence[StepCall]) -> StepCall:
        found = {call.step: call for call in calibration}
        per_run = "tailcuts" in found
        return DL1ab.call(
            unit=dl1a.unit,
            dl1=self._shared.product(dl1a, "dl1"),
            tailcut=self._tailcut,
            config=None if per_run else self._shared.config("dl1ab", self._shared.procedure.dl1ab.config),
            tailcuts=self._shared.product(found["tailcuts"], "tailcuts") if per_run else None,
            provided=self._shared.provided(),
            cat_b=self._shared.product(found["cat_b"], "cat_b") if "cat_b" in found else None,
            images=self._shared.procedure.dl1ab.images,
            pedestal_cleaning=self._shared.procedure.dl1ab.pedestal_cleaning,
            **self._shared.common("dl1ab"),
        )

    def _datacheck(self, dl1a: StepCall, dl1b: StepCall) -> tuple[StepCall, ...]:
        if not self._shared.procedure.datacheck.enabled:
            return ()
        dl1 = self._shared.product(dl1b, "dl1")
        return (Datacheck.call(unit=dl1b.unit, dl1=dl1, tailcut=self._tailcut, **self._shared.common("datacheck")),)

    def _run_datacheck(self, run: Run, checks: Sequence[StepCall]) -> Group | None:
        """The run's check, after those of its subruns: they ride with the subruns, and what is missing is done here."""
        if not checks:
            return None
        call = RunDatacheck.call(
            unit=run.label,
            datachecks=[self._shared.product(check, "datacheck") for check in checks],
            tailcut=self._tailcut,
            **self._shared.common_of_run("run_datacheck", run),
        )
        group = self._shared.group("datacheck", (*checks, call))
        return replace(group, after=tuple(check.name for check in checks))

    def _run_plots(self, run: Run, checks: Sequence[StepCall], dl1a: Sequence[StepCall]) -> Group | None:
        if not (checks and self._shared.procedure.datacheck.plots):
            return None
        call = RunPlots.call(
            unit=run.label,
            datachecks=[self._shared.product(check, "datacheck") for check in checks],
            muons=[self._shared.product(one, "muons") for one in dl1a],
            tailcut=self._tailcut,
            **self._shared.common_of_run("run_plots", run),
        )
        return self._shared.group("plots", (call,))

    def _merge(self, run: Run, dl1a: Sequence[StepCall], dl1b: Sequence[StepCall]) -> tuple[StepCall, ...]:
        calls = []
        if self._shared.procedure.merge.dl1:
            calls.append(
                MergeDL1.call(
                    unit=run.label,
                    dl1=[self._shared.product(call, "dl1") for call in dl1b],
                    tailcut=self._tailcut,
                    images=self._shared.procedure.merge.images,
                    **self._shared.common_of_run("merge_dl1", run),
                )
            )
        if self._shared.procedure.merge.muons:
            muons = [self._shared.product(call, "muons") for call in dl1a]
            calls.append(MergeMuons.call(unit=run.label, muons=muons, **self._shared.common_of_run("merge_muons", run)))
        return tuple(calls)


def tailcut_folder(configuration: Configuration) -> str:
    """The DL1b folder: by the cleaning levels, which are not known beforehand where they are found per run."""
    if configuration.procedure.tailcuts.per_run:
        return names.TAILCUT_PER_RUN
    dl1ab = configuration.procedure.dl1ab
    return names.tailcut_id(dl1ab.picture_thresh, dl1ab.boundary_thresh)
