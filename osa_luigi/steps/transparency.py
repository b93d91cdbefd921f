"""How clear the air was, from the spectrum of cosmic rays: ``lstchain_cherenkov_transparency``."""

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

FOLDER = Path("datacheck")
SPECTRUM = "/cosmics_intensity_spectrum/table"


class Transparency(Step):
    """The night's check with one table more: the cosmic rays' intensity spectrum of each subrun.

    The tool writes into the file that it is given, so it gets a copy: the product of ``longterm`` stays as its receipt says.
    """

    name: ClassVar[str] = "transparency"
    tool: ClassVar[Tool] = Tool(
        "lstchain_cherenkov_transparency", "lstchain.scripts.lstchain_cherenkov_transparency:main"
    )

    @classmethod
    def call(
        cls, *, day: date, checked: Input, datachecks: Sequence[Input], **common: Unpack[making.Common]
    ) -> StepCall:
        """The night's check with the spectrum.

        Parameters
        ----------
        checked
            The tables (``h5``) of the longterm check.
        datachecks
            Of all runs.
        """
        night = compact(day)
        path = names.longterm(night, "h5")
        return making.make(
            cls,
            unit=making.NIGHT,
            settings={"date": night},
            inputs=[*making.as_role("longterm", checked), *making.as_role("datacheck", *datachecks)],
            outputs=[Output("h5", path.with_name(f"DL1_datacheck_{night}_transparency.h5"))],
            **common,
        )

    def command(self, call: StepCall) -> Command:
        checked = self.produced(call)["h5"]
        return Command(
            self.tool,
            (f"--update-datacheck-file={checked}", f"--input-dir={FOLDER}"),
            links={FOLDER / path.name: path for path in call.paths("datacheck")},
            copies={checked: call.path("longterm")},
        )

    def produced(self, call: StepCall) -> Mapping[str, Path]:
        return {"h5": Path(call.output("h5").path.name)}

    def verify(self, call: StepCall, files: Mapping[str, Path]) -> Mapping[str, Any]:
        """A row for every subrun that has cosmics, and the other tables as they were."""
        subruns = datacheck.subruns_with(call.paths("datacheck"), "cosmics")
        with checks.hdf5(call.path("longterm")) as checked, checks.hdf5(files["h5"]) as file:
            file.require_rows(SPECTRUM, subruns, "subruns that were checked")
            for node, rows in checked.rows.items():
                file.require_rows(node, rows, "of the longterm check")
        return {"subruns": subruns}
