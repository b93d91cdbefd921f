"""One file of a run's muon rings, from its subruns': ``lstchain_merge_muon_files``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Unpack

from osa_luigi.products import names
from osa_luigi.steps import checks, making
from osa_luigi.steps.call import Input, Output, StepCall
from osa_luigi.steps.step import Command, Step, Tool

FOLDER = Path("muons")


class MergeMuons(Step):
    """The muon rings of a run. Subruns without a ring have a table without rows, and add none."""

    name: ClassVar[str] = "merge_muons"
    tool: ClassVar[Tool] = Tool(
        "lstchain_merge_muon_files",
        "lstchain.scripts.lstchain_merge_muon_files:main",
        "osa_luigi.steps.mends:merge_muons",
    )

    @classmethod
    def call(cls, *, unit: str, muons: Sequence[Input], **common: Unpack[making.Common]) -> StepCall:
        """The muon rings of a run.

        Parameters
        ----------
        unit
            The run.
        muons
            Muon rings of all its subruns.
        """
        return making.make(
            cls,
            unit=unit,
            settings={},
            inputs=making.as_role("muons", *muons),
            outputs=[Output("muons", names.muons(unit))],
            **common,
        )

    def command(self, call: StepCall) -> Command:
        return Command(
            self.tool,
            (
                f"--input-dir={FOLDER}",
                f"--output-file={self.produced(call)['muons']}",
                f"--pattern={names.muons(call.unit + '.*').name}",
            ),
            links={FOLDER / path.name: path for path in call.paths("muons")},
        )

    def produced(self, call: StepCall) -> Mapping[str, Path]:
        return {"muons": Path(call.output("muons").path.name)}

    def verify(self, call: StepCall, files: Mapping[str, Path]) -> Mapping[str, Any]:
        """As many rings as the subruns have together."""
        path, paths = files["muons"], call.paths("muons")
        rings = checks.fits_rows(path, ("event_id", "muon_efficiency"))
        if rings != (expected := sum(checks.fits_rows(subrun) for subrun in paths)):
            raise checks.refuse(path, f"has {rings} rings, not the {expected} of its subruns together")
        return {"subruns": len(paths), "muon_rings": rings}
