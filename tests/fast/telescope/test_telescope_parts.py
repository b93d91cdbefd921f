"""The small parts."""

from __future__ import annotations

import dataclasses
import datetime as dt
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from astropy.time import Time
from astropy.utils import iers
from ctapipe.image.muon.ring_fitter import kundu_chaudhuri_circle_fit
from hypothesis import given, settings
from hypothesis import strategies as st

from osa_luigi.telescope.camera import METRES_PER_DEGREE, build_camera
from osa_luigi.telescope.electronics import counters
from osa_luigi.telescope.light import Light, detect
from osa_luigi.telescope.options import RunType, SimulationOptions
from osa_luigi.telescope.plan import first_run_start, plan_night
from osa_luigi.telescope.schedule import (
    EventKind,
    RunPlan,
    flatfield_cells,
    run_duration,
    run_schedule,
    subrun_schedule,
)
from osa_luigi.telescope.seeds import Purpose, random_stream
from osa_luigi.telescope.showers import (
    GAMMA_SPECTRUM,
    Spectrum,
    first_to_trigger,
    gamma_shower,
    muon_ring,
    proton_shower,
    ring_light,
    triggers,
)
from osa_luigi.telescope.sky import COMFORTABLE_ALTITUDE, SOURCES, declination_line, horizontal, source_at
from osa_luigi.telescope.waveforms import Digitiser, build_noise, pulses

CAMERA = build_camera(seed=1)
UNIQUE_CELLS = 4096


