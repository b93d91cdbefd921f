"""The class that a scientist writes. It need not be derived from anything: these three methods make it an analysis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypedDict

from osa_luigi.analysis.data import Data


class Outputs(TypedDict, total=False):
    """Names of the files that an analysis leaves, relative to its output folder; each of them must be there when it ends.

    ``summary``: its result, an HDF5 file as a rule. ``plots``: pictures. ``calibration``: a JSON file that later procedures
    read. ``files``: anything else.
    """

    summary: str
    plots: Sequence[str]
    calibration: str
    files: Sequence[str]


class Analysis(Protocol):
    """A user's analysis."""

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        """Take the ``parameters`` of the procedure; refuse here, with a `ValueError`, what makes no sense."""

    def output(self) -> Outputs:
        """What `run` will leave; asked before any data are there."""
        ...

    def run(self, data: Data, output_dir: Path) -> None:
        """Read the data, write the outputs into the folder; nothing else can be written."""
        ...
