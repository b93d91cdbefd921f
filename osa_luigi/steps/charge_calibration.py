"""The camera's category-A calibration: ``lstchain_create_calibration_file``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Unpack

from osa_luigi.products import names
from osa_luigi.steps import camera_calibration, checks, making, raw
from osa_luigi.steps.call import Input, Output, StepCall
from osa_luigi.steps.heuristic import STANDARD_FILTERS, flatfield_range
from osa_luigi.steps.step import Command, Step, Tool


class ChargeCalibration(Step):
    """Charge and time coefficients of every pixel by the F-factor method, from the flat-field and pedestal events of a PEDCALIB run."""

    name: ClassVar[str] = "charge_calibration"
    tool: ClassVar[Tool] = Tool(
        "lstchain_create_calibration_file", "lstchain.tools.lstchain_create_calibration_file:main"
    )

    @classmethod
    def call(
        cls,
        *,
        unit: str,
        raw: Sequence[Input],
        pedestal: Input,
        time_calibration: Input,
        run_summary: Input,
        config: Path,
        systematics: Input | None = None,
        filters: str = STANDARD_FILTERS,
        flatfield_adc: tuple[float, float] | None = None,
        sample_size: int = 10_000,
        events_to_skip: int | None = None,
        flatfield_heuristic: bool | None = None,
        **common: Unpack[making.Common],
    ) -> StepCall:
        """The charge calibration from a PEDCALIB run.

        Parameters
        ----------
        unit
            The run.
        raw
            All streams of its subruns, from 0 on; the configuration says whether later ones are read (``MultiFiles.all_subruns``).
        systematics
            Quadratic term of the F-factor method; without it none is applied.
        filters
            Of the calibration box; they give the range of flat-field charges (ADC counts) unless `flatfield_adc` does.
        sample_size
            Flat-field events, and pedestal events, that make one calibration.
        events_to_skip
            First events, with a bad DRS4 correction; ``None``: as the configuration says (1,000).
        """
        low, high = flatfield_adc or flatfield_range(filters)
        settings = {
            "filters": filters,
            "flatfield_adc": [low, high],
            "sample_size": sample_size,
            "events_to_skip": events_to_skip,
            "flatfield_heuristic": flatfield_heuristic,
        }
        inputs = [
            *making.as_role("raw", *raw),
            *making.as_role("pedestal", pedestal),
            *making.as_role("time_calibration", time_calibration),
            *making.as_role("run_summary", run_summary),
            *making.as_role("systematics", systematics),
        ]
        return making.make(
            cls,
            unit=unit,
            settings=settings,
            inputs=inputs,
            outputs=[Output("calibration", names.charge_calibration(making.run_of(unit), filters))],
            configs={"config": config},
            **common,
        )

    def command(self, call: StepCall) -> Command:
        settings, paths = call.settings, call.paths("raw")
        low, high = settings["flatfield_adc"]
        skip = settings["events_to_skip"]
        arguments = (
            f"--input_file={raw.FOLDER / raw.first_stream(paths).name}",
            f"--output_file={self.produced(call)['calibration']}",
            "--LSTEventSource.default_trigger_type=tib",
            f"--EventSource.min_flatfield_adc={low}",
            f"--EventSource.max_flatfield_adc={high}",
            f"--LSTCalibrationCalculator.systematic_correction_path={optional_path(call, 'systematics')}",
            f"--LSTEventSource.EventTimeCalculator.run_summary_path={call.path('run_summary')}",
            f"--LSTEventSource.LSTR0Corrections.drs4_time_calibration_path={call.path('time_calibration')}",
            f"--LSTEventSource.LSTR0Corrections.drs4_pedestal_path={call.path('pedestal')}",
            f"--LSTEventSource.use_flatfield_heuristic={settings['flatfield_heuristic']}",
            f"--FlasherFlatFieldCalculator.sample_size={settings['sample_size']}",
            f"--PedestalIntegrator.sample_size={settings['sample_size']}",
            f"--config={call.configs['config']}",
            *(() if skip is None else (f"--events_to_skip={skip}",)),
        )
        return Command(self.tool, arguments, links=raw.links(paths))

    def produced(self, call: StepCall) -> Mapping[str, Path]:
        return {"calibration": Path(call.output("calibration").path.name)}

    def check_inputs(self, call: StepCall) -> None:
        raw.check_raw(call)

    def verify(self, call: StepCall, files: Mapping[str, Path]) -> Mapping[str, Any]:
        """The four tables are there, from enough events, with numbers for all usable pixels."""
        with checks.hdf5(files["calibration"]) as file:
            return camera_calibration.check_tables(file, call.settings["sample_size"])


def optional_path(call: StepCall, role: str) -> Path | None:
    """The input of a role; its text is ``None`` where there is none, which is how traitlets wants it said."""
    paths = call.paths(role)
    return paths[0] if paths else None