def plan(run_type: RunType, subruns: int, events: int, period: int = 20) -> RunPlan:
    return RunPlan(
        seed=1,
        run_id=2001,
        run_type=run_type,
        subruns=subruns,
        events=events,
        start_tai=1_731_718_837,
        source=(0.2, 0.0),
        interleaved_period=period,
        both_gains=False,
    )


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = (
        "import sys, osa_luigi.telescope; "
        "print([name for name in ('numpy', 'astropy', 'ctapipe', 'lstchain', 'protozfits') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@given(st.integers(1, 6), st.integers(4, 60), st.sampled_from(RunType))
def test_subruns_are_parts_of_the_run(subruns: int, events: int, run_type: RunType) -> None:
    shape = plan(run_type, subruns, events)
    whole = run_schedule(shape)
    parts = [subrun_schedule(shape, subrun) for subrun in range(subruns)]
    for name in ("event_id", "elapsed", "kind", "first_cell"):
        np.testing.assert_array_equal(np.concatenate([getattr(part, name) for part in parts]), getattr(whole, name))
    assert list(whole.event_id) == list(range(1, subruns * events + 1))
    assert np.all(np.diff(whole.elapsed) >= 7000)
    assert np.all((whole.first_cell >= 0) & (whole.first_cell < UNIQUE_CELLS))


@given(st.integers(3, 60), st.integers(1, 40))
def test_a_period_has_one_flatfield_event_and_one_pedestal(period: int, periods: int) -> None:
    kind = run_schedule(plan(RunType.DATA, 1, period * periods, period)).kind
    assert np.count_nonzero(kind == EventKind.FLATFIELD) == periods
    assert np.count_nonzero(kind == EventKind.PEDESTAL) == periods


@pytest.mark.parametrize("period", [11, 20])
def test_lstchain_will_know_the_run_types(period: int) -> None:
    data = run_schedule(plan(RunType.DATA, 1, 500, period)).kind
    assert np.count_nonzero(data == EventKind.PEDESTAL) < 50
    assert np.count_nonzero(data == EventKind.FLATFIELD) > 0
    pedcalib = run_schedule(plan(RunType.PEDCALIB, 1, 500)).kind
    assert np.count_nonzero(pedcalib == EventKind.PEDESTAL) > 50
    assert set(run_schedule(plan(RunType.DRS4, 1, 500)).kind) == {EventKind.DARK}


def test_a_drs4_run_reaches_every_cell() -> None:
    starts = run_schedule(plan(RunType.DRS4, 1, 1100)).first_cell
    cells = (starts[:, None] + np.arange(40)) % UNIQUE_CELLS
    assert np.bincount(cells.ravel(), minlength=UNIQUE_CELLS).min() >= 8


@given(st.integers(0, 4095))
def test_flatfield_events_fill_every_bin_of_the_time_calibration(phase: int) -> None:
    bins = (flatfield_cells(128) + phase) % 1024 // 8
    assert set(bins) == set(range(128))


def test_flatfield_cells_visit_all_four_chips() -> None:
    assert set(flatfield_cells(4 * 128) // 1024) == {0, 1, 2, 3}


@given(st.integers(0, 10**13))
def test_counters_count_the_time(elapsed: int) -> None:
    seconds, ticks = counters(elapsed)
    assert 0 <= ticks < 10_000_000
    assert 0 <= elapsed - (seconds * 10**9 + ticks * 100) < 100


@given(st.floats(0.01, 1), st.floats(1.1, 1e4), st.integers(0, 2**32))
def test_energies_stay_in_their_range(lowest: float, ratio: float, seed: int) -> None:
    spectrum = Spectrum(lowest, lowest * ratio, 100.0)
    rng = np.random.default_rng(seed)
    energy = spectrum.energy(rng)
    assert lowest * (1 - 1e-9) <= energy <= lowest * ratio * (1 + 1e-9)
    assert 0 <= spectrum.impact(rng) <= 100.0


def test_energies_fall_with_their_square() -> None:
    rng = np.random.default_rng(1)
    energies = np.array([GAMMA_SPECTRUM.energy(rng) for _ in range(20_000)])
    assert np.mean(energies > 0.2) == pytest.approx(0.1, rel=0.1)


@given(st.integers(0, 1), st.floats(5, 25))
def test_a_pulse_holds_one_photo_electron(gain: int, peak: float) -> None:
    (pulse,) = pulses(gain, np.array([peak]))
    assert pulse.sum() == pytest.approx(1.0, abs=0.06)
    assert abs(int(pulse.argmax()) - peak) <= 1


@given(st.floats(-14, 54))
def test_pulses_may_peak_outside_the_readout(peak: float) -> None:
    assert np.all(np.isfinite(pulses(0, np.array([peak]))))


@settings(max_examples=20)
@given(st.floats(0.9, 1.2), st.floats(-0.3, 0.3), st.floats(-0.3, 0.3), st.integers(0, 2**32))
def test_a_muon_ring_has_its_radius(radius: float, x: float, y: float, seed: int) -> None:
    light = ring_light(CAMERA, (x, y), radius * METRES_PER_DEGREE, asymmetry=0.3, phase=1.0)
    charge = detect(np.random.default_rng(seed), CAMERA, light).charge
    ring = charge > 4
    fitted = kundu_chaudhuri_circle_fit(CAMERA.x[ring], CAMERA.y[ring], charge[ring])
    assert float(fitted[0]) == pytest.approx(radius * METRES_PER_DEGREE, rel=0.05)


def test_every_shower_that_is_kept_triggers() -> None:
    rng = np.random.default_rng(1)
    throws = [
        lambda: gamma_shower(rng, CAMERA, (0.2, 0.0)),
        lambda: proton_shower(rng, CAMERA),
        lambda: muon_ring(rng, CAMERA),
    ]
    for throw in throws * 5:
        shower = first_to_trigger(throw)
        assert triggers(shower.light.mean)
        assert shower.thrown >= 1


def test_detected_charge_follows_the_light() -> None:
    light = Light(np.full(1855, 30.0), np.full(1855, 15.0))
    signal = detect(np.random.default_rng(1), CAMERA, light)
    assert signal.charge.mean() == pytest.approx(30.0, rel=0.02)
    np.testing.assert_allclose(np.median(signal.peak - CAMERA.time_offset), 15.0, atol=0.05)


def test_bright_pixels_keep_the_low_gain() -> None:
    rng = np.random.default_rng(1)
    mean = np.zeros(1855)
    mean[[3, 500]] = 2000.0
    signal = detect(rng, CAMERA, Light(mean, np.full(1855, 15.0)))
    readout = Digitiser(CAMERA, build_noise(1)).read_out(
        rng, signal, CAMERA.first_cells(17), night_sky=True, select_gain=True
    )
    assert readout.low_gain is not None
    assert list(np.flatnonzero(readout.low_gain)) == [3, 500]
    assert readout.waveform.shape == (1, 1855, 40)
    assert readout.waveform[0, 3].max() < 4095


def test_the_night_sky_adds_no_charge_on_average() -> None:
    assert abs(build_noise(1).night_sky.mean()) < 0.005


@given(st.integers(0, 100), st.integers(0, 10_000), st.integers(0, 500))
def test_random_streams_are_keyed(seed: int, run: int, subrun: int) -> None:
    first = random_stream(seed, Purpose.SUBRUN, run, subrun).integers(2**63)
    assert random_stream(seed, Purpose.SUBRUN, run, subrun).integers(2**63) == first
    assert random_stream(seed, Purpose.SUBRUN, run, subrun + 1).integers(2**63) != first
    assert random_stream(seed + 1, Purpose.SUBRUN, run, subrun).integers(2**63) != first


def test_the_first_run_is_in_the_morning_after() -> None:
    assert first_run_start(dt.date(2024, 12, 31)).isot == "2025-01-01T01:00:00.000"


@pytest.mark.parametrize("month", range(1, 13))
def test_a_source_is_up_in_every_month(month: int) -> None:
    start = first_run_start(dt.date(2025, month, 15))
    source = source_at(start)
    assert float(horizontal(source.pointing, start).alt.deg) > COMFORTABLE_ALTITUDE - 10


def test_the_crab_is_observed_in_november() -> None:
    assert source_at(Time("2024-11-16T01:00:00")).name == "Crab"


def test_models_are_named_after_the_nearest_declination() -> None:
    assert declination_line(SOURCES[0]) == "dec_2276"
    assert declination_line(SOURCES[1]) == "dec_3476"


def test_every_option_is_in_the_manual() -> None:
    manual = (Path(__file__).parents[3] / "docs" / "telescope.md").read_text()
    for field in dataclasses.fields(SimulationOptions):
        assert f"`{field.name}`" in manual


def test_a_night_to_come_can_be_planned(tmp_path: Path) -> None:
    with iers.conf.set_temp("auto_download", False):
        night = plan_night(SimulationOptions(base=tmp_path, date=dt.date(2031, 6, 1)))
    assert night.source.name == "Mrk501"
    assert np.hypot(*night.runs[-1].source) == pytest.approx(0.4 * METRES_PER_DEGREE, rel=1e-3)


def test_runs_do_not_overlap(tmp_path: Path) -> None:
    night = plan_night(SimulationOptions(base=tmp_path, date=dt.date(2024, 11, 15)))
    for run, following in pairwise(night.runs):
        assert run.start_tai + run_duration(run) + 59 < following.start_tai
