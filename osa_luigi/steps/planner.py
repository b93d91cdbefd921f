"""Makes the plan of a night from what was observed and how the procedure asks.

It writes nothing. The resolved lstchain configurations that it names are in the plan, by their paths: `NightPlan.write_configs` puts them
beside the production before the first job, so that a printed command can be repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import date
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from osa_luigi.config import Configuration, FrozenMapping, Paths, thaw
from osa_luigi.errors import ConfigurationError, NightError
from osa_luigi.night import (
    DRIVE_LOG,
    RUN_SUMMARY,
    CalibrationSource,
    DataLevel,
    Night,
    RawScan,
    Run,
    Subrun,
    compact,
    find_systematics,
    find_time_calibration,
    foreign_identity,
)
from osa_luigi.products import names
from osa_luigi.products.decisions import Decided, about, in_order, within
from osa_luigi.products.identity import canonical_json, digest
from osa_luigi.products.production import Production
from osa_luigi.steps.call import Input, Needs, Output, StepCall
from osa_luigi.steps.cat_b import CatB
from osa_luigi.steps.charge_calibration import ChargeCalibration
from osa_luigi.steps.close import MARKER, SUMMARY, Close
from osa_luigi.steps.datacheck import Datacheck
from osa_luigi.steps.dl1ab import DL1ab
from osa_luigi.steps.dl2 import DL2
from osa_luigi.steps.drs4_baseline import Drs4Baseline
from osa_luigi.steps.gain_selection import GainSelection
from osa_luigi.steps.longterm import Longterm
from osa_luigi.steps.making import NIGHT, Common, make, product_input
from osa_luigi.steps.merge_dl1 import MergeDL1
from osa_luigi.steps.merge_muons import MergeMuons
from osa_luigi.steps.plan import Group, NightPlan, RunPlan
from osa_luigi.steps.publish import SUMMARY as PUBLISHED
from osa_luigi.steps.publish import Publish
from osa_luigi.steps.r0_to_dl1 import R0ToDL1
from osa_luigi.steps.run_datacheck import RunDatacheck
from osa_luigi.steps.run_plots import RunPlots
from osa_luigi.steps.run_summary import RunSummary
from osa_luigi.steps.software import scientific_software
from osa_luigi.steps.tailcuts import Tailcuts
from osa_luigi.steps.targets import table_of
from osa_luigi.steps.time_calibration import TimeCalibration
from osa_luigi.steps.transparency import Transparency

PRIORITY = {
    "calibration": 90,
    "merge": 80,
    "dl2": 70,
    "run calibration": 60,
    "subrun": 50,
    "datacheck": 20,
    "night": 10,
    "plots": 0,
}
"""Which waiting job starts first: what others wait for, then what finishes a run, then plots and checks."""

GAIN_SELECTABLE = "R1v1"
"""Formats that lstchain selects gains of; of older data (ProtoR1) it does so when it makes DL1a."""


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
    planner = _Planner(configuration, night, earlier or night, source, production, pointings or {}, decided)
    calibration = planner.calibration() if source else None
    kept = [declared_part(run, decided) for run in night.data_runs]
    runs = {run.run_id: _as_before(before, run, decided) or planner.run(run) for run in kept if run.subruns}
    longterm = planner.longterm(runs)
    close = planner.close(
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
        configs={**(before.configs if before else {}), **planner.configs},
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


class _Planner:
    """Puts the steps' factories together as the procedure asks."""

    def __init__(
        self,
        configuration: Configuration,
        night: Night,
        earlier: Night,
        source: CalibrationSource | None,
        production: Production,
        pointings: Mapping[str, Mapping[str, Any]],
        decided: Decided,
    ) -> None:
        self._configuration = configuration
        self._procedure = configuration.procedure
        self._night = night
        self._earlier = earlier
        self._chosen = source
        self._production = production
        self._pointings = pointings
        self._decided = decided
        self._tailcut = tailcut_folder(configuration)
        self.configs: dict[Path, Mapping[str, Any]] = {}
        self._sections: dict[str, Path] = {}
        self._digests: dict[Path, str] = {}
        self._inputs: dict[tuple[str, ...], Input] = {}
        # Run by run, in the order taken: a finished run is worth more than many that have begun.
        runs = [run.label for run in night.data_runs]
        self._turns = {label: 1 - number / len(runs) for number, label in enumerate(runs)}

    # ---- the night's calibration -------------------------------------------------------------------------------

    @property
    def _source(self) -> CalibrationSource:
        if self._chosen is None:
            raise NightError(f"{compact(self._night.date)}: no calibration runs, and data that need them")
        return self._chosen

    @property
    def _calibration_production(self) -> Production:
        return production_of(self._production, self._source.date)

    def calibration(self) -> Group:
        """DRS4 baseline, sampling times if made here, charges."""
        calls = [self._drs4]
        if self._procedure.calibration.time.source == "pedcalib":
            calls.append(self._time)
        calls.append(self._charge)
        return Group(self._calibration_production, tuple(calls), priority=PRIORITY["calibration"])

    @cached_property
    def _drs4(self) -> StepCall:
        run = self._earlier.run(self._source.drs4_run)
        return Drs4Baseline.call(
            unit=run.label,
            raw=_raw(run.subrun(0)),
            max_events=self._procedure.calibration.drs4_baseline.max_events,
            **self._common("drs4_baseline"),
        )

    @cached_property
    def _time(self) -> StepCall:
        run = self._earlier.run(self._source.pedcal_run)
        return TimeCalibration.call(
            unit=run.label,
            raw=_raw(run.subrun(0)),
            pedestal=self._calibrated(self._drs4, "pedestal"),
            run_summary=self._summary(self._earlier, run),
            config=self._config("calibration", self._procedure.calibration.charge.config),
            max_events=self._procedure.calibration.time.max_events,
            flatfield_heuristic=self._procedure.calibration.charge.flatfield_heuristic,
            **self._common("time_calibration"),
        )

    @cached_property
    def _charge(self) -> StepCall:
        run = self._earlier.run(self._source.pedcal_run)
        charge = self._procedure.calibration.charge
        return ChargeCalibration.call(
            unit=run.label,
            raw=_raw(run.subrun(0)),
            pedestal=self._calibrated(self._drs4, "pedestal"),
            time_calibration=self._time_calibration,
            run_summary=self._summary(self._earlier, run),
            config=self._config("calibration", charge.config),
            systematics=self._systematics,
            filters=charge.filters,
            flatfield_adc=(charge.min_flatfield_adc, charge.max_flatfield_adc),
            sample_size=charge.sample_size,
            events_to_skip=charge.events_to_skip,
            flatfield_heuristic=charge.flatfield_heuristic,
            **self._common("charge_calibration"),
        )

    @cached_property
    def _time_calibration(self) -> Input:
        if self._procedure.calibration.time.source == "pedcalib":
            return self._calibrated(self._time, "time_calibration")
        folder = self._configuration.main.site.paths.time_calibration
        if self._procedure.fake:
            return Input("time_calibration", str(folder), {})
        return _foreign("time_calibration", find_time_calibration(folder, self._source.date, self._source.pedcal_run))

    @cached_property
    def _systematics(self) -> Input | None:
        if self._procedure.fake or not self._procedure.calibration.charge.systematics:
            return None
        day = self._chosen.date if self._chosen else self._night.date
        return _foreign("systematics", find_systematics(self._configuration.main.site.paths.systematics, day))

    def _calibrated(self, call: StepCall, role: str) -> Input:
        return self._once(lambda: product_input(call, role, self._calibration_production.root), call.step, role)

    # ---- a run -------------------------------------------------------------------------------------------------

    def run(self, run: Run) -> RunPlan:
        """All of a run, from raw to DL2."""
        gated = self._procedure.cat_b.enabled or self._procedure.tailcuts.per_run
        first = {subrun.subrun: self._to_dl1a(run, subrun) for subrun in run.subruns}
        dl1a = {number: calls[-1] for number, calls in first.items()}
        calibration = self._run_calibration(run, list(dl1a.values())) if gated else ()
        dl1b = {number: self._dl1ab(call, calibration) for number, call in dl1a.items()}
        checks = {number: self._datacheck(dl1a[number], call) for number, call in dl1b.items()}
        run_checks = [check for calls in checks.values() for check in calls]
        merge = self._merge(run, list(dl1a.values()), list(dl1b.values()))
        if gated:
            legs = {
                "dl1a": {n: self._group("subrun", calls) for n, calls in first.items()},
                "dl1b": {n: self._group("subrun", (call,), checks[n]) for n, call in dl1b.items()},
            }
        else:
            legs = {"dl1": {n: self._group("subrun", (*calls, dl1b[n]), checks[n]) for n, calls in first.items()}}
        return RunPlan(
            run=run,
            legs=legs,
            calibration=self._group("run calibration", calibration) if gated else None,
            merge=self._group("merge", merge) if merge else None,
            dl2=self._dl2(run, merge),
            datacheck=self._run_datacheck(run, run_checks),
            plots=self._run_plots(run, run_checks, list(dl1a.values())),
        )

    def _to_dl1a(self, run: Run, subrun: Subrun) -> tuple[StepCall, ...]:
        """Raw to DL1a, with gain selection before where asked for."""
        selects = (
            self._procedure.gain_selection.enabled
            and run.level_of(subrun) is DataLevel.RAW
            and run.data_format.startswith(GAIN_SELECTABLE)
        )
        if not selects:
            return (self._r0_to_dl1(run, subrun, _raw(subrun)),)
        selection = GainSelection.call(
            unit=subrun.label,
            raw=_raw(subrun),
            flatfield_heuristic=self._procedure.gain_selection.flatfield_heuristic,
            **self._common("gain_selection"),
        )
        selected = [self._product(selection, output.role) for output in selection.outputs]
        return selection, self._r0_to_dl1(run, subrun, selected)

    def _r0_to_dl1(self, run: Run, subrun: Subrun, raw: Sequence[Input]) -> StepCall:
        settings = self._procedure.r0_to_dl1
        calibrated = run.level_of(subrun) is DataLevel.CALIBRATED
        ids = subrun.pedestal_ids
        return R0ToDL1.call(
            unit=subrun.label,
            raw=raw,
            run_summary=self._summary(self._night, run),
            pointing=self._pointing(run, subrun),
            config=self._config("r0_to_dl1", settings.config),
            pedestal=None if calibrated else self._calibrated(self._drs4, "pedestal"),
            calibration=None if calibrated else self._calibrated(self._charge, "calibration"),
            time_calibration=None if calibrated else self._time_calibration,
            systematics=self._systematics,
            pedestal_ids=_foreign("pedestal_ids", ids) if ids else None,
            flatfield_heuristic=settings.flatfield_heuristic,
            trigger_type=settings.default_trigger_type,
            **self._common("r0_to_dl1"),
        )

    def _pointing(self, run: Run, subrun: Subrun) -> Input:
        """The drive log; where there is none yet, the attempt says which file it misses."""
        log = self._night.drive_log or self._paths.drive / DRIVE_LOG.format(self._night.date)
        now = run.pointing.identity if run.pointing else {"log": log.name}
        identity = self._pointings.get(subrun.label, now)
        return self._once(lambda: Input("pointing", str(log), identity), "pointing", canonical_json(identity))

    def _run_calibration(self, run: Run, dl1a: Sequence[StepCall]) -> tuple[StepCall, ...]:
        """Cat-B and cleaning levels, in this order where both are asked for."""
        calls = []
        if self._procedure.cat_b.enabled:
            calls.append(
                CatB.call(
                    unit=run.label,
                    interleaved=[self._product(call, "interleaved") for call in dl1a],
                    calibration=self._calibrated(self._charge, "calibration"),
                    config=self._config("cat_b", self._procedure.cat_b.config),
                    systematics=self._systematics,
                    filters=self._procedure.cat_b.filters,
                    sample_size=self._procedure.cat_b.sample_size,
                    **self._common_of_run("cat_b", run),
                )
            )
        if self._procedure.tailcuts.per_run:
            dl1 = [self._product(call, "dl1") for call in dl1a]
            calls.append(Tailcuts.call(unit=run.label, dl1=dl1, **self._common_of_run("tailcuts", run)))
        return tuple(calls)

    def _dl1ab(self, dl1a: StepCall, calibration: Sequence[StepCall]) -> StepCall:
        found = {call.step: call for call in calibration}
        per_run = "tailcuts" in found
        return DL1ab.call(
            unit=dl1a.unit,
            dl1=self._product(dl1a, "dl1"),
            tailcut=self._tailcut,
            config=None if per_run else self._config("dl1ab", self._procedure.dl1ab.config),
            tailcuts=self._product(found["tailcuts"], "tailcuts") if per_run else None,
            cat_b=self._product(found["cat_b"], "cat_b") if "cat_b" in found else None,
            images=self._procedure.dl1ab.images,
            pedestal_cleaning=self._procedure.dl1ab.pedestal_cleaning,
            **self._common("dl1ab"),
        )

    def _datacheck(self, dl1a: StepCall, dl1b: StepCall) -> tuple[StepCall, ...]:
        if not self._procedure.datacheck.enabled:
            return ()
        dl1 = self._product(dl1b, "dl1")
        return (Datacheck.call(unit=dl1b.unit, dl1=dl1, tailcut=self._tailcut, **self._common("datacheck")),)

    def _run_datacheck(self, run: Run, checks: Sequence[StepCall]) -> Group | None:
        """The run's check, after those of its subruns: they ride with the subruns, and what is missing is done here."""
        if not checks:
            return None
        call = RunDatacheck.call(
            unit=run.label,
            datachecks=[self._product(check, "datacheck") for check in checks],
            tailcut=self._tailcut,
            **self._common_of_run("run_datacheck", run),
        )
        group = self._group("datacheck", (*checks, call))
        return replace(group, after=tuple(check.name for check in checks))

    def _run_plots(self, run: Run, checks: Sequence[StepCall], dl1a: Sequence[StepCall]) -> Group | None:
        if not (checks and self._procedure.datacheck.plots):
            return None
        call = RunPlots.call(
            unit=run.label,
            datachecks=[self._product(check, "datacheck") for check in checks],
            muons=[self._product(one, "muons") for one in dl1a],
            tailcut=self._tailcut,
            **self._common_of_run("run_plots", run),
        )
        return self._group("plots", (call,))

    def _merge(self, run: Run, dl1a: Sequence[StepCall], dl1b: Sequence[StepCall]) -> tuple[StepCall, ...]:
        calls = []
        if self._procedure.merge.dl1:
            calls.append(
                MergeDL1.call(
                    unit=run.label,
                    dl1=[self._product(call, "dl1") for call in dl1b],
                    tailcut=self._tailcut,
                    images=self._procedure.merge.images,
                    **self._common_of_run("merge_dl1", run),
                )
            )
        if self._procedure.merge.muons:
            muons = [self._product(call, "muons") for call in dl1a]
            calls.append(MergeMuons.call(unit=run.label, muons=muons, **self._common_of_run("merge_muons", run)))
        return tuple(calls)

    def _dl2(self, run: Run, merge: Sequence[StepCall]) -> Group | None:
        settings = self._procedure.dl2
        if not settings.enabled:
            return None
        merged = next((call for call in merge if call.step == "merge_dl1"), None)
        if merged is None or settings.models is None:
            raise ConfigurationError(
                [
                    f"{self._procedure.path}: dl2: needs the merged DL1 of a run: set merge.dl1 to true, or dl2.enabled to false"
                ]
            )
        call = DL2.call(
            unit=run.label,
            dl1=self._product(merged, "dl1"),
            models=self._models(settings.models),
            tailcut=self._tailcut,
            nsb=names.nsb_id(settings.models),
            config=self._config("dl2", settings.config),
            **self._common("dl2"),
        )
        return self._group("dl2", (call,))

    # ---- the night's end ---------------------------------------------------------------------------------------

    def longterm(self, runs: Mapping[int, RunPlan]) -> Group | None:
        """The check over all runs."""
        groups = [run.datacheck for run in runs.values() if run.datacheck]
        if not (self._procedure.longterm.enabled and groups):
            return None
        call = Longterm.call(
            day=self._night.date,
            datachecks=[self._product(group.calls[-1], "datacheck") for group in groups],
            muons=[self._product(call, "muons") for run in runs.values() for call in _of_step(run, "r0_to_dl1")],
            **self._common_of_night("longterm"),
        )
        if not self._procedure.longterm.transparency:
            return self._group("night", (call,))
        spectra = Transparency.call(
            day=self._night.date,
            checked=self._product(call, "h5"),
            datachecks=[self._product(group.calls[-1], "datacheck") for group in groups],
            **self._common_of_night("transparency"),
        )
        return self._group("night", (call, spectra))

    def close(self, groups: Sequence[Group]) -> Group:
        """The night is finished when all that was declared is there."""
        declared = {
            call.name: call.key
            for group in groups
            if group.production == self._production
            for call in (*group.calls, *group.riders)
        }
        decided = [decision.short() for decision in in_order(self._decided)]
        # Without decisions a plain list, as it was before there were any: nights that were closed then stay closed.
        content = {"products": declared, "decisions": decided} if decided else declared
        listing = self._production.config(content)
        self.configs[listing] = content
        call = make(
            Close,
            unit=NIGHT,
            # The marker names the production, so another production's will not do.
            settings={"production": self._production.id},
            inputs=[Input("declared", str(listing), digest(content), key=digest(content))],
            outputs=[Output("marker", Path(MARKER)), Output("summary", Path(SUMMARY))],
            **self._common_of_night("close"),
        )
        return self._group("night", (call, *self._publish(call)))

    def _publish(self, close: StepCall) -> tuple[StepCall, ...]:
        """Publication, where the site asks for it; where things go may change at any time, so it is not in the key."""
        if not self._configuration.main.publication.enabled:
            return ()
        table = table_of(self._configuration.main.publication)
        place = self._production.config(table)
        self.configs[place] = table
        call = make(
            Publish,
            unit=NIGHT,
            settings={},
            inputs=[*close.inputs, Input("publication", str(place), {}), self._product(close, "marker")],
            outputs=[Output("summary", Path(PUBLISHED))],
            **self._common_of_night("publish"),
        )
        return (call,)

    # ---- what all of them need ---------------------------------------------------------------------------------

    @property
    def _paths(self) -> Paths:
        return self._configuration.main.site.paths

    def _group(self, kind: str, calls: Sequence[StepCall], riders: Sequence[StepCall] = ()) -> Group:
        priority = PRIORITY[kind] + self._turns.get(calls[0].unit.partition(".")[0], 0.0)
        return Group(self._production, tuple(calls), tuple(riders), priority=priority)

    def _product(self, call: StepCall, role: str) -> Input:
        return self._once(lambda: product_input(call, role, self._production.root), call.step, call.unit, role)

    def _once(self, make: Callable[[], Input], *name: str) -> Input:
        """One object for all steps that read it: a night has thousands, and most are read by several."""
        if name not in self._inputs:
            self._inputs[name] = make()
        return self._inputs[name]

    def _summary(self, night: Night, run: Run) -> Input:
        """The run summary, of which only the run's row counts."""
        path = self._paths.run_summary / RUN_SUMMARY.format(night.date)
        return self._once(
            lambda: Input("run_summary", str(path), run.identity), "run_summary", str(night.date), run.label
        )

    def _config(self, section: str, content: FrozenMapping) -> Path:
        """Where a resolved lstchain configuration will lie."""
        if section not in self._sections:
            path = self._sections[section] = self._production.config(content)
            self.configs[path] = thaw(content)
            self._digests[path] = digest(content)
        return self._sections[section]

    @cache  # noqa: B019 (a planner lives as long as one planning)
    def _models(self, folder: Path) -> Input:
        return Input("models", str(folder), {}) if self._procedure.fake else _foreign("models", folder)

    @cache  # noqa: B019 (a planner lives as long as one planning)
    def _common(self, step: str) -> Common:
        return {**common(self._configuration, step), "digests": self._digests}

    def _common_of_run(self, step: str, run: Run) -> Common:
        """With the decisions on the run's subruns."""
        decided = tuple(decision.short() for decision in within(self._decided, run.label))
        return {**self._common(step), "decisions": decided}

    def _common_of_night(self, step: str) -> Common:
        decided = tuple(decision.short() for decision in in_order(self._decided))
        return {**self._common(step), "decisions": decided}


