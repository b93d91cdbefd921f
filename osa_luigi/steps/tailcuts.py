"""The cleaning that suits a run's night-sky background: ``lstchain_find_tailcuts``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Unpack

from osa_luigi.products import names
from osa_luigi.steps import checks, making
from osa_luigi.steps.call import Input, Output, StepCall
from osa_luigi.steps.step import Command, Step, Tool

FOLDER = Path("dl1")
SECTION = "tailcuts_clean_with_pedestal_threshold"
_NSB = re.compile(r"Additional NSB rate \(over dark MC\): (-?[\d.]+|nan) p\.e\./ns")


class Tailcuts(Step):
    """Picture and boundary thresholds from the pedestal charges of a run, and the NSB that the simulation lacks."""

    name: ClassVar[str] = "tailcuts"
    tool: ClassVar[Tool] = Tool(
        "lstchain_find_tailcuts", "lstchain.scripts.lstchain_find_tailcuts:main", "osa_luigi.steps.mends:tailcuts"
    )

    @classmethod
    def call(cls, *, unit: str, dl1: Sequence[Input], **common: Unpack[making.Common]) -> StepCall:
        """The cleaning of a run.

        Parameters
        ----------
        unit
            The run.
        dl1
            DL1a of all its subruns; lstchain looks at about ten of them, which need 100 interleaved pedestals each.
        """
        config = names.tailcuts(making.run_of(unit))
        return making.make(
            cls,
            unit=unit,
            settings={},
            inputs=making.as_role("dl1", *dl1),
            # The NSB, by which the models for DL2 are chosen, is only in the log.
            outputs=[Output("tailcuts", config), Output("log", config.with_name(f"log_find_tailcuts_{unit}.log"))],
            **common,
        )

    def command(self, call: StepCall) -> Command:
        return Command(
            self.tool,
            (
                f"--input-dir={FOLDER}",
                f"--run={making.run_of(call.unit)}",
                "--output-dir=.",
                f"--log={call.output('log').path.name}",
            ),
            links={FOLDER / path.name: path for path in call.paths("dl1")},
        )

    def produced(self, call: StepCall) -> Mapping[str, Path]:
        return {role: Path(call.output(role).path.name) for role in ("tailcuts", "log")}

    def verify(self, call: StepCall, files: Mapping[str, Path]) -> Mapping[str, Any]:
        """Thresholds are there, positive, the boundary's below the picture's; the log says the NSB."""
        path = files["tailcuts"]
        found = checks.json_object(path).get(SECTION)
        if not isinstance(found, dict):
            raise checks.refuse(path, f"lacks the section {SECTION}")
        picture, boundary = found.get("picture_thresh"), found.get("boundary_thresh")
        if not (isinstance(picture, int | float) and isinstance(boundary, int | float) and 0 < boundary <= picture):
            raise checks.refuse(path, f"has the thresholds {picture} and {boundary}, which make no sense")
        nsb = additional_nsb(checks.text(files["log"]))
        if nsb is None:
            raise checks.refuse(files["log"], "does not say the additional NSB rate")
        return {"picture_thresh": picture, "boundary_thresh": boundary, "additional_nsb": nsb}


def additional_nsb(log: str) -> float | None:
    """What a log of the tool says of the NSB (p.e./ns over the dark simulation); `None` if nothing."""
    said = _NSB.search(log)
    return None if said is None or said[1] == "nan" else float(said[1])
