"""The camera's category-B calibration: ``lstchain_create_cat_B_calibration_file``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Unpack

from osa_luigi.products import names
from osa_luigi.steps import camera_calibration, checks, making
from osa_luigi.steps.call import Input, Output, StepCall
from osa_luigi.steps.charge_calibration import optional_path
from osa_luigi.steps.heuristic import STANDARD_FILTERS
from osa_luigi.steps.step import Command, Step, Tool

FOLDER = Path("interleaved")


class CatB(Step):
    """How a run's calibration changed with time, from its interleaved flat-field and pedestal events."""

    name: ClassVar[str] = "cat_b"
    tool: ClassVar[Tool] = Tool(
        "lstchain_create_cat_B_calibration_file", "lstchain.tools.lstchain_create_cat_B_calibration_file:main"
    )

    @classmethod
    def call(
        cls,
        *,
        unit: str,
        interleaved: Sequence[Input],
        calibration: Input,
        config: Path,
        systematics: Input | None = None,
        filters: str = STANDARD_FILTERS,
        sample_size: int = 2500,
        **common: Unpack[making.Common],
    ) -> StepCall:
        """The category-B calibration of a run.

        Parameters
        ----------
        unit
            The run.
        interleaved
            Interleaved events of all its subruns.
        calibration
            The category-A (charge) calibration it starts from.
        config
            lstchain's ``catB_camera_calibration_param.json``, or one like it.
        filters
            Of the calibration box; only the name of the product has it.
        sample_size
            Flat-field events, and pedestal events, that make one calibration.
        """
        return making.make(
            cls,
            unit=unit,
            settings={"filters": filters, "sample_size": sample_size},
            inputs=[
                *making.as_role("interleaved", *interleaved),
                *making.as_role("calibration", calibration),
                *making.as_role("systematics", systematics),
            ],
            outputs=[Output("cat_b", names.cat_b(making.run_of(unit), filters))],
            configs={"config": config},
            **common,
        )

    def command(self, call: StepCall) -> Command:
        paths = call.paths("interleaved")
        return Command(
            self.tool,
            (
                f"--input_path={FOLDER}",
                f"--output_file={self.produced(call)['cat_b']}",
                f"--input_file_pattern={names.interleaved(call.unit + '.*').name}",
                f"--n_subruns={len(paths)}",
                f"--cat_A_calibration_file={call.path('calibration')}",
                f"--LSTCalibrationCalculator.systematic_correction_path={optional_path(call, 'systematics')}",
                f"--FlasherFlatFieldCalculator.sample_size={call.settings['sample_size']}",
                f"--PedestalIntegrator.sample_size={call.settings['sample_size']}",
                f"--config={call.configs['config']}",
            ),
            links={FOLDER / path.name: path for path in paths},
        )

    def produced(self, call: StepCall) -> Mapping[str, Path]:
        return {"cat_b": Path(call.output("cat_b").path.name)}

    def verify(self, call: StepCall, files: Mapping[str, Path]) -> Mapping[str, Any]:
        """At least one calibration, from enough events, with numbers for all usable pixels."""
        with checks.hdf5(files["cat_b"]) as file:
            return camera_calibration.check_tables(file, call.settings["sample_size"])
