"""Plots of a run's checks: ``lstchain_check_dl1`` with its PDF, five times the cost of the tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Unpack

from osa_luigi.products import names
from osa_luigi.steps import checks, making
from osa_luigi.steps.call import Input, Output, StepCall
from osa_luigi.steps.run_datacheck import RunDatacheck, whole_run
from osa_luigi.steps.step import Command, Step, Tool


class RunPlots(Step):
    """The PDF of a run's datacheck, muon rings included; a leaf of the graph."""

    name: ClassVar[str] = "run_plots"
    tool: ClassVar[Tool] = RunDatacheck.tool

    @classmethod
    def call(
        cls,
        *,
        unit: str,
        datachecks: Sequence[Input],
        muons: Sequence[Input],
        tailcut: str,
        **common: Unpack[making.Common],
    ) -> StepCall:
        """The plots of a run.

        Parameters
        ----------
        unit
            The run.
        datachecks, muons
            Of all its subruns.
        tailcut
            Folder of the product, such as ``tailcut84``.
        """
        return making.make(
            cls,
            unit=unit,
            settings={},
            inputs=[*making.as_role("datacheck", *datachecks), *making.as_role("muons", *muons)],
            outputs=[Output("plots", names.datacheck(tailcut, unit, "pdf"))],
            **common,
        )

    def command(self, call: StepCall) -> Command:
        return whole_run(self.tool, call)

    def produced(self, call: StepCall) -> Mapping[str, Path]:
        return {"plots": Path(call.output("plots").path.name)}

    def verify(self, call: StepCall, files: Mapping[str, Path]) -> Mapping[str, Any]:
        """A whole PDF with pages in it."""
        return {"pages": checks.pdf_pages(files["plots"])}
