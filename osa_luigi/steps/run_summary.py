"""Which runs a night has: ``lstchain_create_run_summary``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, ClassVar, Unpack

from osa_luigi.errors import NightError, VerificationError
from osa_luigi.night.dates import compact, parse_date
from osa_luigi.night.names import RUN_SUMMARY, parse_raw_name
from osa_luigi.night.summary import read_run_summary
from osa_luigi.steps import checks, making, raw
from osa_luigi.steps.call import FileInput, Input, Output, StepCall
from osa_luigi.steps.step import Command, Step, Tool


class RunSummary(Step):
    """The runs of a night, their types and the reference times of their clocks.

    Without a database server the type of a run is guessed from the first 500 events of its first subrun.
    """

    name: ClassVar[str] = "run_summary"
    tool: ClassVar[Tool] = Tool(
        "lstchain_create_run_summary",
        "lstchain.scripts.lstchain_create_run_summary:main",
        "osa_luigi.steps.mends:run_summary",
    )

    @classmethod
    def call(
        cls, *, day: date, raw: Sequence[Input], tcu_server: str = "", **common: Unpack[making.Common]
    ) -> StepCall:
        """The run summary of a night.

        Parameters
        ----------
        raw
            Raw files of all runs. The tool counts stream 1 and opens all streams of subrun 0; only these become inputs.
        tcu_server
            Host of the telescope's database, which knows the types of the runs; empty: do not ask.
        """
        return making.make(
            cls,
            unit=compact(day),  # the site's folder holds the summaries of all nights
            settings={"date": compact(day), "tcu_server": tcu_server},
            # By name alone: the last file of a night that is being taken still grows, and the summary does not look into it.
            inputs=[FileInput("raw", item.place, {"name": item.path.name}) for item in raw if _is_looked_at(item.path)],
            outputs=[Output("run_summary", Path(RUN_SUMMARY.format(day)))],
            **common,
        )

    def command(self, call: StepCall) -> Command:
        day = call.settings["date"]
        server = call.settings["tcu_server"]
        arguments = (
            "--date",
            day,
            "--r0-path",
            "R0",
            "--output-dir",
            ".",
            *(("--tcu-server", server) if server else ()),
        )
        return Command(self.tool, arguments, links=raw.links(call.paths("raw"), Path("R0") / day))

    def produced(self, call: StepCall) -> Mapping[str, Path]:
        return {"run_summary": Path(call.output("run_summary").path.name)}

    def check_inputs(self, call: StepCall) -> None:
        """The tool opens subrun 0 of every run; it would die of a file that is cut short."""
        from osa_luigi.night.truncation import check_raw_file

        for path in call.paths("raw"):
            name = parse_raw_name(path.name)
            if name is not None and name.subrun == 0:
                check_raw_file(path)

    def verify(self, call: StepCall, files: Mapping[str, Path]) -> Mapping[str, Any]:
        """Every run is there, with the number of subruns that its files of stream 1 have."""
        path = files["run_summary"]
        try:
            rows = read_run_summary(path, parse_date(call.settings["date"]))
        except NightError as error:
            raise VerificationError(str(error)) from error
        listed = {row.run_id: row.n_subruns for row in rows}
        names = (parse_raw_name(item.name) for item in call.paths("raw"))
        expected = Counter(name.run for name in names if name and name.stream == 1)
        if listed != expected:
            runs = sorted(run for run in listed.keys() | expected.keys() if listed.get(run) != expected.get(run))
            wrong = ", ".join(f"{run} ({listed.get(run, 0)} instead of {expected.get(run, 0)})" for run in runs)
            raise checks.refuse(path, f"has a wrong number of subruns for {wrong}")
        types = Counter(str(row.run_type) for row in rows)
        return {"runs": len(rows), "subruns": sum(listed.values()), "types": dict(sorted(types.items()))}


def _is_looked_at(path: Path) -> bool:
    name = parse_raw_name(path.name)
    return name is not None and (name.stream == 1 or name.subrun == 0)
