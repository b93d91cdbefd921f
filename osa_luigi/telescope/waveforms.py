"""From the signals of an event to the samples that the event builder stores."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from ctapipe_io_lst import read_pulse_shapes
from ctapipe_io_lst.constants import HIGH_GAIN, LOW_GAIN, N_GAINS, N_PIXELS, N_SAMPLES
from numpy.typing import NDArray

from osa_luigi.telescope.camera import BASELINE, LAST_ADC, Camera
from osa_luigi.telescope.light import Signal
from osa_luigi.telescope.seeds import Purpose, random_stream

OVERSAMPLING = 40
"""Bins per sample of the pulse table; the file of ctapipe_io_lst has 40."""
MARGIN_BEFORE, MARGIN_AFTER = 60, 120
"""Samples of the pulse table before and after the pulse's peak."""
NIGHT_SKY_RATE = 0.15
"""p.e. per ns and pixel."""
NIGHT_SKY_SPREAD = 0.47
"""√0.222: relative width of the single photo-electron."""
ELECTRONIC_NOISE = (3.5, 1.2)
"""ADC counts per sample, in high and low gain."""
GAIN_SWITCH = 3900
"""ADC counts in the high gain above which the event builder keeps the low gain."""
N_TRACES = 8192
"""Noise traces to draw from. Each pixel and event takes one at random."""


@lru_cache(maxsize=1)
def sample_duration() -> float:
    """Duration of a sample, ns."""
    return float(read_pulse_shapes()[0].to_value("ns"))


@lru_cache(maxsize=1)
def _pulse_table() -> NDArray[np.float32]:
    """LST-1's pulses, their sum over samples one, shape (2, samples × OVERSAMPLING); peak at MARGIN_BEFORE."""
    _, step, shapes = read_pulse_shapes()
    table = np.zeros((N_GAINS, (MARGIN_BEFORE + MARGIN_AFTER) * OVERSAMPLING), np.float32)
    for gain, shape in enumerate(shapes):
        start = MARGIN_BEFORE * OVERSAMPLING - int(shape.argmax())
        normalised = shape / (shape.sum() * step.to_value("ns")) * sample_duration()
        table[gain, start : start + len(shape)] = normalised
    return table


def pulses(gain: int, peak: NDArray[Any]) -> NDArray[np.float32]:
    """Pulses of one p.e. that peak at given samples, p.e. per sample, shape (len(peak), 40)."""
    start = ((MARGIN_BEFORE - np.asarray(peak)) * OVERSAMPLING).astype(np.intp)
    sampled: NDArray[np.float32] = _pulse_table()[gain][start[:, None] + np.arange(N_SAMPLES) * OVERSAMPLING]
    return sampled


@dataclass(frozen=True)
class NoisePool:
    """Traces of noise to draw from."""

    night_sky: NDArray[np.float32]
    """p.e. per sample with the mean subtracted, shape (2, N_TRACES, 40); both gains see the same photons."""
    electronic: NDArray[np.float32]
    """ADC counts, shape (2, N_TRACES, 40)."""

    def draw(self, rng: np.random.Generator) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Rows for the pixels of one event: of the night sky and of the electronics, shape (1855,) each."""
        rows = rng.integers(0, N_TRACES, (2, N_PIXELS))
        return rows[0], rows[1]


@lru_cache(maxsize=2)
def build_noise(seed: int) -> NoisePool:
    """The noise of a night: Poisson photo-electrons of the night sky, Gaussian electronics."""
    rng = random_stream(seed, Purpose.NOISE)
    before, after = 15.0, 5.0  # samples: pulses that peak outside the readout still reach into it
    expected = NIGHT_SKY_RATE * sample_duration() * (before + N_SAMPLES + after)
    counts = rng.poisson(expected, N_TRACES)
    sky = np.zeros((N_GAINS, N_TRACES, N_SAMPLES), np.float32)
    for index in range(int(counts.max())):
        rows = np.flatnonzero(counts > index)
        charge = np.clip(rng.normal(1.0, NIGHT_SKY_SPREAD, len(rows)), 0.05, None).astype(np.float32)
        peak = rng.uniform(-before, N_SAMPLES + after, len(rows))
        for gain in range(N_GAINS):
            sky[gain, rows] += charge[:, None] * pulses(gain, peak)
    sky -= NIGHT_SKY_RATE * sample_duration()
    electronic = np.stack([rng.normal(0.0, sigma, (N_TRACES, N_SAMPLES)) for sigma in ELECTRONIC_NOISE])
    return NoisePool(sky, electronic.astype(np.float32))


@dataclass(frozen=True)
class Readout:
    """The samples of one event."""

    waveform: NDArray[np.uint16]
    """ADC counts, shape (channels, 1855, 40), where channels is 1 after gain selection, else 2."""
    low_gain: NDArray[np.bool_] | None
    """Pixels whose low gain was kept, shape (1855,). None: both gains are stored."""


@dataclass(frozen=True)
class Digitiser:
    """Makes the samples of events, for one camera and its noise."""

    camera: Camera
    noise: NoisePool

    def read_out(
        self,
        rng: np.random.Generator,
        signal: Signal | None,
        first_cells: NDArray[np.uint16],
        *,
        night_sky: bool,
        select_gain: bool,
    ) -> Readout:
        """Digitise one event.

        Parameters
        ----------
        signal
            None: no light but the night sky's.
        first_cells
            First DRS4 cell of each readout channel, shape (2120,).
        night_sky
            False with closed lids.
        select_gain
            Keep one gain per pixel, as the event builder does for showers.
        """
        rows = self.noise.draw(rng)
        high = self._samples(HIGH_GAIN, rows, signal, first_cells, night_sky)
        low_gain = high.max(axis=1) > GAIN_SWITCH
        if select_gain and not low_gain.any():
            return Readout(high[np.newaxis], low_gain)
        low = self._samples(LOW_GAIN, rows, signal, first_cells, night_sky)
        if select_gain:
            return Readout(np.where(low_gain[:, np.newaxis], low, high)[np.newaxis], low_gain)
        return Readout(np.stack([high, low]), None)

    def _samples(
        self,
        gain: int,
        rows: tuple[NDArray[np.intp], NDArray[np.intp]],
        signal: Signal | None,
        first_cells: NDArray[np.uint16],
        night_sky: bool,
    ) -> NDArray[np.uint16]:
        """Samples of one gain, ADC counts, shape (1855, 40)."""
        trace = np.zeros((N_PIXELS, N_SAMPLES), np.float32)
        if night_sky:
            trace += self.noise.night_sky[gain, rows[0]]
        if signal is not None:
            lit = np.flatnonzero(signal.charge)
            trace[lit] += signal.charge[lit, np.newaxis] * pulses(gain, signal.peak[lit])
        trace *= self.camera.gain[gain][:, np.newaxis]
        trace += self.noise.electronic[gain, rows[1]]
        trace += self.camera.cell_offsets(gain, first_cells)
        trace += BASELINE + 0.5  # the half makes rounding of the conversion below
        return np.clip(trace, 0, LAST_ADC).astype(np.uint16)
