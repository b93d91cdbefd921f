"""Light on the camera, and what the photomultipliers make of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from osa_luigi.telescope.camera import EXCESS_NOISE, Camera

FLATFIELD_LIGHT = 80.0
"""Mean p.e. per pixel. The time calibration wants more than 200 ADC counts in the low gain, about 43 p.e.,
from every pixel and whatever its efficiency."""
FLATFIELD_TIME = 16.0
"""Sample in which a flat-field pulse peaks."""
EARLIEST_PEAK, LATEST_PEAK = -14.0, 54.0
"""Pulses that peak before or after leave nothing in the 40 samples of the readout."""


@dataclass(frozen=True)
class Light:
    """Mean light of an event before the photomultipliers."""

    mean: NDArray[np.float64]
    """p.e. in a pixel of mean efficiency, shape (1855,)."""
    peak: NDArray[np.float64]
    """Mean arrival, samples after the start of the readout, shape (1855,)."""


@dataclass(frozen=True)
class Signal:
    """Pulses of one event."""

    charge: NDArray[np.float32]
    """p.e., shape (1855,)."""
    peak: NDArray[np.float32]
    """Samples after the start of the readout, shape (1855,)."""

    @property
    def size(self) -> float:
        """All charge of the camera, p.e."""
        return float(self.charge.sum())


def _charge(rng: np.random.Generator, mean: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Photo-electrons and their charge in p.e.: Poisson, then the width of the single photo-electron."""
    electrons = rng.poisson(mean)
    spread = rng.standard_normal(len(mean)) * np.sqrt(EXCESS_NOISE * electrons)
    return electrons, np.clip(electrons + spread, 0.0, None).astype(np.float32)


def detect(rng: np.random.Generator, camera: Camera, light: Light) -> Signal:
    """Signal of Cherenkov light: each photo-electron comes 1.2 samples around its time."""
    electrons, charge = _charge(rng, light.mean * camera.efficiency)
    jitter = rng.standard_normal(len(charge)) * 1.2 / np.sqrt(np.maximum(electrons, 1))
    peak = np.clip(light.peak + camera.time_offset + jitter, EARLIEST_PEAK, LATEST_PEAK)
    return Signal(charge, peak.astype(np.float32))


def flatfield_signal(rng: np.random.Generator, camera: Camera) -> Signal:
    """Signal of the calibration box: the same light in all pixels, one percent from pulse to pulse."""
    _, charge = _charge(rng, FLATFIELD_LIGHT * rng.normal(1.0, 0.01) * camera.efficiency)
    common = FLATFIELD_TIME + rng.normal(0.0, 0.5)
    peak = common + camera.time_offset + rng.normal(0.0, 0.25, len(charge))
    return Signal(charge, peak.astype(np.float32))
