"""Checks of a subrun's DL1: ``lstchain_check_dl1``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Unpack

from osa_luigi.products import names
from osa_luigi.steps import checks, dl1, making
from osa_luigi.steps.call import UNIT, Input, Output, Outputs, StepCall
from osa_luigi.steps.step import Command, Step, Tool

KINDS = ("cosmics", "flatfield", "pedestals")
COMMON = ("/dl1datacheck/histogram_binning", "/dl1datacheck/used_trigger_tag")
"""What every file has, whatever its events; merging copies it from the first."""

MUONS = Path("muons")
"""Links to the muon files lie here: the tool looks for them by name."""

TOOL = Tool("lstchain_check_dl1", "lstchain.scripts.lstchain_check_dl1:main")


def table(kind: str) -> str:
    """Path of the table of one kind of events; it has a row per subrun."""
    return f"/dl1datacheck/{kind}"


def subruns_with(paths: Iterable[Path], kind: str) -> int:
    """Subruns with events of a kind, in these files together."""
    return sum(checks.hdf5_rows(path, table(kind)) for path in paths)


@cache
def _outputs(tailcut: str) -> tuple[Output, ...]:
    return (Output("datacheck", names.datacheck(tailcut, UNIT)),)


class Datacheck(Step):
    """Distributions of a subrun's DL1b, by kind of event. Without plots: the run has them."""

    name: ClassVar[str] = "datacheck"

    @classmethod
    def call(
        cls, *, unit: str, dl1: Input, tailcut: str, muons: Input | None = None, **common: Unpack[making.Common]
    ) -> StepCall:
        """The check of a subrun.

        Parameters
        ----------
        dl1
            Its DL1b, with images.
        tailcut
            Folder of the product, such as ``tailcut84``.
        muons
            Its muon rings. Only plots show them, so without plots they change nothing and may be left out.
        """
        return making.make(
            cls,
            unit=unit,
            settings={},
            inputs=[*making.as_role("dl1", dl1), *making.as_role("muons", muons)],
            outputs=Outputs(unit, _outputs(tailcut)),
            **common,
        )

    def command(self, call: StepCall) -> Command:
        return Command(
            TOOL,
            (
                f"--input-file={call.path('dl1')}",
                "--output-dir=.",
                f"--muons-dir={MUONS}",
                # The tool would start four processes, whatever the job was given.
                "--max-cores=1",
                "--omit-pdf",
                "--batch",
            ),
            links={MUONS / path.name: path for path in call.paths("muons")},
            folders=(MUONS,),
        )

    def produced(self, call: StepCall) -> Mapping[str, Path]:
        return {"datacheck": Path(call.output("datacheck").path.name)}

    def verify(self, call: StepCall, files: Mapping[str, Path]) -> Mapping[str, Any]:
        """One row per kind of event, and together the events of DL1b.

        A kind with a single event gets no row (its spread is not defined), so up to one event per kind may be missing.
        """
        events = checks.hdf5_rows(call.path("dl1"), dl1.PARAMETERS)
        with checks.hdf5(files["datacheck"]) as file:
            file.require(*COMMON, table("cosmics"))
            present = [kind for kind in KINDS if table(kind) in file.rows]
            counts = {kind: int(file.column(table(kind), "num_events").sum()) for kind in present}
            for kind in present:
                file.require_rows(table(kind), 1, "of one subrun")
        if not events - (len(KINDS) - len(present)) <= sum(counts.values()) <= events:
            raise checks.refuse(files["datacheck"], f"counts {sum(counts.values())} events, DL1b has {events}")
        return {"events": events, **counts}
