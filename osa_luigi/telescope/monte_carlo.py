"""Pseudo-Monte-Carlo: DL1 files of gammas and protons, as lstchain's training reads them.

The showers and the noise are those of the simulated data; raw files and their calibration are left out. A calibrated
high-gain trace is made instead of 40 stored samples, and from there on the code is lstchain's and ctapipe's own:
`LocalPeakWindowSum` with the standard configuration's window, the standard cleaning, `lstchain.reco.r0_to_dl1.get_dl1`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import pandas as pd
from ctapipe.containers import ArrayEventContainer, DL1CameraContainer, EventType, SimulationConfigContainer
from ctapipe.core import Container
from ctapipe.image import HillasParameterizationError
from ctapipe.image.extractor import LocalPeakWindowSum
from ctapipe.instrument import SubarrayDescription
from ctapipe.io import HDF5TableWriter
from ctapipe_io_lst import LSTEventSource
from ctapipe_io_lst.constants import HIGH_GAIN, N_PIXELS
from lstchain.io import get_standard_config
from lstchain.io.io import (
    HDF5_ZSTD_FILTERS,
    dl1_params_lstcam_key,
    global_metadata,
    write_dataframe,
    write_metadata,
)
from lstchain.io.lstcontainers import DL1ParametersContainer
from lstchain.reco.r0_to_dl1 import add_disp_to_parameters_table, get_dl1
from lstchain.reco.utils import camera_to_altaz
from numpy.typing import NDArray

from osa_luigi.telescope.camera import EFFECTIVE_FOCAL_LENGTH, METRES_PER_DEGREE, Camera, build_camera
from osa_luigi.telescope.files import written_whole
from osa_luigi.telescope.light import Signal, detect
from osa_luigi.telescope.models import Pointing
from osa_luigi.telescope.seeds import Purpose, random_stream
from osa_luigi.telescope.showers import (
    GAMMA_SPECTRUM,
    PROTON_SPECTRUM,
    PROTON_VIEWCONE,
    Shower,
    Spectrum,
    first_to_trigger,
    gamma_shower,
    proton_shower,
)
from osa_luigi.telescope.sky import WOBBLE_OFFSET
from osa_luigi.telescope.waveforms import NoisePool, build_noise, pulses

CHARGE_SCALE = 1.172
"""Calibrated over true charge, without the loss outside the extraction window.

