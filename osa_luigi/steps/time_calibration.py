"""The sampling times of the DRS4 chips: ``lstchain_data_create_time_calibration_file``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Unpack

from osa_luigi.products import names
from osa_luigi.steps import checks, making, raw
from osa_luigi.steps.call import Input, Output, StepCall
from osa_luigi.steps.camera import GAINS, PIXELS
from osa_luigi.steps.heuristic import heuristic_flags
from osa_luigi.steps.step import Command, Step, Tool


class TimeCalibration(Step):
    """Fourier series of the sampling time over the ring of capacitors, from the flat-field events of a PEDCALIB run."""

    name: ClassVar[str] = "time_calibration"
    tool: ClassVar[Tool] = Tool(
        "lstchain_data_create_time_calibration_file",
        "lstchain.scripts.lstchain_data_create_time_calibration_file:main",
        "osa_luigi.steps.mends:time_calibration",
    )

    @classmethod
    def call(
        cls,
        *,
        unit: str,
        raw: Sequence[Input],
        pedestal: Input,
        run_summary: Input,
        config: Path,
        max_events: int = 20_000,
        flatfield_heuristic: bool | None = None,
        **common: Unpack[making.Common],
    ) -> StepCall:
        """The time calibration from a PEDCALIB run.

        Parameters
        ----------
        unit
            The run.
        raw
            All streams of its subruns, from 0 on. How many subruns are read, the configuration says
            (``LSTEventSource.MultiFiles.all_subruns``).
        pedestal
            DRS4 baseline.
        config
            Camera calibration configuration of lstchain (``onsite_camera_calibration_param.json``).
        flatfield_heuristic
            Tell flat-field events by their looks; ``None`` leaves it to lstchain (only before 2022).
        """
        settings = {"max_events": max_events, "flatfield_heuristic": flatfield_heuristic}
        inputs = [
            *making.as_role("raw", *raw),
            *making.as_role("pedestal", pedestal),
            *making.as_role("run_summary", run_summary),
        ]
        return making.make(
            cls,
            unit=unit,
            settings=settings,
            inputs=inputs,
            outputs=[Output("time_calibration", names.time_calibration(making.run_of(unit)))],
            configs={"config": config},
            **common,
        )

    def command(self, call: StepCall) -> Command:
        # One file, never a pattern: with `all_subruns` set, lstchain would read the later subruns twice.
        paths = call.paths("raw")
        return Command(
            self.tool,
            (
                f"--input-file={raw.FOLDER / raw.first_stream(paths).name}",
                f"--output-file={self.produced(call)['time_calibration']}",
                f"--config={call.configs['config']}",
                f"--run-summary-path={call.path('run_summary')}",
                f"--pedestal-file={call.path('pedestal')}",
                f"--max-events={call.settings['max_events']}",
                *heuristic_flags(call.settings["flatfield_heuristic"]),
                "--no-progress",
            ),
            links=raw.links(paths),
        )

    def produced(self, call: StepCall) -> Mapping[str, Path]:
        return {"time_calibration": Path(call.output("time_calibration").path.name)}

    def check_inputs(self, call: StepCall) -> None:
        raw.check_raw(call)

    def verify(self, call: StepCall, files: Mapping[str, Path]) -> Mapping[str, Any]:
        """Both series are there for each gain and pixel, all numbers, from at least one event."""
        import numpy as np

        path = files["time_calibration"]
        with checks.hdf5(path) as file:
            for node in ("/fan", "/fbn"):
                values = file.array(node)
                if values.shape[:2] != (GAINS, PIXELS):
                    raise checks.refuse(path, f"{node} has the shape {values.shape}, not ({GAINS}, {PIXELS}, ...)")
                if not np.isfinite(values).all():
                    raise checks.refuse(path, f"{node} holds values that are not finite")
            events = int(file.attribute("/", "n_events") or 0)
        if not events:
            raise checks.refuse(path, "was made from no flat-field event", "use another PEDCALIB run")
        return {"flatfield_events": events}
