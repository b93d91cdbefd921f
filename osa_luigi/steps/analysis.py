"""A user's analysis as a step: declared inputs and outputs, a key, verified products, a receipt."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Unpack

from osa_luigi.errors import VerificationError
from osa_luigi.steps import checks, making
from osa_luigi.steps.call import Input, Output, StepCall
from osa_luigi.steps.reading import READERS
from osa_luigi.steps.step import Command, Step, Tool

CAMPAIGN = "campaign"
"""The unit of an analysis of many nights."""

FOLDER = Path("output")
"""What the class is given to write into, in the attempt's working folder."""

RETURNED = "returned"
"""A file that says that `run` came to its end."""

TABLES = (".h5", ".hdf5")


class Analysis(Step):
    """A user's class, run over products of other procedures."""

    name: ClassVar[str] = "analysis"

    @classmethod
    def call(
        cls,
        *,
        unit: str,
        settings: Mapping[str, Any],
        request: Input,
        inputs: Iterable[Input],
        outputs: Mapping[str, str],
        folder: Path,
        **common: Unpack[making.Common],
    ) -> StepCall:
        """The analysis of a run, a night or a campaign.

        Parameters
        ----------
        settings
            The class, the hashes of its source, its parameters.
        request
            The file that tells the class's process what it is for.
        inputs
            The products that it reads, under their kinds.
        outputs
            Role → file, relative to the output folder, as the class declares them.
        folder
            Where these go, relative to the production.
        """
        return making.make(
            cls,
            unit=unit,
            settings=settings,
            inputs=[*making.as_role("request", request), *inputs],
            outputs=[Output(role, folder / file) for role, file in outputs.items()],
            **common,
        )

    def command(self, call: StepCall) -> Command:
        return Command(
            Tool("python -m osa_luigi.steps.analysis_tool", "osa_luigi.steps.analysis_tool:main"),
            (f"--request={call.path('request')}",),
            folders=(FOLDER,),
        )

    def produced(self, call: StepCall) -> Mapping[str, Path]:
        """Files of a run lie in its folder there, and only there."""
        own = Path(call.unit) if call.unit.startswith("Run") else Path()
        return {output.role: FOLDER / output.path.relative_to(own) for output in call.outputs}

    def verify(self, call: StepCall, files: Mapping[str, Path]) -> Mapping[str, Any]:
        """The class came to its end, and each of its files can be read to its own; what is in them is the class's matter."""
        if not Path(RETURNED).is_file():
            raise VerificationError(
                f"{call.name}: its process ended before run() returned (os._exit?), so its files may be half of what they should be. "
                "Read the attempt's log, correct the class, then run again."
            )
        rows = {role: _rows(path) for role, path in files.items()}
        return {"files": len(files), "rows": sum(rows.values())}


def _rows(path: Path) -> int:
    """Rows of all tables of an HDF5 file; of any other file 0, after it was read."""
    if not path.stat().st_size:
        raise checks.refuse(path, "is empty")
    if path.suffix in TABLES:
        with checks.hdf5(path) as file:
            return sum(rows for node, rows in file.rows.items() if file.columns(node))
    if path.suffix == ".png":
        _check_png(path)
    elif reader := READERS.get(path.suffix):
        reader(path)
    return 0


def _check_png(path: Path) -> None:
    content = path.read_bytes()
    if not content.startswith(b"\x89PNG\r\n\x1a\n"):
        raise checks.refuse(path, "is not a PNG file")
    if b"IEND" not in content[-12:]:
        raise checks.refuse(path, "is cut short, it does not end as PNG", checks.DAMAGED)
