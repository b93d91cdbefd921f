"""Raw data to calibrated images, muon rings and interleaved events: ``lstchain_data_r0_to_dl1``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Unpack

from osa_luigi.products import names
from osa_luigi.steps import checks, dl1, making, raw
from osa_luigi.steps.call import UNIT, Input, Output, Outputs, StepCall
from osa_luigi.steps.heuristic import heuristic_flags
from osa_luigi.steps.step import Command, Step, Tool

INTERLEAVED = ("/r1/event/telescope/tel_001", "/dl1/event/subarray/trigger", "/dl1/event/telescope/trigger")
INTERLEAVED_TIMES = "/dl1/event/telescope/images/tel_001"
"""Peak times; the configuration may leave them out (``write_dl1_images``)."""

OPTIONS = {
    "pointing": "--pointing-file",
    "run_summary": "--run-summary-path",
    "pedestal": "--pedestal-file",
    "calibration": "--calibration-file",
    "time_calibration": "--time-calibration-file",
    "systematics": "--systematic-correction-file",
    "pedestal_ids": "--pedestal-ids-path",
}
"""Role of an input → the tool's option for it; an input that is not there has none."""

OUTPUTS = (
    Output("dl1", names.dl1a(UNIT)),
    Output("muons", names.muons(UNIT)),
    Output("interleaved", names.interleaved(UNIT)),
)
"""None is optional: lstchain writes all three, with no rings and no interleaved events, too."""

OUT_OF_LOG = "in x_new is "
"""``A value (…) in x_new is above (below) the interpolation range's maximum (minimum) value``."""


class R0ToDL1(Step):
    """DL1a of a subrun: calibrated images and first parameters, with muon rings and interleaved events beside them.

    What the data were through already decides which calibrations belong to it (ctapipe_io_lst 0.29):

    - gain selected (R0G, or by the event builder): all of them, as for raw data; gains are then selected no more;
    - calibrated to photoelectrons by the event builder: none of them. Charges would not change, but the times would be
      corrected, and images cleaned by times corrected twice. Systematics may be given: the interleaved events are analysed.
    """

    name: ClassVar[str] = "r0_to_dl1"
    tool: ClassVar[Tool] = Tool("lstchain_data_r0_to_dl1", "lstchain.scripts.lstchain_data_r0_to_dl1:main")

    @classmethod
    def call(
        cls,
        *,
        unit: str,
        raw: Sequence[Input],
        run_summary: Input,
        pointing: Input,
        config: Path,
        pedestal: Input | None = None,
        calibration: Input | None = None,
        time_calibration: Input | None = None,
        systematics: Input | None = None,
        pedestal_ids: Input | None = None,
        flatfield_heuristic: bool | None = None,
        trigger_type: str | None = None,
        **common: Unpack[making.Common],
    ) -> StepCall:
        """DL1a of a subrun.

        Parameters
        ----------
        raw
            Its four streams.
        pointing
            Drive log of the night; lstchain also reads the bending corrections and the target log beside it.
        pedestal, calibration, time_calibration
            DRS4 baseline, charge and time calibration; none of the three for data calibrated by the event builder.
        pedestal_ids
            Ids of the interleaved pedestals, where the trigger does not tell them.
        trigger_type
            ``ucts`` or ``tib``, over what the configuration says.

        Raises
        ------
        ValueError
            Only some of the three calibrations are given.
        """
        calibrations = (pedestal, calibration, time_calibration)
        if any(calibrations) and not all(calibrations):
            raise ValueError(f"{unit}: DRS4 baseline, charge and time calibration are given all three, or none of them")
        given = {
            "pointing": pointing,
            "run_summary": run_summary,
            "pedestal": pedestal,
            "calibration": calibration,
            "time_calibration": time_calibration,
            "systematics": systematics,
            "pedestal_ids": pedestal_ids,
        }
        roles = (item for role, one in given.items() for item in making.as_role(role, one))
        return making.make(
            cls,
            unit=unit,
            settings={"flatfield_heuristic": flatfield_heuristic, "trigger_type": trigger_type},
            inputs=[*making.as_role("raw", *raw), *roles],
            outputs=Outputs(unit, OUTPUTS),
            configs={"config": config},
            **common,
        )

    def command(self, call: StepCall) -> Command:
        trigger = call.settings["trigger_type"]
        return Command(
            self.tool,
            (
                f"--input-file={raw.first_stream(call.paths('raw'))}",
                "--output-dir=.",
                f"--config={call.configs['config']}",
                *(f"{option}={call.path(role)}" for role, option in OPTIONS.items() if call.paths(role)),
                *heuristic_flags(call.settings["flatfield_heuristic"]),
                *(() if trigger is None else (f"--default-trigger-type={trigger}",)),
            ),
        )

    def produced(self, call: StepCall) -> Mapping[str, Path]:
        return {
            "dl1": Path(names.dl1a(call.unit).name),
            "muons": Path(names.muons(call.unit).name),
            "interleaved": Path("interleaved") / names.interleaved(call.unit).name,
        }

    def check_inputs(self, call: StepCall) -> None:
        raw.check_raw(call)

    def explain(self, call: StepCall, said: str) -> str:
        """Where the drive log ends before the events, or begins after them, scipy speaks of its interpolation."""
        return _no_pointing(call) if OUT_OF_LOG in said else ""

    def verify(self, call: StepCall, files: Mapping[str, Path]) -> Mapping[str, Any]:
        """As many events as the raw files declare, the interleaved among them, those again in their own file.

        DL1a has a row for every raw event, interleaved ones included; only events with id 0, which the event builder leaves at
        the end of some runs, are skipped by lstchain.
        """
        import numpy as np

        declared = raw.check_raw(call)
        with checks.hdf5(files["dl1"], dl1.KEEP) as file:
            file.require(dl1.PARAMETERS, dl1.IMAGES, *dl1.MONITORING)
            events = file.rows[dl1.PARAMETERS]
            if events != declared:
                declared -= raw.empty_events(call.paths("raw"))
            file.require_rows(dl1.PARAMETERS, declared, "events of the raw files")
            file.require_rows(dl1.IMAGES, events, "events of the parameters")
            # Written together, so that an event's calibration_id finds both.
            file.require_rows(dl1.MONITORING[0], file.rows[dl1.MONITORING[1]], "of its flat fields")
            dl1.check_events(file)
            dl1.check_pointing(file, call.path("pointing"))
            types = file.column(dl1.PARAMETERS, "event_type")
        interleaved = int(np.count_nonzero(np.isin(types, (dl1.FLATFIELD, dl1.SKY_PEDESTAL))))
        _check_interleaved(files["interleaved"], interleaved)
        rings = checks.fits_rows(files["muons"], ("event_id", "muon_efficiency"))
        return {"events": events, "interleaved": interleaved, "muon_rings": rings}


def _no_pointing(call: StepCall) -> str:
    return (
        f"The drive log {call.path('pointing')} does not reach to these events. Complete it, then run again; "
        "or leave the run out (osa veto)."
    )


def _check_interleaved(path: Path, expected: int) -> None:
    with checks.hdf5(path) as file:
        # Without such events lstchain writes the file, but no table of events into it.
        for node in (*INTERLEAVED, INTERLEAVED_TIMES):
            if node in file.rows or (expected and node in INTERLEAVED):
                file.require_rows(node, expected, "interleaved events of DL1a")
