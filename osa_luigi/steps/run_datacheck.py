"""Checks of a run, merged from its subruns': ``lstchain_check_dl1`` without its plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Unpack

from osa_luigi.products import names
from osa_luigi.steps import checks, datacheck, making
from osa_luigi.steps.call import Input, Output, StepCall
from osa_luigi.steps.step import Command, Step, Tool

FOLDER = Path("datacheck")


class RunDatacheck(Step):
    """The datacheck of a run: a row per subrun and kind of event. The plots are a step of their own, which nothing waits for."""

    name: ClassVar[str] = "run_datacheck"
    tool: ClassVar[Tool] = Tool(datacheck.TOOL.command, datacheck.TOOL.entry, "osa_luigi.steps.mends:run_datacheck")

    @classmethod
    def call(
        cls,
        *,
        unit: str,
        datachecks: Sequence[Input],
        tailcut: str,
        **common: Unpack[making.Common],
    ) -> StepCall:
        """The check of a run.

        Parameters
        ----------
        unit
            The run.
        datachecks
            Of all its subruns.
        tailcut
            Folder of the product, such as ``tailcut84``.
        """
        return making.make(
            cls,
            unit=unit,
            settings={},
            inputs=making.as_role("datacheck", *datachecks),
            outputs=[Output("datacheck", names.datacheck(tailcut, unit))],
            **common,
        )

    def command(self, call: StepCall) -> Command:
        return whole_run(self.tool, call, "--omit-pdf")

    def produced(self, call: StepCall) -> Mapping[str, Path]:
        return {"datacheck": FOLDER / call.output("datacheck").path.name}

    def verify(self, call: StepCall, files: Mapping[str, Path]) -> Mapping[str, Any]:
        """Of each kind of event the rows of all subruns, of cosmics one for each subrun."""
        paths = call.paths("datacheck")
        with checks.hdf5(files["datacheck"]) as file:
            file.require(*datacheck.COMMON, datacheck.table("cosmics"))
            for kind in datacheck.KINDS:
                node = datacheck.table(kind)
                rows = datacheck.subruns_with(paths, kind)
                if rows or node in file.rows:
                    file.require_rows(node, rows, "of its subruns")
            found = sorted(int(index) for index in file.column(datacheck.table("cosmics"), "subrun_index"))
            events = int(file.column(datacheck.table("cosmics"), "num_events").sum())
        expected = sorted(making.subruns_of([_unit(path) for path in paths]))
        if found != expected:
            lost = sorted(set(expected) - set(found))
            raise checks.refuse(files["datacheck"], f"lacks the subruns {', '.join(map(str, lost)) or '(some twice)'}")
        return {"subruns": len(found), "cosmics": events}


def whole_run(tool: Tool, call: StepCall, *more: str) -> Command:
    """The tool over all subruns of a run."""
    links = {FOLDER / path.name: path for path in call.paths("datacheck")}
    links |= {datacheck.MUONS / path.name: path for path in call.paths("muons")}
    arguments = (
        # The tool expands the pattern itself. It must not match the run-wise file, which is written beside the inputs.
        f"--input-file={FOLDER / names.datacheck('', call.unit + '.*').name}",
        "--output-dir=.",
        f"--muons-dir={datacheck.MUONS}",
        "--max-cores=1",
        "--batch",
        *more,
    )
    return Command(tool, arguments, links=links, folders=(datacheck.MUONS,))


def _unit(path: Path) -> str:
    """``Run02008.0003`` in ``datacheck_dl1_LST-1.Run02008.0003.h5``."""
    return path.stem.partition(".")[2]
