"""Images of gamma showers, proton showers and muon rings, from a handful of numbers each.

This is no shower physics. The images have what the reconstruction lives on: light in proportion to the energy with a
plateau in impact distance and a fall beyond, elongation towards the source, the displacement of the image growing
with impact distance, a time gradient of matching sign, and irregular shapes for protons. Angles are in degrees,
positions in the camera in metres, times in samples.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

from osa_luigi.telescope.camera import METRES_PER_DEGREE, Camera
from osa_luigi.telescope.light import Light

ARRIVAL = 15.0
"""Sample in which the light of a shower's centre peaks."""
TRIGGER_CORE, TRIGGER_SIZE = 40.0, 60.0
"""A shower is recorded with this many p.e. in its four brightest pixels, and in all pixels."""
LARGEST_SIZE = 60_000.0
"""p.e.; beyond, even the low gain would saturate."""
NAN = float("nan")


@dataclass(frozen=True)
class Spectrum:
    """Showers thrown: energies by E⁻², impact points uniform on a disc. TeV and m."""

    lowest: float
    highest: float
    largest_impact: float

    def energy(self, rng: np.random.Generator) -> float:
        """An energy, TeV: inverse of the cumulated E⁻²."""
        return self.lowest / (1.0 - rng.uniform() * (1.0 - self.lowest / self.highest))

    def impact(self, rng: np.random.Generator) -> float:
        """An impact distance, m."""
        return self.largest_impact * float(np.sqrt(rng.uniform()))


GAMMA_SPECTRUM = Spectrum(0.02, 20.0, 250.0)
PROTON_SPECTRUM = Spectrum(0.06, 50.0, 350.0)
PROTON_VIEWCONE = 3.0
"""Protons come from everywhere within this angle from the axis, degrees."""


@dataclass(frozen=True)
class Shower:
    """What is true of one event with Cherenkov light."""

    kind: str
    light: Light
    energy: float
    """TeV."""
    impact: float
    """m."""
    core_phi: float
    """Azimuth of the core as seen in the camera, rad."""
    src_x: float
    """Arrival direction in the camera, m."""
    src_y: float
    thrown: int = 1
    """Showers thrown until this one triggered, itself among them."""


def _ellipse(
    camera: Camera,
    size: float,
    centre: tuple[float, float],
    axes: tuple[float, float],
    orientation: float,
    skew: float,
    gradient: float,
) -> Light:
    """A skewed two-dimensional Gaussian of `size` p.e. with standard deviations `axes` (m), and its times.

    The skewed Gaussian is Azzalini's; `gradient` is in samples per m along the major axis.
    """
    dx, dy = camera.x - centre[0], camera.y - centre[1]
    along = dx * np.cos(orientation) + dy * np.sin(orientation)
    across = dy * np.cos(orientation) - dx * np.sin(orientation)
    length, width = axes
    density = np.exp(-0.5 * ((along / length) ** 2 + (across / width) ** 2)) / (2 * np.pi * length * width)
    density *= 1.0 + erf(skew * along / length / np.sqrt(2.0))
    return Light(size * density * camera.area, ARRIVAL + gradient * along)


def _light_pool(impact: float, decay: float) -> float:
    """Light relative to the plateau within 120 m of the core; exponential beyond, `decay` in m."""
    return 1.0 if impact < 120.0 else float(np.exp(-(impact - 120.0) / decay))


def gamma_shower(rng: np.random.Generator, camera: Camera, source: tuple[float, float]) -> Shower:
    """One thrown gamma from a source at `source` (camera, m)."""
    energy, impact = GAMMA_SPECTRUM.energy(rng), GAMMA_SPECTRUM.impact(rng)
    phi = rng.uniform(0.0, 2.0 * np.pi)
    size = 350.0 * (energy / 0.1) * _light_pool(impact, 70.0) * rng.lognormal(0.0, 0.12)
    size = min(size, LARGEST_SIZE)
    decades = np.log10(max(size, 20.0) / 100.0)
    displacement = 0.15 + 0.85 * impact / 120.0 + rng.normal(0.0, 0.05)
    length = max(0.05, (0.12 + 0.05 * decades) * (0.7 + 0.4 * impact / 120.0) * rng.normal(1.0, 0.08))
    width = max(0.03, (0.065 + 0.015 * decades) * rng.normal(1.0, 0.08))
    light = _ellipse(
        camera,
        size,
        _displaced(source, displacement, phi),
        (length * METRES_PER_DEGREE, width * METRES_PER_DEGREE),
        phi,
        skew=1.5,
        gradient=12.0 * (impact / 120.0 - 0.4),
    )
    return Shower("gamma", light, energy, impact, phi, *source)


