"""Makes the plan of a night from what was observed and how the procedure asks.

It writes nothing. The resolved lstchain configurations that it names are in the plan, by their paths: `NightPlan.write_configs` puts them
beside the production before the first job, so that a printed command can be repeated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from osa_luigi.config import Configuration
from osa_luigi.night import CalibrationSource, Night, RawScan, Run
from osa_luigi.products.decisions import Decided, about, in_order, within
from osa_luigi.products.production import Production
from osa_luigi.steps.call import FileInput, Output, StepCall
from osa_luigi.steps.close import Close
from osa_luigi.steps.longterm import Longterm
from osa_luigi.steps.making import NIGHT, make
from osa_luigi.steps.materials import PRIORITY, Materials, common_of, raw_inputs
from osa_luigi.steps.plan import Group, NightPlan, RunPlan
from osa_luigi.steps.plan_calibration import CalibrationPlanner
from osa_luigi.steps.plan_run import RunPlanner
from osa_luigi.steps.publish import SUMMARY as PUBLISHED
from osa_luigi.steps.publish import Publish
from osa_luigi.steps.run_summary import RunSummary
from osa_luigi.steps.targets import table_of
from osa_luigi.steps.transparency import Transparency


def plan_night(
    configuration: Configuration,
    night: Night,
    source: CalibrationSource | None,
    production: Production,
    earlier: Night | None = None,
    pointings: Mapping[str, Mapping[str, Any]] | None = None,
    decided: Decided | None = None,
    before: NightPlan | None = None,
) -> NightPlan:
    """The plan of a night.

    Parameters
    ----------
    source
        Which runs calibrate it; `None` for data that the event builder has calibrated, in a night without calibration runs.
    production
        Where its products go; an earlier night's calibration belongs to that night's production of the same id.
    earlier
        The night of the calibration runs, if it is not this one.
    pointings
        Subrun → identity of the pointing that it keeps; that of its run where there is none.
    decided
        Runs and subruns that are left out, and by which decisions.
    before
        The plan of the same night before these decisions: of runs that they do not concern, it is kept.
    """
    decided = decided or {}
    shared = Materials(configuration, night, production, decided)
    calibrating = CalibrationPlanner(shared, source, earlier or night)
    calibration = calibrating.group() if source else None
    planner, ending = RunPlanner(shared, calibrating, pointings or {}), _NightEnd(shared)
    kept = [declared_part(run, decided) for run in night.data_runs]
    runs = {run.run_id: _as_before(before, run, decided) or planner.plan(run) for run in kept if run.subruns}
    longterm = ending.longterm(runs)
    close = ending.close(
        [group for group in (calibration, longterm) if group] + [g for run in runs.values() for g in run.groups()]
    )
    return NightPlan(
        night=night,
        production=production,
        source=source,
        calibration=calibration,
        runs=runs,
        longterm=longterm,
        close=close,
        newer=before.newer if before else None,
        configs={**(before.configs if before else {}), **shared.configs},
        decided=decided,
    )


def declared_part(run: Run, decided: Decided) -> Run:
    """A run without the subruns that were decided to be left out; without any if the run was."""
    if not within(decided, run.label):
        return run
    return replace(run, subruns=tuple(subrun for subrun in run.subruns if not about(decided, subrun.label)))


def _as_before(before: NightPlan | None, run: Run, decided: Decided) -> RunPlan | None:
    if before is None or within(before.decided, run.label) != within(decided, run.label):
        return None
    return before.runs.get(run.run_id)


class _NightEnd:
    """What is done once, after all runs."""

    def __init__(self, shared: Materials) -> None:
        self._shared = shared

    def longterm(self, runs: Mapping[int, RunPlan]) -> Group | None:
        """The check over all runs."""
        groups = [run.datacheck for run in runs.values() if run.datacheck]
        if not (self._shared.procedure.longterm.enabled and groups):
            return None
        call = Longterm.call(
            day=self._shared.night.date,
            datachecks=[self._shared.product(group.calls[-1], "datacheck") for group in groups],
            muons=[self._shared.product(call, "muons") for run in runs.values() for call in _of_step(run, "r0_to_dl1")],
            **self._shared.common_of_night("longterm"),
        )
        if not self._shared.procedure.longterm.transparency:
            return self._shared.group("night", (call,))
        spectra = Transparency.call(
            day=self._shared.night.date,
            checked=self._shared.product(call, "h5"),
            datachecks=[self._shared.product(group.calls[-1], "datacheck") for group in groups],
            **self._shared.common_of_night("transparency"),
        )
        return self._shared.group("night", (call, spectra))

    def close(self, groups: Sequence[Group]) -> Group:
        """The night is finished when all that was declared is there."""
        declared = {
            call.name: call.key
            for group in groups
            if group.production == self._shared.production
            for call in (*group.calls, *group.riders)
        }
        decided = [decision.short() for decision in in_order(self._shared.decided)]
        common = self._shared.common_of_night("close")
        call, content = Close.call(self._shared.production, declared, decided, **common)
        self._shared.configs[call.path("declared")] = content
        return self._shared.group("night", (call, *self._publish(call)))

    def _publish(self, close: StepCall) -> tuple[StepCall, ...]:
        """Publication, where the site asks for it; where things go may change at any time, so it is not in the key."""
        if not self._shared.configuration.main.publication.enabled:
            return ()
        table = table_of(self._shared.configuration.main.publication)
        place = self._shared.production.config(table)
        self._shared.configs[place] = table
        call = make(
            Publish,
            unit=NIGHT,
            settings={},
            inputs=[*close.inputs, FileInput("publication", str(place), {}), self._shared.product(close, "marker")],
            outputs=[Output("summary", Path(PUBLISHED))],
            **self._shared.common_of_night("publish"),
        )
        return (call,)


def run_summary_group(configuration: Configuration, day: date, scan: RawScan) -> Group:
    """The run summary of a night, made beside those of other nights."""
    raw = [item for subruns in scan.subruns.values() for subrun in subruns.values() for item in raw_inputs(subrun)]
    # Never a fake: what was observed is read from it.
    real = common_of(configuration, "run_summary")
    real["fake"] = None
    call = RunSummary.call(day=day, raw=raw, **real)
    return Group(Production(configuration.main.site.paths.run_summary), (call,), priority=PRIORITY["calibration"])


def _of_step(run: RunPlan, step: str) -> Iterator[StepCall]:
    first = next(iter(run.legs.values()))
    return (call for group in first.values() for call in group.calls if call.step == step)
