"""The four tables of a camera calibration, which category A and category B share, and when they are good."""

from __future__ import annotations

from typing import Any

from osa_luigi.steps.camera import GAINS, PIXELS
from osa_luigi.steps.checks import Hdf5, refuse

CALIBRATION, FLATFIELD, PEDESTAL, PIXEL_STATUS = (
    f"/tel_1/{name}" for name in ("calibration", "flatfield", "pedestal", "pixel_status")
)
COEFFICIENTS = ("dc_to_pe", "pedestal_per_sample", "time_correction")
MAX_UNUSABLE = 0.5
"""Fraction of the high-gain pixels that may be unusable, in the worst of the calibrations.

A good camera has some percent; with half of it gone, it was the run (lid closed, flasher off) that failed, not the pixels.
"""


def check_tables(file: Hdf5, sample_size: int) -> dict[str, Any]:
    """Judge a camera calibration.

    Parameters
    ----------
    sample_size
        Events of each kind that must have gone into each row.

    Raises
    ------
    VerificationError
        A table or row is missing, too few events were used, coefficients of usable pixels are no numbers, or most pixels are
        unusable.
    """
    import numpy as np

    file.require(CALIBRATION, FLATFIELD, PEDESTAL, PIXEL_STATUS)
    rows = file.rows[CALIBRATION]
    if not rows:
        raise refuse(file.path, "holds no calibration", "the run has too few flat-field or pedestal events")
    for node in (FLATFIELD, PEDESTAL, PIXEL_STATUS):
        file.require_rows(node, rows, "of the calibration")
    for node in (FLATFIELD, PEDESTAL):
        _require_events(file, node, sample_size)
    file.require_shape(CALIBRATION, (GAINS, PIXELS), "unusable_pixels", *COEFFICIENTS)
    usable = ~file.column(CALIBRATION, "unusable_pixels").astype(bool)
    for name in COEFFICIENTS:
        values = file.column(CALIBRATION, name)
        if bad := int(np.count_nonzero(~np.isfinite(values[usable]))):
            raise refuse(file.path, f"{name} is not finite for {bad} usable pixels")
    unusable = int((~usable[:, 0]).sum(axis=-1).max())
    if unusable > MAX_UNUSABLE * PIXELS:
        raise refuse(file.path, f"{unusable} of {PIXELS} high-gain pixels are unusable", "use another calibration run")
    return {"calibrations": rows, "unusable_pixels": unusable}


def _require_events(file: Hdf5, node: str, sample_size: int) -> None:
    least = int(file.column(node, "n_events").min())
    if least < sample_size:
        raise refuse(
            file.path,
            f"{node} was made from {least} events, not from {sample_size}",
            "use a run with more events, or a smaller sample size",
        )
