"""The two calibration files that a night takes from elsewhere: F-factor systematics and DRS4 time sampling."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
from ctapipe_io_lst.constants import N_GAINS, N_PIXELS

from osa_luigi.telescope.files import written_whole

N_HARMONICS = 16
"""Of the Fourier series, as `lstchain.calib.camera.time_correction_calculate` writes it."""


def write_ffactor_systematics(path: Path) -> None:
    """The quadratic term of the F-factor method: zero, for our photomultipliers have no such systematics.

    `lstchain.calib.camera.calibration_calculator` reads ``B_term``, shape (2, 1855).
    """
    with written_whole(path) as temporary, h5py.File(temporary, "w") as file:
        file.create_dataset("B_term", data=np.zeros((N_GAINS, N_PIXELS)))


def write_time_calibration(path: Path) -> None:
    """The DRS4 time sampling of the simulated camera: all cells last equally long.

    The file holds a Fourier series of the pulse time against the first cell, for each gain and pixel. ctapipe_io_lst
    leaves out its constant term, and all others are zero here.
    """
    zero = np.zeros((N_GAINS, N_PIXELS, N_HARMONICS))
    with written_whole(path) as temporary, h5py.File(temporary, "w") as file:
        file.create_dataset("fan", data=zero)
        file.create_dataset("fbn", data=zero)
        file.attrs["n_events"] = 0
        file.attrs["n_harm"] = N_HARMONICS
        file.attrs["config"] = "the truth of the simulated camera"
