"""Plans the calibration of a night: DRS4 baseline, sampling times, charges."""

from __future__ import annotations

from functools import cached_property

from osa_luigi.errors import NightError
from osa_luigi.night import CalibrationSource, Night, compact, find_systematics, find_time_calibration
from osa_luigi.products.production import Production
from osa_luigi.steps.call import FileInput, Input, StepCall
from osa_luigi.steps.charge_calibration import ChargeCalibration
from osa_luigi.steps.drs4_baseline import Drs4Baseline
from osa_luigi.steps.materials import PRIORITY, Materials, foreign_input, production_of, raw_inputs
from osa_luigi.steps.plan import Group
from osa_luigi.steps.references import Product
from osa_luigi.steps.time_calibration import TimeCalibration


class CalibrationPlanner:
    """The calibration that a night's runs use.

    Parameters
    ----------
    chosen
        Which runs calibrate; `None` where no run needs it.
    earlier
        The night that those runs are of.
    """

    def __init__(self, shared: Materials, chosen: CalibrationSource | None, earlier: Night) -> None:
        self._shared = shared
        self._chosen = chosen
        self._earlier = earlier

    @property
    def _source(self) -> CalibrationSource:
        if self._chosen is None:
            raise NightError(f"{compact(self._shared.night.date)}: no calibration runs, and data that need them")
        return self._chosen

    @property
    def _production(self) -> Production:
        return production_of(self._shared.production, self._source.date)

    def group(self) -> Group:
        """DRS4 baseline, sampling times if made here, charges."""
        calls = [self.drs4]
        if self._shared.procedure.calibration.time.source == "pedcalib":
            calls.append(self._time)
        calls.append(self.charge)
        return Group(self._production, tuple(calls), priority=PRIORITY["calibration"])

    @cached_property
    def drs4(self) -> StepCall:
        """The DRS4 baseline."""
        run = self._earlier.run(self._source.drs4_run)
        return Drs4Baseline.call(
            unit=run.label,
            raw=raw_inputs(run.subrun(0)),
            max_events=self._shared.procedure.calibration.drs4_baseline.max_events,
            **self._shared.common("drs4_baseline"),
        )

    @cached_property
    def _time(self) -> StepCall:
        run = self._earlier.run(self._source.pedcal_run)
        return TimeCalibration.call(
            unit=run.label,
            raw=raw_inputs(run.subrun(0)),
            pedestal=self.product(self.drs4, "pedestal"),
            run_summary=self._shared.summary(self._earlier, run),
            config=self._shared.config("calibration", self._shared.procedure.calibration.charge.config),
            max_events=self._shared.procedure.calibration.time.max_events,
            flatfield_heuristic=self._shared.procedure.calibration.charge.flatfield_heuristic,
            **self._shared.common("time_calibration"),
        )

    @cached_property
    def charge(self) -> StepCall:
        """The charge calibration."""
        run = self._earlier.run(self._source.pedcal_run)
        charge = self._shared.procedure.calibration.charge
        return ChargeCalibration.call(
            unit=run.label,
            raw=raw_inputs(run.subrun(0)),
            pedestal=self.product(self.drs4, "pedestal"),
            time_calibration=self.time_calibration,
            run_summary=self._shared.summary(self._earlier, run),
            config=self._shared.config("calibration", charge.config),
            systematics=self.systematics,
            filters=charge.filters,
            flatfield_adc=(charge.min_flatfield_adc, charge.max_flatfield_adc),
            sample_size=charge.sample_size,
            events_to_skip=charge.events_to_skip,
            flatfield_heuristic=charge.flatfield_heuristic,
            **self._shared.common("charge_calibration"),
        )

    @cached_property
    def time_calibration(self) -> Input:
        """Sampling times: made here, or the site's."""
        if self._shared.procedure.calibration.time.source == "pedcalib":
            return self.product(self._time, "time_calibration")
        folder = self._shared.configuration.main.site.paths.time_calibration
        if self._shared.procedure.fake:
            return FileInput("time_calibration", str(folder), {})
        return foreign_input(
            "time_calibration", find_time_calibration(folder, self._source.date, self._source.pedcal_run)
        )

    @cached_property
    def systematics(self) -> Input | None:
        """The systematics of the night's date, where they are asked for."""
        if self._shared.procedure.fake or not self._shared.procedure.calibration.charge.systematics:
            return None
        day = self._chosen.date if self._chosen else self._shared.night.date
        return foreign_input(
            "systematics", find_systematics(self._shared.configuration.main.site.paths.systematics, day)
        )

    def product(self, call: StepCall, role: str) -> Input:
        """An output of a calibration step, in the production of the calibration's night."""
        return self._shared.once(lambda: Product(call, role, str(self._production.root)), call.step, role)
