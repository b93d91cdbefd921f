"""The simulated camera: real LST-1 geometry and pixel order, invented but fixed response.

Wherever an array runs over pixels it is in order of the pixel id, unless its name says *stream order*.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from ctapipe_io_lst.constants import (
    CHANNEL_ORDER_HIGH_GAIN,
    CHANNEL_ORDER_LOW_GAIN,
    N_CAPACITORS_PIXEL,
    N_CHANNELS_MODULE,
    N_GAINS,
    N_MODULES,
    N_PIXELS,
    N_SAMPLES,
)
from ctapipe_io_lst.pixels import get_pixel_table
from numpy.typing import NDArray

from osa_luigi.telescope.seeds import Purpose, random_stream

EFFECTIVE_FOCAL_LENGTH = 29.30565
"""m; with aberration, as lstchain transforms between camera and sky."""
METRES_PER_DEGREE = EFFECTIVE_FOCAL_LENGTH * float(np.tan(np.deg2rad(1.0)))
EXCESS_NOISE = 0.222
"""Relative variance of the single photo-electron; lstchain's ``squared_excess_noise_factor`` is one more."""
CELL_OFFSET_SPREAD = 3.0
"""ADC counts."""
BASELINE = 400
"""ADC counts at which the event builder puts the baseline."""
LAST_ADC = 4095


@dataclass(frozen=True)
class Camera:
    """Everything about the camera that does not change during a night."""

    x: NDArray[np.float64]
    """Pixel positions in the camera frame, m, shape (1855,)."""
    y: NDArray[np.float64]
    area: NDArray[np.float64]
    """m², shape (1855,)."""
    pixel_id_map: NDArray[np.uint16]
    """Pixel id of each position of the data stream, shape (1855,)."""
    gain: NDArray[np.float32]
    """ADC counts × samples per p.e., shape (2, 1855)."""
    efficiency: NDArray[np.float64]
    """Photo-detection efficiency relative to the mean, shape (1855,)."""
    time_offset: NDArray[np.float64]
    """Delay of the pixel's signals, samples, shape (1855,)."""
    cell_offset: NDArray[np.int8]
    """What is left of the DRS4 cell offsets after the event builder's correction, ADC counts, shape (2, 1855,
    4096 + 39): the ring's first cells are repeated behind its last, so that any 40 samples are one slice."""
    chip_phase: NDArray[np.int64]
    """First cell of each readout channel relative to the event's, shape (2120,)."""

    def first_cells(self, event_cell: int) -> NDArray[np.uint16]:
        """First DRS4 cell of each readout channel, shape (2120,), module by module."""
        cells: NDArray[np.int64] = (event_cell + self.chip_phase) % N_CAPACITORS_PIXEL
        return cells.astype(np.uint16)

    def cell_offsets(self, gain: int, first_cells: NDArray[np.uint16]) -> NDArray[np.int8]:
        """Offsets that the 40 samples of an event meet in one gain, ADC counts, shape (1855, 40)."""
        windows = np.lib.stride_tricks.sliding_window_view(self.cell_offset[gain], N_SAMPLES, axis=-1)
        cells = first_cells[readout_channels(gain)]
        by_pixel = np.empty_like(cells)
        by_pixel[self.pixel_id_map] = cells
        offsets: NDArray[np.int8] = windows[np.arange(N_PIXELS), by_pixel]
        return offsets


@lru_cache(maxsize=2)
def readout_channels(gain: int) -> NDArray[np.int64]:
    """Readout channel of each pixel in stream order, shape (1855,); 7 of a module's 8 channels are used."""
    order = (CHANNEL_ORDER_HIGH_GAIN, CHANNEL_ORDER_LOW_GAIN)[gain]
    modules = np.repeat(np.arange(N_MODULES), len(order))
    channels: NDArray[np.int64] = modules * N_CHANNELS_MODULE + np.tile(order, N_MODULES)
    return channels


@lru_cache(maxsize=2)
def build_camera(seed: int) -> Camera:
    """The camera of a night.

    The gains are those of LST-1: 82 ADC counts × samples per p.e., the low gain 17.4 times less.
    """
    rng = random_stream(seed, Purpose.CAMERA)
    pixels = get_pixel_table()
    pixels.sort("pix_id")
    high_gain = rng.normal(82.0, 3.0, N_PIXELS)
    low_gain = high_gain / 17.4 * rng.normal(1.0, 0.02, N_PIXELS)
    cells = rng.standard_normal((N_GAINS, N_PIXELS, N_CAPACITORS_PIXEL), np.float32)
    cells = np.rint(CELL_OFFSET_SPREAD * cells).astype(np.int8)
    return Camera(
        x=np.array(pixels["pix_x"], dtype=float),
        y=np.array(pixels["pix_y"], dtype=float),
        area=np.array(pixels["pix_area"], dtype=float),
        pixel_id_map=np.argsort(np.array(pixels["hardware_pixel_id"])).astype(np.uint16),
        gain=np.stack([high_gain, low_gain]).astype(np.float32),
        efficiency=np.clip(rng.normal(1.0, 0.05, N_PIXELS), 0.7, 1.3),
        time_offset=rng.normal(0.0, 0.8, N_PIXELS),
        cell_offset=np.concatenate([cells, cells[..., : N_SAMPLES - 1]], axis=-1),
        chip_phase=rng.integers(0, N_CAPACITORS_PIXEL, N_MODULES * N_CHANNELS_MODULE),
    )
