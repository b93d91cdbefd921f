"""Keeping one gain per pixel of the raw data: ``lstchain_r0_to_r0g``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Unpack

from osa_luigi.errors import NightError
from osa_luigi.night.names import STREAMS
from osa_luigi.products import names
from osa_luigi.steps import checks, making, raw
from osa_luigi.steps.call import UNIT, Input, Output, Outputs, StepCall
from osa_luigi.steps.step import Command, Step, Tool

LOG = "gain_selection.log"


OUTPUTS = tuple(Output(f"stream_{stream}", names.gain_selected(stream, UNIT)) for stream in STREAMS)


class GainSelection(Step):
    """R0G of a subrun: showers keep one gain per pixel, interleaved events both."""

    name: ClassVar[str] = "gain_selection"
    tool: ClassVar[Tool] = Tool("lstchain_r0_to_r0g", "lstchain.scripts.lstchain_r0_to_r0g:main")

    @classmethod
    def call(
        cls, *, unit: str, raw: Sequence[Input], flatfield_heuristic: bool = True, **common: Unpack[making.Common]
    ) -> StepCall:
        """R0G of a subrun.

        Parameters
        ----------
        raw
            Its four streams, with both gains (R1v1).
        flatfield_heuristic
            Tell flat-field events by their looks, as lstchain does unless told otherwise.
        """
        return making.make(
            cls,
            unit=unit,
            settings={"flatfield_heuristic": flatfield_heuristic},
            inputs=making.as_role("raw", *raw),
            outputs=Outputs(unit, OUTPUTS),
            **common,
        )

    def command(self, call: StepCall) -> Command:
        return Command(
            self.tool,
            (
                f"--R0-file={raw.first_stream(call.paths('raw'))}",
                "--output-dir=R0G",
                f"--log={LOG}",
                *(() if call.settings["flatfield_heuristic"] else ("--no-flatfield-heuristic",)),
            ),
            folders=(Path("R0G"),),
        )

    def produced(self, call: StepCall) -> Mapping[str, Path]:
        return {output.role: Path("R0G") / output.path.name for output in call.outputs}

    def check_inputs(self, call: StepCall) -> None:
        raw.check_raw(call)

    def verify(self, call: StepCall, files: Mapping[str, Path]) -> Mapping[str, Any]:
        """All streams are whole, are read to their ends, and have the events of the raw files, but for those with id 0."""
        from osa_luigi.night.truncation import check_raw_file

        events = 0
        for path in files.values():
            try:
                declared = check_raw_file(path)
            except NightError as error:
                raise checks.refuse(path, "is not a whole raw file", checks.DAMAGED) from error
            if (read := raw.count_events(path)) != declared:
                raise checks.refuse(path, f"has {read} of the {declared} events that it declares", checks.DAMAGED)
            events += read
        expected = raw.check_raw(call)
        if events != expected and events != expected - raw.empty_events(call.paths("raw")):
            raise checks.refuse(next(iter(files.values())).parent, f"has {events} events, the raw files {expected}")
        return {"events": events}
