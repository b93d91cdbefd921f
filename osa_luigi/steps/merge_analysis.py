"""One HDF5 file out of what an analysis left for each run."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Unpack

from osa_luigi.analysis.tables import merge_hdf5
from osa_luigi.steps import checks, making
from osa_luigi.steps.call import Input, Output, StepCall
from osa_luigi.steps.step import Command, Step, Tool


class MergeAnalysis(Step):
    """The summaries of an analysis's runs in one file: the same tables, all rows."""

    name: ClassVar[str] = "merge_analysis"

    @classmethod
    def call(cls, *, summaries: Sequence[Input], file: str, **common: Unpack[making.Common]) -> StepCall:
        """Of a night.

        Parameters
        ----------
        summaries
            Of its runs, in order.
        file
            Name of the merged file.
        """
        return making.make(
            cls,
            unit=making.NIGHT,
            settings={},
            inputs=making.as_role("summary", *summaries),
            outputs=[Output("summary", file)],
            **common,
        )

    def command(self, call: StepCall) -> Command:
        return Command(
            Tool("python -m osa_luigi.steps.merge_analysis", "osa_luigi.steps.merge_analysis:main"),
            (f"--output={self.produced(call)['summary']}", *map(str, call.paths("summary"))),
        )

    def produced(self, call: StepCall) -> Mapping[str, Path]:
        return {"summary": Path(call.output("summary").path.name)}

    def verify(self, call: StepCall, files: Mapping[str, Path]) -> Mapping[str, Any]:
        """As many rows as the runs have together, table by table."""
        with checks.hdf5(files["summary"]) as file:
            tables = [node for node in file.rows if file.columns(node)]
            for node in tables:
                expected = sum(checks.hdf5_rows(path, node) for path in call.paths("summary"))
                file.require_rows(node, expected, "of its runs together")
            return {"runs": len(call.paths("summary")), "rows": sum(file.rows[node] for node in tables)}


def main() -> None:
    """``python -m osa_luigi.steps.merge_analysis``."""
    parser = argparse.ArgumentParser(description="Merge HDF5 files of the same tables")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("files", type=Path, nargs="+")
    asked = parser.parse_args()
    merge_hdf5(asked.files, asked.output)


if __name__ == "__main__":
    main()
