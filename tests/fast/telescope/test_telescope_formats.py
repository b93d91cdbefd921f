"""The other raw formats: what the real reader sees of the same events."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.table import QTable
from ctapipe.containers import EventType
from ctapipe_io_lst import LSTEventSource
from ctapipe_io_lst.constants import TriggerBits
from ctapipe_io_lst.evb_preprocessing import get_processings_for_trigger_bits
from telescope_nights import read_raw, tiny
from traitlets.config import Config

from osa_luigi.errors import NightError
from osa_luigi.night import DataLevel
from osa_luigi.telescope import RunType, SimulatedNight, simulate
from osa_luigi.telescope.camera import BASELINE, build_camera
from osa_luigi.telescope.evbv5 import UNCORRECTED
from osa_luigi.telescope.light import FLATFIELD_LIGHT

R1V1_FIELDS = "de3e81f5e4b26a5149beac3fff8b466764ce4d5170b6e7991635b4eb9228bbd5"
"""Of all fields of all events of the tiny night but the samples, as they were before there were other formats."""
R1V1_SAMPLES = {
    RunType.DRS4: (237435502, 119609184405),
    RunType.PEDCALIB: (526777774, 265266835820),
    RunType.DATA: (785724876, 394818164885),
}
"""Of each run: the sum of all samples, and their sum by place. Another processor may round a few of them otherwise."""
RAMP = 1009
TYPES = {"flatfield": EventType.FLATFIELD, "pedestal": EventType.SKY_PEDESTAL}


@pytest.fixture(scope="session")
def older(tmp_path_factory: pytest.TempPathFactory) -> SimulatedNight:
    """The tiny night as EVBv5."""
    return simulate(tiny(tmp_path_factory.mktemp("evbv5"), subruns=1, format="evbv5"))


@pytest.fixture(scope="session")
def calibrated(tmp_path_factory: pytest.TempPathFactory) -> SimulatedNight:
    """The tiny night in p.e."""
    return simulate(tiny(tmp_path_factory.mktemp("pe"), subruns=1, format="pe"))


def source(night: SimulatedNight, run_type: RunType) -> LSTEventSource:
    (run,) = night.runs_of(run_type)
    config = Config({"LSTEventSource": {"apply_drs4_corrections": False, "pointing_information": False}})
    return LSTEventSource(night.r0 / f"LST-1.1.Run{run.run_id:05d}.0000.fits.fz", config=config)


def types(night: SimulatedNight, run_type: RunType) -> dict[int, EventType]:
    with source(night, run_type) as events:
        return {event.index.event_id: event.trigger.event_type for event in events}


def true_types(night: SimulatedNight, run_type: RunType) -> dict[int, EventType]:
    (run,) = night.runs_of(run_type)
    truth = QTable.read(night.truth)
    rows = truth[truth["run"] == run.run_id]
    return {int(row["event_id"]): TYPES.get(row["kind"], EventType.SUBARRAY) for row in rows}


def feed(digest: Any, message: Any) -> None:
    """Take all fields of a message, and of those within it, into a digest."""
    for name, value in zip(message._fields, message, strict=True):
        if hasattr(value, "_fields"):
            feed(digest, value)
        elif name != "waveform":
            digest.update(b"-" if value is None else np.asarray(value).tobytes())


def test_r1v1_events_stay_what_they_were(night: SimulatedNight) -> None:
    digest = hashlib.sha256()
    for run in night.runs:
        plain = by_place = 0
        for event in (event for subrun in range(run.subruns) for event in read_raw(night, run.run_id, subrun)):
            feed(digest, event)
            samples = event.waveform.astype(np.int64)
            plain += int(samples.sum())
            by_place += int((samples * (np.arange(samples.size) % RAMP)).sum())
        expected, expected_by_place = R1V1_SAMPLES[run.run_type]
        assert plain == pytest.approx(expected, abs=5)
        assert by_place == pytest.approx(expected_by_place, abs=5 * RAMP)
    assert digest.hexdigest() == R1V1_FIELDS


@pytest.mark.parametrize("run_type", [RunType.PEDCALIB, RunType.DATA])
def test_the_reader_tells_the_kinds_of_evbv5_events(older: SimulatedNight, run_type: RunType) -> None:
    assert types(older, run_type) == true_types(older, run_type)


@pytest.mark.parametrize("run_type", [RunType.PEDCALIB, RunType.DATA])
def test_the_reader_tells_the_kinds_of_calibrated_events(calibrated: SimulatedNight, run_type: RunType) -> None:
    assert types(calibrated, run_type) == true_types(calibrated, run_type)


def test_evbv5_has_the_same_events_at_the_same_times(older: SimulatedNight, night: SimulatedNight) -> None:
    times = {}
    for name, one in (("evbv5", older), ("r1v1", night)):
        with source(one, RunType.DATA) as events:
            times[name] = [event.trigger.time.unix_tai for event in events]
    np.testing.assert_allclose(times["evbv5"], times["r1v1"], atol=1e-6)


def test_evbv5_keeps_both_gains_of_every_event(older: SimulatedNight) -> None:
    for event in read_raw(older, 2003, 0):
        assert event.waveform.size == 2 * 1855 * 40
        assert ((event.pixel_status & 0b1100) == 0b1100).all()


def test_evbv5_has_larger_cell_offsets(older: SimulatedNight) -> None:
    """Event after event of a DRS4 run, what is known of the cells explains what is seen but for the noise and the time lapse."""
    camera = build_camera(seed=1)
    event = read_raw(older, 2001, 0)[0]
    samples = np.empty((2, 1855, 40))
    samples[:, camera.pixel_id_map] = event.waveform.reshape(2, 1855, 40)
    left = samples[0] - UNCORRECTED * camera.cell_offsets(0, event.lstcam.first_capacitor_id)
    assert left.mean() == pytest.approx(BASELINE, abs=0.5)
    assert left.std() == pytest.approx(3.5, rel=0.1)


def test_the_reader_takes_off_the_time_lapse(older: SimulatedNight) -> None:
    """Cells that were read before read too much; with its correction they read what all others do."""
    from ctapipe_io_lst.calibration import LSTR0Corrections

    camera = build_camera(seed=1)
    with source(older, RunType.DRS4) as events:
        corrections = LSTR0Corrections(
            events.subarray, apply_drs4_pedestal_correction=False, apply_spike_correction=False
        )
        spread = []
        for event in events:
            before = event.r0.tel[1].waveform.astype(float)
            corrections.update_first_capacitors(event)
            corrections.apply_drs4_corrections(event)
            cells = event.lst.tel[1].evt.first_capacitor_id
            offsets = UNCORRECTED * np.stack([camera.cell_offsets(gain, cells) for gain in (0, 1)])
            after = event.r1.tel[1].waveform - offsets[..., 3:39]
            spread.append(((before - offsets)[1].mean() - BASELINE, after[1].mean() - BASELINE))
    assert max(uncorrected for uncorrected, _ in spread) > 1
    assert max(abs(corrected) for _, corrected in spread) < 0.2


def test_calibrated_data_are_in_photoelectrons(calibrated: SimulatedNight) -> None:
    with source(calibrated, RunType.DATA) as events:
        for event in events:
            waveform = event.r1.tel[1].waveform
            assert waveform.shape == (1, 1855, 36)
            if event.trigger.event_type is EventType.FLATFIELD:
                assert np.median(waveform.sum(axis=-1)) == pytest.approx(FLATFIELD_LIGHT, rel=0.1)
            elif event.trigger.event_type is EventType.SKY_PEDESTAL:
                assert waveform.mean() == pytest.approx(0, abs=0.01)


def test_calibrated_data_tell_the_delays_of_the_pixels(calibrated: SimulatedNight) -> None:
    camera = build_camera(seed=1)
    with source(calibrated, RunType.DATA) as events:
        shift = next(iter(events)).lst.tel[1].evt.pixel_time_shift[0]
    assert np.corrcoef(shift, camera.time_offset)[0, 1] > 0.999


def test_calibration_runs_of_calibrated_data_are_raw(calibrated: SimulatedNight) -> None:
    for event in read_raw(calibrated, 2002, 0):
        assert (event.num_channels, event.num_samples) == (2, 40)


@pytest.mark.parametrize(("form", "level"), [("pe", DataLevel.CALIBRATED), ("evbv5", DataLevel.RAW)])
def test_the_state_of_the_data_is_declared(form: str, level: DataLevel, request: pytest.FixtureRequest) -> None:
    """As the run summary takes it."""
    from protozfits import File

    night: SimulatedNight = request.getfixturevalue({"pe": "calibrated", "evbv5": "older"}[form])
    with File(str(night.r0 / "LST-1.1.Run02003.0000.fits.fz")) as file:
        if not hasattr(file, "CameraConfiguration"):
            assert (form, level) == ("evbv5", DataLevel.of(0, in_r0g=False))
            return
        processing = get_processings_for_trigger_bits(file.CameraConfiguration[0])[TriggerBits.MONO]
    assert DataLevel.of(processing.value, in_r0g=False) is level


def test_calibrated_data_have_one_gain(tmp_path: Path) -> None:
    with pytest.raises(NightError, match="have one gain"):
        tiny(tmp_path, format="pe", gains="both")
