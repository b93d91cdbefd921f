"""Making a night: the same again, in parallel, after a kill, and with other options."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from unittest import mock

import h5py
import numpy as np
import pytest
from astropy.table import QTable, Table
from astropy.time import Time
from ctapipe_io_lst.pointing import PointingSource
from telescope_nights import read_raw, same_events, tiny

from osa_luigi.errors import NightError, OsaError
from osa_luigi.telescope import RunType, SimulatedNight, SimulationOptions, simulate
from osa_luigi.telescope import subrun as subrun_module


def all_events(night: SimulatedNight) -> list[object]:
    return [
        event for run in night.runs for subrun in range(run.subruns) for event in read_raw(night, run.run_id, subrun)
    ]


def test_the_same_options_give_the_same_events_in_parallel(night: SimulatedNight, tmp_path: Path) -> None:
    other = simulate(tiny(tmp_path, processes=2))
    assert same_events(all_events(other), all_events(night))
    assert Path(other.truth).read_bytes() == night.truth.read_bytes()


def test_another_seed_gives_other_events(night: SimulatedNight, tmp_path: Path) -> None:
    other = simulate(tiny(tmp_path, seed=2, data_runs=0))
    assert not same_events(read_raw(other, 2002, 0), read_raw(night, 2002, 0))


def test_more_subruns_leave_the_first_ones_kinds_and_times_alone(night: SimulatedNight, tmp_path: Path) -> None:
    other = simulate(tiny(tmp_path, data_runs=2))
    assert same_events(read_raw(other, 2003, 1), read_raw(night, 2003, 1))


def test_a_complete_night_is_returned_as_it_is(tmp_path: Path) -> None:
    first = simulate(tiny(tmp_path, data_runs=0))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    seen: list[tuple[str, float]] = []
    second = simulate(tiny(tmp_path, data_runs=0, processes=2), lambda *report: seen.append(report))
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    assert seen == [("done", 1.0)]
    assert first.fresh
    assert not second.fresh
    assert vars(first) | {"fresh": False} == vars(second)


def test_other_options_in_the_same_place_are_refused(night: SimulatedNight) -> None:
    with pytest.raises(NightError, match=r"events is 12 there, 16 was asked for.*choose another base"):
        simulate(tiny(night.base, events=16))


def test_an_option_that_the_manifest_does_not_know_had_its_default(tmp_path: Path) -> None:
    simulate(tiny(tmp_path, data_runs=0))
    manifest = tmp_path / "simulation.json"
    content = json.loads(manifest.read_text())
    del content["nights"]["20241115"]["options"]["interleaved_period"]
    manifest.write_text(json.dumps(content))
    assert not simulate(tiny(tmp_path, data_runs=0)).fresh
    with pytest.raises(NightError, match="interleaved_period is 20 there, 11 was asked for"):
        simulate(tiny(tmp_path, data_runs=0, interleaved_period=11))


def test_another_night_with_the_same_runs_is_refused(night: SimulatedNight) -> None:
    with pytest.raises(NightError, match="Choose first_run=2004"):
        simulate(tiny(night.base, date=dt.date(2024, 11, 16)))


def test_a_base_holds_several_nights(tmp_path: Path) -> None:
    first = simulate(tiny(tmp_path, data_runs=0))
    second = simulate(tiny(tmp_path, data_runs=0, first_run=2010, date=dt.date(2024, 11, 16)))
    assert not simulate(tiny(tmp_path, data_runs=0)).fresh
    assert first.r0 != second.r0


def test_a_killed_simulation_is_completed(night: SimulatedNight, tmp_path: Path) -> None:
    options = tiny(tmp_path)
    made: list[subrun_module.SubrunJob] = []

    def die_in_the_third(job: subrun_module.SubrunJob) -> None:
        made.append(job)
        if len(made) == 3:
            job.r0.joinpath(f".writing.{job.raw_files[0].name}").write_bytes(b"torn")
            job.raw_files[1].write_bytes(b"renamed, but others were not")
            raise KeyboardInterrupt
        subrun_module.write_subrun(job)

    with (
        mock.patch("osa_luigi.telescope.workers.write_subrun", die_in_the_third),
        pytest.raises(KeyboardInterrupt),
    ):
        simulate(options)
    assert not json.loads((tmp_path / "simulation.json").read_text())["nights"]["20241115"]["complete"]
    with pytest.raises(NightError, match="seed"):
        simulate(tiny(tmp_path, seed=3))

    redone: list[subrun_module.SubrunJob] = []

    def count(job: subrun_module.SubrunJob) -> None:
        redone.append(job)
        subrun_module.write_subrun(job)

    with mock.patch("osa_luigi.telescope.workers.write_subrun", count):
        completed = simulate(options)
    assert len(redone) == 2
    assert same_events(all_events(completed), all_events(night))
    assert not list(tmp_path.rglob(".*"))


def test_a_night_that_lost_a_file_is_made_whole(tmp_path: Path) -> None:
    night = simulate(tiny(tmp_path, data_runs=0))
    lost = night.r0 / "LST-1.3.Run02002.0000.fits.fz"
    lost.unlink()
    assert simulate(tiny(tmp_path, data_runs=0)).fresh
    assert lost.exists()


def test_progress_rises_to_one(tmp_path: Path) -> None:
    seen: list[tuple[str, float]] = []
    simulate(tiny(tmp_path, data_runs=0), lambda *report: seen.append(report))
    fractions = [fraction for _, fraction in seen]
    assert fractions == sorted(fractions)
    assert seen[-1] == ("done", 1.0)


def test_protozfits_is_kept_quiet(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    simulate(tiny(tmp_path, data_runs=0))
    captured = capfd.readouterr()
    assert captured.out == ""
    assert "compress" not in captured.err


def test_an_unknown_format_names_the_known(tmp_path: Path) -> None:
    with pytest.raises(NightError, match="'evb9'; there is: evbv5, pe, r1v1"):
        simulate(tiny(tmp_path, format="evb9"))
    assert not (tmp_path / "simulation.json").exists()


def test_all_impossible_options_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(
        OsaError, match=r"drs4_events is 1.*subruns is 0.*interleaved_period is 2.*processes is 0.*gains"
    ):
        tiny(tmp_path, drs4_events=1, subruns=0, interleaved_period=2, processes=0, gains="one")


def test_a_damaged_manifest_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "simulation.json").write_text("{")
    with pytest.raises(NightError, match="Remove it"):
        simulate(tiny(tmp_path))


def test_the_drive_log_covers_every_event(night: SimulatedNight) -> None:
    from ctapipe_io_lst import LSTEventSource

    pointing = PointingSource(LSTEventSource.create_subarray(1), drive_report_path=night.drive_log)
    start = Time(night.runs[0].start)
    end = Time(night.runs[-1].start) + dt.timedelta(seconds=1)
    for time in (start, end):
        altitude = pointing.get_pointing_position_altaz(1, time).altitude.to_value("deg")
        assert 40 < altitude < 90
    targets = PointingSource.read_target_log(night.drive_log.with_name("Target_log_20241115.txt"))
    assert list(targets["name"]) == ["Crab"]


def test_the_catalog_lists_the_data_runs(night: SimulatedNight) -> None:
    catalog = Table.read(night.run_catalog)
    assert catalog.colnames == ["run_id", "source_name", "source_ra", "source_dec"]
    assert list(catalog["run_id"]) == [run.run_id for run in night.runs_of(RunType.DATA)]


def test_the_calibration_files(night: SimulatedNight) -> None:
    from ctapipe_io_lst.calibration import LSTR0Corrections, calc_fourier_time_correction

    with h5py.File(night.ffactor_systematics) as file:
        assert file["B_term"].shape == (2, 1855)
    cosines, sines = LSTR0Corrections.load_drs4_time_calibration_file(night.time_calibration)
    assert cosines.shape == (2, 1855, 16)
    assert calc_fourier_time_correction(1000, cosines[0, 7], sines[0, 7]) == 0


def test_the_time_calibration_can_be_left_to_the_analysis(tmp_path: Path) -> None:
    night = simulate(tiny(tmp_path, data_runs=0, time_calibration="run"))
    assert night.time_calibration is None
    assert not list(tmp_path.rglob("time_calibration*"))


def test_run_numbers_and_types(tmp_path: Path) -> None:
    options = SimulationOptions(base=tmp_path, date=dt.date(2024, 11, 15))
    assert options.last_run == 2004


def test_gammas_come_from_the_source(night: SimulatedNight) -> None:
    truth = QTable.read(night.truth)
    gammas = truth[truth["kind"] == "gamma"]
    distance = np.hypot(gammas["src_x"], gammas["src_y"]).to_value("m") / 29.30565
    np.testing.assert_allclose(np.rad2deg(np.arctan(distance)), 0.4, rtol=1e-3)
