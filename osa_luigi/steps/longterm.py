"""The night's check over all runs: ``lstchain_longterm_dl1_check``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, ClassVar, Unpack

from osa_luigi.night.dates import compact
from osa_luigi.products import names
from osa_luigi.steps import checks, datacheck, making
from osa_luigi.steps.call import Input, Output, StepCall
from osa_luigi.steps.step import Command, Step, Tool

DATACHECKS, MUONS = Path("datacheck"), Path("muons")
SUFFIXES = ("h5", "html", "log")
RUNS = ("/runsummary/table", "/pixwise_runsummary", "/pixwise_runsummary_no_stars")
"""Tables with a row per run."""


def table(kind: str) -> str:
    """Path of the table of one kind of events."""
    return f"/{kind}/table"


class Longterm(Step):
    """Tables and a web page of how the night's data went, run by run, and a log of the values beyond their limits."""

    name: ClassVar[str] = "longterm"
    tool: ClassVar[Tool] = Tool("lstchain_longterm_dl1_check", "lstchain.scripts.lstchain_longterm_dl1_check:main")

    @classmethod
    def call(
        cls, *, day: date, datachecks: Sequence[Input], muons: Sequence[Input], **common: Unpack[making.Common]
    ) -> StepCall:
        """The night's check.

        Parameters
        ----------
        datachecks
            Of all runs.
        muons
            Muon rings of all their subruns (not merged: the tool looks for them by subrun, and goes on without those it misses).
        """
        night = compact(day)
        return making.make(
            cls,
            unit=making.NIGHT,
            settings={"date": night},
            inputs=[*making.as_role("datacheck", *datachecks), *making.as_role("muons", *muons)],
            outputs=[Output(suffix, names.longterm(night, suffix)) for suffix in SUFFIXES],
            **common,
        )

    def command(self, call: StepCall) -> Command:
        links = {DATACHECKS / path.name: path for path in call.paths("datacheck")}
        links |= {MUONS / path.name: path for path in call.paths("muons")}
        return Command(
            self.tool,
            (
                f"--input-dir={DATACHECKS}",
                f"--muons-dir={MUONS}",
                f"--output-file={self.produced(call)['h5']}",
                "--batch",
            ),
            links=links,
            folders=(MUONS,),
        )

    def produced(self, call: StepCall) -> Mapping[str, Path]:
        return {output.role: Path(output.path.name) for output in call.outputs}

    def verify(self, call: StepCall, files: Mapping[str, Path]) -> Mapping[str, Any]:
        """A row for every run, and of cosmics for every subrun: the tool skips runs that it cannot use, and exits 0."""
        paths = call.paths("datacheck")
        with checks.hdf5(files["h5"]) as file:
            for node in RUNS:
                file.require_rows(node, len(paths), "runs that were checked")
            subruns = datacheck.subruns_with(paths, "cosmics")
            file.require_rows(table("cosmics"), subruns, "subruns that were checked")
            file.require(*(table(kind) for kind in datacheck.KINDS if datacheck.subruns_with(paths, kind)))
        checks.text(files["html"], end="</html>")
        checks.text(files["log"])
        return {"runs": len(paths), "subruns": subruns}