def proton_shower(rng: np.random.Generator, camera: Camera) -> Shower:
    """One thrown proton: one to three clumps of light, wide and badly aligned."""
    energy, impact = PROTON_SPECTRUM.energy(rng), PROTON_SPECTRUM.impact(rng)
    offset = PROTON_VIEWCONE * float(np.sqrt(rng.uniform()))
    source = _displaced((0.0, 0.0), offset, rng.uniform(0.0, 2.0 * np.pi))
    phi = rng.uniform(0.0, 2.0 * np.pi)
    size = 120.0 * (energy / 0.1) * _light_pool(impact, 90.0) * rng.lognormal(0.0, 0.5)
    size = min(size, LARGEST_SIZE)
    centre = _displaced(source, abs(0.2 + 0.7 * impact / 120.0 + rng.normal(0.0, 0.25)), phi)
    shares = rng.dirichlet(np.full(rng.integers(1, 4), 2.0))
    light = _overlay([_clump(rng, camera, size * share, size, centre, phi) for share in shares])
    return Shower("proton", light, energy, impact, phi, *source)


def _clump(
    rng: np.random.Generator,
    camera: Camera,
    size: float,
    shower_size: float,
    centre: tuple[float, float],
    phi: float,
) -> Light:
    """One clump of a proton's light, 0.15° around the shower's centre."""
    decades = np.log10(max(shower_size, 20.0) / 100.0)
    length = max(0.06, (0.16 + 0.06 * decades) * rng.normal(1.1, 0.25))
    width = max(0.05, (0.10 + 0.03 * decades) * rng.normal(1.2, 0.3))
    dx, dy = rng.normal(0.0, 0.15 * METRES_PER_DEGREE, 2)
    return _ellipse(
        camera,
        size,
        (centre[0] + dx, centre[1] + dy),
        (length * METRES_PER_DEGREE, width * METRES_PER_DEGREE),
        phi + rng.normal(0.0, 0.3),
        skew=0.5,
        gradient=rng.normal(4.0, 4.0),
    )


def _overlay(parts: list[Light]) -> Light:
    """The sum of some lights; a pixel's time is that of its brightest part."""
    means = np.stack([part.mean for part in parts])
    peaks = np.stack([part.peak for part in parts])
    brightest = means.argmax(axis=0)
    return Light(means.sum(axis=0), np.take_along_axis(peaks, brightest[np.newaxis], axis=0)[0])


def muon_ring(rng: np.random.Generator, camera: Camera) -> Shower:
    """The ring of a muon through the mirror: radius 1.0 to 1.22°, 2600 p.e. unless it leaves the camera."""
    radius = rng.uniform(1.0, 1.22) * METRES_PER_DEGREE
    centre = _displaced((0.0, 0.0), 0.7 * float(np.sqrt(rng.uniform())), rng.uniform(0.0, 2.0 * np.pi))
    asymmetry, phase = rng.uniform(0.0, 0.6), rng.uniform(0.0, 2.0 * np.pi)
    light = ring_light(camera, centre, radius, asymmetry, phase)
    return Shower("muon", light, 0.01, 5.0, 0.0, *centre)


def ring_light(camera: Camera, centre: tuple[float, float], radius: float, asymmetry: float, phase: float) -> Light:
    """A ring 0.05° wide. Lengths in m; brightness goes as 1 + asymmetry · cos(azimuth − phase)."""
    distance = np.hypot(camera.x - centre[0], camera.y - centre[1])
    azimuth = np.arctan2(camera.y - centre[1], camera.x - centre[0])
    width = 0.05 * METRES_PER_DEGREE
    density = np.exp(-0.5 * ((distance - radius) / width) ** 2)
    density /= np.sqrt(2.0 * np.pi) * width * 2.0 * np.pi * radius
    density *= 1.0 + asymmetry * np.cos(azimuth - phase)
    return Light(2600.0 * density * camera.area, np.full(len(camera.x), ARRIVAL))


def _displaced(origin: tuple[float, float], angle: float, phi: float) -> tuple[float, float]:
    """The point `angle` degrees from `origin` (m) in direction `phi`, m."""
    length = angle * METRES_PER_DEGREE
    return origin[0] + length * float(np.cos(phi)), origin[1] + length * float(np.sin(phi))


def triggers(mean: NDArray[np.float64]) -> bool:
    """Whether this mean light, p.e. per pixel, is recorded."""
    return float(mean.sum()) > TRIGGER_SIZE and float(np.partition(mean, -4)[-4:].sum()) > TRIGGER_CORE


def first_to_trigger(throw: Callable[[], Shower]) -> Shower:
    """Throw showers until one triggers."""
    thrown = 1
    while not triggers((shower := throw()).light.mean):
        thrown += 1
    return replace(shower, thrown=thrown)