Measured: pixels of 30 to 500 p.e. of a simulated run come out of the real chain (DRS4, Cat-A calibration, R0→DL1) at
0.956 of their true charge, and out of the same window here at 0.816. The ratio is lstchain's ``calib_scale_high_gain``,
1.088, and what the wider window of the calibration gathers more."""
R1_SAMPLES = slice(3, 39)
"""Samples that are left after the R0 corrections of ctapipe_io_lst."""
TEL_ID = 1
EQUIVALENT_FOCAL_LENGTH = 28 * u.m
DROPPED = ("dragon_time", "ucts_time", "tib_time", "ucts_jump", "ucts_trigger_type", "trigger_time")
"""Columns that only data have."""


@dataclass(frozen=True)
class Primary:
    """What one Monte-Carlo file holds."""

    name: str
    mc_type: int
    """0 for gammas, 100 A + Z for nuclei."""
    run_number: int
    spectrum: Spectrum
    viewcone: tuple[float, float]
    """Smallest and largest angle of arrival from the axis, degrees."""


GAMMAS = Primary("gamma", 0, 1, GAMMA_SPECTRUM, (WOBBLE_OFFSET, WOBBLE_OFFSET + 0.001))
PROTONS = Primary("proton", 101, 2, PROTON_SPECTRUM, (0.0, PROTON_VIEWCONE))


def throw(rng: np.random.Generator, camera: Camera, primary: Primary) -> Shower:
    """One shower that triggers. Gammas come from all of a ring around the axis, whatever the wobble."""
    if primary.mc_type:
        return first_to_trigger(lambda: proton_shower(rng, camera))
    angle = rng.uniform(0.0, 2.0 * np.pi)
    radius = WOBBLE_OFFSET * METRES_PER_DEGREE
    source = (radius * float(np.cos(angle)), radius * float(np.sin(angle)))
    return first_to_trigger(lambda: gamma_shower(rng, camera, source))


def calibrated_trace(rng: np.random.Generator, camera: Camera, noise: NoisePool, signal: Signal) -> NDArray[np.float32]:
    """Samples as the data have them after calibration, p.e., shape (1, 1855, 36).

    The calibration takes out the efficiencies and the delays of the pixels. The high gain is taken not to saturate;
    in data, pixels above some 170 p.e. are in low gain and come out 10 % brighter, as their pulses are shorter.
    """
    sky, electronic = noise.draw(rng)
    gain = camera.gain[HIGH_GAIN][:, None]
    trace: NDArray[np.float32] = noise.night_sky[HIGH_GAIN, sky] + noise.electronic[HIGH_GAIN, electronic] / gain
    lit = np.flatnonzero(signal.charge)
    trace[lit] += signal.charge[lit, None] * pulses(HIGH_GAIN, signal.peak[lit])
    trace *= (CHARGE_SCALE / camera.efficiency)[:, None]
    return np.ascontiguousarray(trace[np.newaxis, :, R1_SAMPLES], np.float32)


class ImageMaker:
    """Turns showers into images as lstchain's calibration of data would."""

    def __init__(self, seed: int, subarray: SubarrayDescription) -> None:
        self._camera = build_camera(seed)
        self._noise = build_noise(seed)
        window = get_standard_config()["LocalPeakWindowSum"]
        self._extract = LocalPeakWindowSum(subarray=subarray, **window)
        readout = subarray.tel[TEL_ID].camera.readout
        self._delay = self._camera.time_offset / readout.sampling_rate.to_value("GHz")
        self._gain = np.zeros(N_PIXELS, np.int64)
        self._broken = np.zeros((1, N_PIXELS), bool)

    def image(self, rng: np.random.Generator, shower: Shower) -> DL1CameraContainer:
        """Charges in p.e. and peak times in ns."""
        signal = detect(rng, self._camera, shower.light)
        trace = calibrated_trace(rng, self._camera, self._noise, signal)
        dl1 = self._extract(trace, TEL_ID, self._gain, self._broken)
        dl1.peak_time = (dl1.peak_time - self._delay).astype(np.float32)
        return dl1


def simulate_primaries(seed: int, primary: Primary, count: int, pointing: Pointing) -> tuple[pd.DataFrame, int]:
    """DL1 parameters of `count` showers, and how many were thrown for them."""
    rng = random_stream(seed, Purpose.MONTE_CARLO, primary.run_number)
    subarray = LSTEventSource.create_subarray(TEL_ID)
    maker = ImageMaker(seed, subarray)
    camera = build_camera(seed)
    showers: list[Shower] = []
    rows = []
    for event_id in range(1, count + 1):
        shower = throw(rng, camera, primary)
        showers.append(shower)
        rows.append(_dl1_row(maker.image(rng, shower), subarray, (primary.run_number, event_id)))
    table = pd.concat([pd.DataFrame(rows), _truth_columns(showers, primary, pointing)], axis=1)
    return table, sum(shower.thrown for shower in showers)


def _dl1_row(image: DL1CameraContainer, subarray: SubarrayDescription, index: tuple[int, int]) -> dict[str, Any]:
    """The DL1 parameters of one image, in the units of lstchain's container."""
    event = ArrayEventContainer()
    event.dl1.tel[TEL_ID] = image
    parameters = DL1ParametersContainer()
    parameters.obs_id, parameters.event_id = index
    try:
        get_dl1(event, subarray, TEL_ID, dl1_container=parameters)
    except HillasParameterizationError:
        parameters.reset()
        parameters.obs_id, parameters.event_id = index
        parameters.set_telescope_info(subarray, TEL_ID)
    parameters.event_type = parameters.trigger_type = EventType.SUBARRAY.value
    return dict(_plain_fields(parameters))


def _plain_fields(container: Container) -> Iterator[tuple[str, Any]]:
    """Names and bare values of the fields that are set."""
    for name, field in container.fields.items():
        value = container[name]
        if value is None or name in DROPPED or name.startswith("mc_"):
            continue
        if isinstance(value, u.Quantity):
            value = value.to_value(field.unit or value.unit)
        yield name, value


