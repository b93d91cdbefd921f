"""Names of the products, as LST-1's sites know them, and the tree below a production's folder.

The production's folder is ``running_analysis/<YYYYMMDD>/<production id>``; everything here is relative to it. Names follow
the tree that today's onsite analysis leaves (one place for each product), so that publication is a matter of links.
"""

from __future__ import annotations

import re
from pathlib import Path

TELESCOPE = "LST-1"

REPORT = "NightReport.html"
"""The night's report, beside the marker of the closed night: a page for people, made again at any time, with no receipt."""


def run_label(run: int) -> str:
    """``Run02008``."""
    return f"Run{run:05d}"


def dl1a(unit: str) -> Path:
    """Calibrated images and first parameters of a subrun."""
    return Path(f"dl1_{TELESCOPE}.{unit}.h5")


def muons(unit: str) -> Path:
    """Muon rings of a subrun, or of a run when merged."""
    return Path(f"muons_{TELESCOPE}.{unit}.fits")


def interleaved(unit: str) -> Path:
    """Calibrated waveforms of a subrun's interleaved flat-field and pedestal events."""
    return Path("interleaved") / f"interleaved_{TELESCOPE}.{unit}.h5"


def dl1b(tailcut: str, unit: str) -> Path:
    """Image parameters after the final cleaning, of a subrun or of a merged run."""
    return Path(tailcut) / f"dl1_{TELESCOPE}.{unit}.h5"


def datacheck(tailcut: str, unit: str, suffix: str = "h5") -> Path:
    """Datacheck tables (``h5``) or plots (``pdf``) of a subrun or a run."""
    return Path(tailcut) / f"datacheck_dl1_{TELESCOPE}.{unit}.{suffix}"


def dl2(tailcut: str, nsb: str, unit: str) -> Path:
    """Reconstructed energy, direction and gammaness of a run."""
    return Path(tailcut) / nsb / f"dl2_{TELESCOPE}.{unit}.h5"


def drs4_baseline(run: int) -> Path:
    """DRS4 pedestal baseline."""
    return Path("calibration") / f"drs4_pedestal.{run_label(run)}.0000.h5"


def time_calibration(run: int) -> Path:
    """DRS4 time sampling correction from flat-field events."""
    return Path("calibration") / f"time_calibration.{run_label(run)}.0000.h5"


def charge_calibration(run: int, filters: str) -> Path:
    """Category-A camera calibration (charges, time, unusable pixels)."""
    return Path("calibration") / f"calibration_filters_{filters}.{run_label(run)}.0000.h5"


def cat_b(run: int, filters: str) -> Path:
    """Category-B calibration of a run, from its interleaved events."""
    return Path("calibration_cat_b") / f"cat_B_calibration_filters_{filters}.{run_label(run)}.h5"


def tailcuts(run: int) -> Path:
    """Cleaning settings found for a run."""
    return Path("tailcuts") / f"dl1ab_{run_label(run)}.json"


def gain_selected(stream: int, unit: str) -> Path:
    """A gain-selected raw file (R0G)."""
    return Path("R0G") / f"{TELESCOPE}.{stream}.{unit}.fits.fz"


def longterm(date: str, suffix: str) -> Path:
    """The night's check over all runs: ``h5``, ``html`` or ``log``."""
    return Path("longterm") / f"DL1_datacheck_{date}.{suffix}"


TAILCUT_PER_RUN = "tailcut_per_run"
"""The DL1b folder where the levels are found for each run: they are not known when the products are named."""


def tailcut_id(picture_thresh: float, boundary_thresh: float) -> str:
    """The DL1b folder: ``tailcut84`` for 8 and 4 p.e., ``tailcut1005`` for 10 and 5.

    LST-1 writes ``tailcut{picture}{boundary:02d}`` for two-digit picture thresholds; the historic ``tailcut84`` keeps its form.
    """
    picture, boundary = _number(picture_thresh), _number(boundary_thresh)
    if len(picture) > 1 and boundary.isdigit():
        boundary = boundary.zfill(2)
    return f"tailcut{picture}{boundary}"


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else str(value).replace(".", "p")


def nsb_id(models: Path) -> str:
    """The DL2 folder, from the models' folder: its part that names the NSB tuning, or its last part."""
    for part in reversed(models.parts):
        if match := re.search(r"nsb_tuning_\d+\.\d+", part):
            return match.group()
    return models.name
