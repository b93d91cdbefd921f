"""Samples in photo-electrons: what the event builder writes where it applies the calibration itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from ctapipe_io_lst.constants import HIGH_GAIN, LOW_GAIN
from ctapipe_io_lst.evb_preprocessing import EVBPreprocessingFlag
from numpy.typing import NDArray

from osa_luigi.telescope.camera import BASELINE, Camera
from osa_luigi.telescope.waveforms import sample_duration

if TYPE_CHECKING:
    from osa_luigi.telescope.formats import RawEvent

KEPT = slice(3, 39)
"""Samples that are left; the first and the last of a DRS4 readout are not good."""
GAIN_OF_CALIBRATION = 1.077
"""By how much a pixel's charge comes out larger than with its true gain, as the calibration gathers more of a pulse than the
analysis: the ratio of `monte_carlo.CHARGE_SCALE` to lstchain's ``calib_scale_high_gain``, which it applies to these data, too."""
TIME_SHIFT_UNIT = 0.01
"""ns."""


@dataclass(frozen=True)
class Photoelectrons:
    """Pedestals and cell offsets taken off, divided by the gain, border samples cut.

    The calibration is the true one: the event builder's was made of earlier runs of the same camera.

    Parameters
    ----------
    corrections
        What the event builder did before.
    """

    corrections: EVBPreprocessingFlag
    count: int = KEPT.stop - KEPT.start
    scale: float = 60.0
    offset: float = 5.0

    @property
    def actions(self) -> EVBPreprocessingFlag:
        """The corrections, then pedestal and gain."""
        return self.corrections | EVBPreprocessingFlag.PEDESTAL_SUBTRACTION | EVBPreprocessingFlag.PE_CALIBRATION

    def stored(self, event: RawEvent, camera: Camera) -> NDArray[np.uint16]:
        """Numbers of an event, shape (1, 1855, 36)."""
        low_gain = event.readout.low_gain
        if low_gain is None:
            raise ValueError(f"event {event.event_id} has both gains: data in p.e. have one")
        offsets = camera.cell_offsets(HIGH_GAIN, event.first_cells).copy()
        gain = camera.gain[HIGH_GAIN].copy()
        if low_gain.any():
            offsets[low_gain] = camera.cell_offsets(LOW_GAIN, event.first_cells)[low_gain]
            gain[low_gain] = camera.gain[LOW_GAIN][low_gain]
        counts = event.readout.waveform[0].astype(np.float32) - BASELINE - offsets
        charge = counts[:, KEPT] * (GAIN_OF_CALIBRATION / gain)[:, np.newaxis]
        numbers = np.rint((charge + self.offset) * self.scale)
        stored: NDArray[np.uint16] = np.clip(numbers, 0, np.iinfo(np.uint16).max).astype(np.uint16)[np.newaxis]
        return stored

    def time_shift(self, event: RawEvent, camera: Camera) -> NDArray[np.int16]:
        """Delay of each pixel's signals, 10 ps, shape (1855,)."""
        shift: NDArray[np.int16] = np.rint(camera.time_offset * sample_duration() / TIME_SHIFT_UNIT).astype(np.int16)
        return shift
