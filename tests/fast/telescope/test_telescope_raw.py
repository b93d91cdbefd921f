"""The raw files, as the real readers see them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.table import QTable
from astropy.time import Time
from ctapipe.containers import EventType
from ctapipe_io_lst import LSTEventSource
from ctapipe_io_lst.anyarray_dtypes import CDTS_AFTER_37201_DTYPE, TIB_DTYPE
from ctapipe_io_lst.constants import TriggerBits
from ctapipe_io_lst.evb_preprocessing import get_processings_for_trigger_bits
from telescope_nights import read_raw, tiny
from traitlets.config import Config

from osa_luigi.night import DataLevel
from osa_luigi.telescope import RunType, SimulatedNight, simulate
from osa_luigi.telescope.camera import BASELINE, build_camera
from osa_luigi.telescope.light import FLATFIELD_LIGHT


def source(night: SimulatedNight, run_id: int, subrun: int) -> LSTEventSource:
    config = Config({"LSTEventSource": {"apply_drs4_corrections": False, "pointing_information": False}})
    path = night.r0 / f"LST-1.1.Run{run_id:05d}.{subrun:04d}.fits.fz"
    return LSTEventSource(path, config=config)


def only_run(night: SimulatedNight, run_type: RunType) -> int:
    (run,) = night.runs_of(run_type)
    return run.run_id


@pytest.fixture(scope="session")
def data(night: SimulatedNight) -> list[list[Any]]:
    """Events of the DATA run by subrun."""
    return [read_raw(night, only_run(night, RunType.DATA), subrun) for subrun in (0, 1)]


def test_event_numbers_run_on_across_subruns(data: list[list[Any]]) -> None:
    assert [[event.event_id for event in subrun] for subrun in data] == [
        list(range(1, 13)),
        list(range(13, 25)),
    ]


def test_times_run_on_across_subruns(data: list[list[Any]]) -> None:
    times = [event.event_time_s * 4e9 + event.event_time_qns for subrun in data for event in subrun]
    assert np.all(np.diff(times) >= 4 * 7000)


def test_the_streams_take_turns(night: SimulatedNight) -> None:
    from protozfits import File

    run = only_run(night, RunType.DATA)
    with File(str(night.r0 / f"LST-1.2.Run{run:05d}.0001.fits.fz")) as file:
        assert [event.event_id for event in file.Events] == [14, 18, 22]


def test_the_event_source_reads_a_subrun_and_its_kinds(night: SimulatedNight) -> None:
    truth = QTable.read(night.truth)
    run = only_run(night, RunType.DATA)
    with source(night, run, 0) as events:
        found = {event.index.event_id: event.trigger.event_type for event in events}
    expected = {"flatfield": EventType.FLATFIELD, "pedestal": EventType.SKY_PEDESTAL}
    rows = truth[(truth["run"] == run) & (truth["subrun"] == 0)]
    assert found == {row["event_id"]: expected.get(row["kind"], EventType.SUBARRAY) for row in rows}
    assert {EventType.FLATFIELD, EventType.SUBARRAY} <= set(found.values())


def test_times_are_tai(night: SimulatedNight) -> None:
    (run,) = night.runs_of(RunType.PEDCALIB)
    with source(night, run.run_id, 0) as events:
        first = next(iter(events)).trigger.time
    elapsed = (first - Time(run.start)).to_value("s")
    assert 0 < elapsed < 1


def test_showers_have_one_gain_and_calibration_events_both(data: list[list[Any]]) -> None:
    for event in (event for subrun in data for event in subrun):
        shower = event.event_type == EventType.SUBARRAY.value
        assert event.num_channels == (1 if shower else 2)
        both = (event.pixel_status & 0b1100) == 0b1100
        assert not both.any() if shower else both.all()


def test_showers_may_keep_both_gains(night: SimulatedNight, data: list[list[Any]], tmp_path: Path) -> None:
    """The same showers as with selected gains: what is stored of them is in the one or in the other gain."""
    both = simulate(tiny(tmp_path, gains="both"))
    events = read_raw(both, only_run(both, RunType.DATA), 0)
    for event, selected in zip(events, data[0], strict=True):
        assert event.num_channels == 2
        assert ((event.pixel_status & 0b1100) == 0b1100).all()
        waveform = event.waveform.reshape(2, 1855, 40)
        if selected.num_channels == 1:
            low_gain = (selected.pixel_status & 0b1100) == 0b1000
            waveform = np.where(low_gain[:, np.newaxis], waveform[1], waveform[0])
        np.testing.assert_array_equal(waveform.ravel(), selected.waveform)


@pytest.mark.parametrize(("gains", "level"), [("selected", DataLevel.GAIN_SELECTED), ("both", DataLevel.RAW)])
def test_the_state_of_the_data_is_declared(gains: str, level: DataLevel, tmp_path: Path) -> None:
    """As the run summary takes it: what the event builder does to showers."""
    from protozfits import File

    night = simulate(tiny(tmp_path, subruns=1, gains=gains))
    with File(str(night.r0 / f"LST-1.1.Run{only_run(night, RunType.DATA):05d}.0000.fits.fz")) as file:
        processings = get_processings_for_trigger_bits(file.CameraConfiguration[0])
    assert DataLevel.of(processings[TriggerBits.MONO].value, in_r0g=False) is level


def test_trigger_pattern_of_ucts_and_tib(night: SimulatedNight) -> None:
    for event in read_raw(night, only_run(night, RunType.PEDCALIB), 0):
        ucts = event.debug.cdts_data.view(CDTS_AFTER_37201_DTYPE)[0]
        tib = event.debug.tib_data.view(TIB_DTYPE)[0]
        flatfield = event.event_type == EventType.FLATFIELD.value
        expected = TriggerBits.CALIBRATION if flatfield else TriggerBits.PEDESTAL
        assert ucts["trigger_type"] == tib["masked_trigger"] == expected
        assert int(ucts["timestamp"]) == event.event_time_s * 10**9 + event.event_time_qns // 4


def test_pedcalib_is_half_flatfield_half_pedestal(night: SimulatedNight) -> None:
    events = read_raw(night, only_run(night, RunType.PEDCALIB), 0)
    assert Counter(event.event_type for event in events) == {
        EventType.FLATFIELD.value: 4,
        EventType.SKY_PEDESTAL.value: 4,
    }


def test_the_charge_of_a_flatfield_event(night: SimulatedNight) -> None:
    camera = build_camera(seed=1)
    with source(night, only_run(night, RunType.PEDCALIB), 0) as events:
        waveform = next(iter(events)).r1.tel[1].waveform  # the reader has taken the baseline off
    for gain in range(2):
        charge = waveform[gain].sum(axis=1) / (camera.gain[gain] * camera.efficiency)
        assert np.median(charge) == pytest.approx(FLATFIELD_LIGHT, rel=0.05)
        assert charge.std() == pytest.approx(np.sqrt(1.222 * FLATFIELD_LIGHT), rel=0.15)


def test_a_drs4_event_is_dark(night: SimulatedNight) -> None:
    for event in read_raw(night, only_run(night, RunType.DRS4), 0):
        waveform = event.waveform.reshape(2, 1855, 40)
        assert waveform.mean() == pytest.approx(BASELINE, abs=0.5)
        assert waveform[0].std() == pytest.approx(np.hypot(3.5, 3.0), rel=0.05)


def test_first_cells_reach_the_pixels_they_belong_to(night: SimulatedNight) -> None:
    from ctapipe_io_lst.calibration import get_first_capacitors_for_pixels

    camera = build_camera(seed=1)
    event = read_raw(night, only_run(night, RunType.DRS4), 0)[0]
    cells = get_first_capacitors_for_pixels(event.first_cell_id, camera.pixel_id_map)
    offsets = camera.cell_offsets(0, event.first_cell_id)
    for pixel in (0, 7, 1000, 1854):
        first = cells[0, pixel]
        np.testing.assert_array_equal(offsets[pixel], camera.cell_offset[0, pixel, first : first + 40])


def test_the_truth_table_has_units_and_all_events(night: SimulatedNight) -> None:
    truth = QTable.read(night.truth)
    assert len(truth) == 4 + 8 + 24
    assert str(truth["energy"].unit) == "TeV"
    assert str(truth["impact"].unit) == "m"
    showers = truth[np.isin(truth["kind"], ["gamma", "proton", "muon"])]
    assert np.all(np.isfinite(showers["energy"]))
    assert np.all(showers["size"].value > 30)
    assert np.all(showers["thrown"] >= 1)