def common(configuration: Configuration, step: str) -> Common:
    """What every factory takes: software, needs, and the behaviour of fakes."""
    asked = configuration.main.resources_for(step)
    fake = configuration.procedure.fake
    return {
        "software": scientific_software(),
        "needs": Needs(asked.memory_mb, asked.cores, asked.time_limit_s),
        "fake": asdict(fake) if fake else None,
    }


def run_summary_group(configuration: Configuration, day: date, scan: RawScan) -> Group:
    """The run summary of a night, made beside those of other nights."""
    raw = [item for subruns in scan.subruns.values() for subrun in subruns.values() for item in _raw(subrun)]
    # Never a fake: what was observed is read from it.
    real = common(configuration, "run_summary")
    real["fake"] = None
    call = RunSummary.call(day=day, raw=raw, **real)
    return Group(Production(configuration.main.site.paths.run_summary), (call,), priority=PRIORITY["calibration"])


def production_of(production: Production, day: date) -> Production:
    """The production of the same id of another night."""
    return Production(production.root.parent.parent / compact(day) / production.id)


def tailcut_folder(configuration: Configuration) -> str:
    """The DL1b folder: by the cleaning levels, which are not known beforehand where they are found per run."""
    if configuration.procedure.tailcuts.per_run:
        return "tailcut_per_run"
    dl1ab = configuration.procedure.dl1ab
    return names.tailcut_id(dl1ab.picture_thresh, dl1ab.boundary_thresh)


def _raw(subrun: Subrun) -> list[Input]:
    return [Input("raw", f"{file.folder}/{file.name}", {"name": file.name, "size": file.size}) for file in subrun.files]


def _foreign(role: str, path: Path) -> Input:
    return Input(role, str(path), foreign_identity(path))


def _of_step(run: RunPlan, step: str) -> Iterator[StepCall]:
    first = next(iter(run.legs.values()))
    return (call for group in first.values() for call in group.calls if call.step == step)
