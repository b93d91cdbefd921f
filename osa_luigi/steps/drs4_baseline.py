"""The baseline of every capacitor of the DRS4 chips: ``lstchain_create_drs4_pedestal_file``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Unpack

from osa_luigi.products import names
from osa_luigi.steps import checks, making, raw
from osa_luigi.steps.call import Input, Output, StepCall
from osa_luigi.steps.camera import GAINS, PIXELS
from osa_luigi.steps.step import Command, Step, Tool

TABLE = "/r1/monitoring/drs4_baseline/tel_001"
CAPACITORS = 4096
MAX_UNCOVERED = 0.05
"""Fraction of pixels (per gain) that may have capacitors no event reached: the modules that may be switched off. The tool
itself writes zeros for them and exits 0."""


class Drs4Baseline(Step):
    """Mean baseline of each capacitor and height of the spikes, from subrun 0 of a DRS4 run."""

    name: ClassVar[str] = "drs4_baseline"
    tool: ClassVar[Tool] = Tool(
        "lstchain_create_drs4_pedestal_file", "lstchain.tools.lstchain_create_drs4_pedestal_file:main"
    )

    @classmethod
    def call(
        cls, *, unit: str, raw: Sequence[Input], max_events: int = 20_000, **common: Unpack[making.Common]
    ) -> StepCall:
        """The baseline from a DRS4 run.

        Parameters
        ----------
        unit
            The run.
        raw
            The four streams of its subrun 0.
        max_events
            Events used; 20,000 is what the observatory uses.
        """
        return making.make(
            cls,
            unit=unit,
            settings={"max_events": max_events},
            inputs=making.as_role("raw", *raw),
            outputs=[Output("pedestal", names.drs4_baseline(making.run_of(unit)))],
            **common,
        )

    def command(self, call: StepCall) -> Command:
        return Command(
            self.tool,
            (
                f"--input={raw.first_stream(call.paths('raw'))}",
                f"--output={self.produced(call)['pedestal']}",
                f"--max-events={call.settings['max_events']}",
                "--no-progress",
            ),
        )

    def produced(self, call: StepCall) -> Mapping[str, Path]:
        return {"pedestal": Path(call.output("pedestal").path.name)}

    def check_inputs(self, call: StepCall) -> None:
        raw.check_raw(call)

    def verify(self, call: StepCall, files: Mapping[str, Path]) -> Mapping[str, Any]:
        """All capacitors of (nearly) all pixels were reached by at least one event."""
        import numpy as np

        path = files["pedestal"]
        with checks.hdf5(path, {TABLE: ("baseline_counts",)}) as file:
            file.require_rows(TABLE, 1, "of a baseline")
            file.require_shape(TABLE, (GAINS, PIXELS, CAPACITORS), "baseline_mean", "baseline_std", "baseline_counts")
            file.require_shape(TABLE, (GAINS, PIXELS, 3), "spike_height")
            counts = file.column(TABLE, "baseline_counts")[0]
        uncovered = int(np.count_nonzero(counts.min(axis=-1) == 0))
        if uncovered > MAX_UNCOVERED * GAINS * PIXELS:
            raise checks.refuse(
                path,
                f"{uncovered} of {GAINS * PIXELS} pixels (both gains) have capacitors that no event reached",
                "the DRS4 run has too few events: use another one",
            )
        return {"entries_per_capacitor": round(float(counts.mean()), 1), "uncovered_pixels": uncovered}