def _truth_columns(showers: list[Shower], primary: Primary, pointing: Pointing) -> pd.DataFrame:
    """What lstchain's training reads of the simulated showers. Angles in rad, lengths in m, energies in TeV."""
    count = len(showers)
    energy = np.array([shower.energy for shower in showers])
    impact = np.array([shower.impact for shower in showers])
    phi = np.array([shower.core_phi for shower in showers])
    altitude, azimuth = np.full(count, pointing.altitude), np.full(count, pointing.azimuth)
    direction = camera_to_altaz(
        np.array([shower.src_x for shower in showers]) * u.m,
        np.array([shower.src_y for shower in showers]) * u.m,
        EFFECTIVE_FOCAL_LENGTH * u.m,
        altitude * u.rad,
        azimuth * u.rad,
    )
    return pd.DataFrame(
        {
            "alt_tel": altitude,
            "az_tel": azimuth,
            "sin_az_tel": np.sin(azimuth),
            "mc_energy": energy,
            "log_mc_energy": np.log10(energy),
            "mc_alt": direction.alt.rad,
            "mc_az": direction.az.rad,
            "mc_alt_tel": altitude,
            "mc_az_tel": azimuth,
            "mc_core_x": impact * np.cos(phi),
            "mc_core_y": impact * np.sin(phi),
            "mc_core_distance": impact,
            "mc_h_first_int": np.full(count, 20_000.0),
            "mc_x_max": np.full(count, 300.0),
            "mc_type": np.full(count, primary.mc_type),
        }
    )


def write_primaries(path: Path, seed: int, primary: Primary, count: int, pointing: Pointing) -> None:
    """Write one Monte-Carlo DL1 file."""
    table, thrown = simulate_primaries(seed, primary, count, pointing)
    metadata = global_metadata()
    with written_whole(path) as temporary:
        LSTEventSource.create_subarray(TEL_ID).to_hdf(temporary)
        write_metadata(metadata, temporary)
        write_dataframe(table, temporary, dl1_params_lstcam_key, config=get_standard_config(), meta=metadata)
        add_disp_to_parameters_table(temporary, dl1_params_lstcam_key, EQUIVALENT_FOCAL_LENGTH)
        _write_run_config(temporary, primary, pointing, thrown)


def _write_run_config(path: Path, primary: Primary, pointing: Pointing, thrown: int) -> None:
    """What was thrown, as lstchain's and pyirf's weights need it."""
    spectrum, altitude, azimuth = primary.spectrum, pointing.altitude * u.rad, pointing.azimuth * u.rad
    config = SimulationConfigContainer(
        run_number=primary.run_number,
        n_showers=thrown,
        shower_reuse=1,
        spectral_index=-2.0,
        energy_range_min=spectrum.lowest * u.TeV,
        energy_range_max=spectrum.highest * u.TeV,
        min_scatter_range=0 * u.m,
        max_scatter_range=spectrum.largest_impact * u.m,
        min_viewcone_radius=primary.viewcone[0] * u.deg,
        max_viewcone_radius=primary.viewcone[1] * u.deg,
        diffuse=primary.mc_type != 0,
        min_alt=altitude,
        max_alt=altitude,
        min_az=azimuth,
        max_az=azimuth,
        **SITE_AND_PROGRAMS,
    )
    with HDF5TableWriter(path, group_name="simulation", mode="a", filters=HDF5_ZSTD_FILTERS) as writer:
        writer.write("run_config", config)


SITE_AND_PROGRAMS: dict[str, Any] = {
    "prod_site_B_total": 38.7 * u.uT,
    "prod_site_B_declination": -0.09 * u.rad,
    "prod_site_B_inclination": 0.64 * u.rad,
    "prod_site_alt": 2147 * u.m,
    "atmosphere": 36,
    "corsika_version": 7.741,
    "corsika_bunchsize": 5.0,
    "corsika_wlen_min": 240 * u.nm,
    "corsika_wlen_max": 700 * u.nm,
    "corsika_iact_options": 0,
    "corsika_low_E_model": 5,
    "corsika_high_E_model": 6,
    "corsika_low_E_detail": 0,
    "corsika_high_E_detail": 303,
    "core_pos_mode": 1,
    "simtel_version": 2.0,
    "shower_prog_start": 0,
    "shower_prog_id": 1,
    "detector_prog_start": 0,
    "detector_prog_id": 1,
}
"""What the file format asks for and nobody simulated: values of an LST production."""
