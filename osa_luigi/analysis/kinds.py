"""The kinds of products that an analysis may read, as data: what ``reads`` in a procedure may name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

_PARAMETERS = "event/telescope/parameters/LST_LSTCam"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of product.

    Parameters
    ----------
    step, role
        Which output of which step it is; a role that ends with a colon stands for all that begin so.
    per
        ``subrun``, ``run`` or ``night``; ``part``: for whatever the other analysis is made for.
    table
        The table in it that is read unless another is named; empty where the file has only one, or none.
    what
        For people.
    """

    step: str
    role: str
    per: str
    table: str
    what: str

    @property
    def of_analysis(self) -> bool:
        """Whether an analysis leaves it, and no reconstruction does."""
        return self.step == "analysis"


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "dl1a": Kind("r0_to_dl1", "dl1", "subrun", f"/dl1/{_PARAMETERS}", "DL1a of each subrun, with images"),
        "dl1_subruns": Kind("dl1ab", "dl1", "subrun", f"/dl1/{_PARAMETERS}", "DL1b of each subrun, with images"),
        "dl1": Kind("merge_dl1", "dl1", "run", f"/dl1/{_PARAMETERS}", "DL1b of each run"),
        "dl2": Kind("dl2", "dl2", "run", f"/dl2/{_PARAMETERS}", "DL2 of each run"),
        "muons": Kind("merge_muons", "muons", "run", "", "muon rings of each run"),
        "interleaved": Kind("r0_to_dl1", "interleaved", "subrun", "", "waveforms of each subrun's interleaved events"),
        "datacheck": Kind("run_datacheck", "datacheck", "run", "/dl1datacheck/cosmics", "the datacheck of each run"),
        "cat_b": Kind("cat_b", "cat_b", "run", "", "the Cat-B calibration of each run"),
        "tailcuts": Kind("tailcuts", "tailcuts", "run", "", "the cleaning levels found for each run"),
        "pedestal": Kind("drs4_baseline", "pedestal", "night", "", "the DRS4 baseline of the night"),
        "calibration": Kind("charge_calibration", "calibration", "night", "", "the charge calibration of the night"),
        "longterm": Kind("longterm", "h5", "night", "/cosmics/table", "the check of the night over all runs"),
        "analysis_summary": Kind("analysis", "summary", "part", "", "the summary of another analysis"),
        "analysis_calibration": Kind(
            "analysis", "calibration", "part", "", "the calibration that another analysis found"
        ),
        "analysis_files": Kind("analysis", "file:", "part", "", "the further files of another analysis"),
    }
)
"""Name → kind, in the order of the chain."""
