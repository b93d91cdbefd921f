from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import date

import pytest

from osa_luigi.errors import NightError
from osa_luigi.night import DataLevel, DriveLog, RunType, Source, observe

RUNS = ((19001, "DRS4", 1), (19002, "PEDCALIB", 1), (19003, "DATA", 3), (19004, "DATA", 2))
START = 1_731_718_800  # unix seconds
TAI = 37


def nanoseconds(unix):
    return (unix + TAI) * 10**9


@pytest.fixture
def night_files(site, day):
    site.summary(day, *RUNS)
    site.runs(day, *RUNS)
    site.catalog(day, (19003, "Crab Nebula", 83.63, 22.01))
    site.drive(day, START - 600, START + 600)
    return site


def test_a_night(night_files, day):
    night = observe(night_files.paths, day)
    assert night.date == day
    assert [(run.run_id, run.run_type, run.array) for run in night.runs] == [
        (19001, RunType.DRS4, "0"),
        (19002, RunType.PEDCALIB, "0"),
        (19003, RunType.DATA, "0-2"),
        (19004, RunType.DATA, "0-1"),
    ]
    assert night.run(19003).source == Source("Crab Nebula", 83.63, 22.01)
    assert night.run(19004).source is None
    assert night.run(19003).level is DataLevel.RAW
    assert night.drive_log == night_files.paths.drive_log_file(day)
    assert night.run(19003).pointing.identity == {"log": "DrivePosition_log_20241115.txt"}
    assert night.unlisted_runs == ()
    assert not any(run.incomplete for run in night.runs)


def test_observing_twice_gives_the_same(night_files, day):
    assert observe(night_files.paths, day) == observe(night_files.paths, day)


def test_observing_again_only_adds(night_files, day):
    before = observe(night_files.paths, day)
    night_files.summary(day, *RUNS[:-1], (19004, "DATA", 3), (19005, "DATA", 1))
    night_files.raw(day, 19004, 2)
    night_files.raw(day, 19005, 0)
    after = observe(night_files.paths, day)
    for run in before.runs:
        now = after.run(run.run_id)
        assert now.identity == run.identity
        assert now.subruns[: len(run.subruns)] == run.subruns
        assert (now.source, now.pointing) == (run.source, run.pointing)
    assert after.run(19004).array == "0-2"
    assert after.run(19005).array == "0"


def test_a_subrun_that_lacks_streams_is_kept(night_files, day):
    (night_files.paths.r0 / "20241115" / "LST-1.3.Run19003.0001.fits.fz").unlink()
    run = observe(night_files.paths, day).run(19003)
    assert [subrun.missing_streams for subrun in run.subruns] == [(), (3,), ()]
    assert [subrun.subrun for subrun in run.incomplete] == [1]


def test_a_subrun_whose_files_are_all_missing_is_kept(night_files, day):
    for stream in (1, 2, 3, 4):
        (night_files.paths.r0 / "20241115" / f"LST-1.{stream}.Run19003.0002.fits.fz").unlink()
    run = observe(night_files.paths, day).run(19003)
    assert run.array == "0-2"
    assert run.subrun(2).missing_streams == (1, 2, 3, 4)


def test_subruns_that_the_summary_does_not_count_are_kept(night_files, day):
    night_files.raw(day, 19003, 5, streams=(2,))
    run = observe(night_files.paths, day).run(19003)
    assert run.n_subruns == 3
    assert run.array == "0-2,5"


def test_runs_that_the_summary_lacks_are_listed(night_files, day):
    night_files.raw(day, 19009, 0)
    night_files.raw(day, 19000, 0)
    assert observe(night_files.paths, day).unlisted_runs == (19000, 19009)


def test_a_run_without_any_file(night_files, day):
    night_files.summary(day, *RUNS, (19010, "DATA", 2), (19011, "ERROR", 0))
    night = observe(night_files.paths, day)
    assert len(night.run(19010).incomplete) == 2
    assert night.run(19011).subruns == ()


def test_a_night_without_catalog_drive_log_and_pedestal_tables(site, day):
    site.summary(day, *RUNS)
    site.runs(day, *RUNS)
    night = observe(replace(site.paths, pedestal_ids=None, r0g=None), day)
    assert night.drive_log is None
    assert all(run.source is None and run.pointing is None for run in night.runs)


def test_pedestal_tables_are_found(night_files, day):
    folder = night_files.paths.pedestal_ids / "20241115"
    path = night_files.write(folder / "pedestal_ids_Run19003.0001.h5", b"x")
    night_files.write(folder / "README", b"x")
    run = observe(night_files.paths, day).run(19003)
    assert [subrun.pedestal_ids for subrun in run.subruns] == [None, path, None]


def test_without_a_run_summary(site, day):
    site.runs(day, *RUNS)
    with pytest.raises(NightError, match="osa step run run_summary --date 2024-11-15"):
        observe(site.paths, day)


def test_gain_selected_and_calibrated_runs(site, day):
    site.summary(day, (1, "DATA", 1, {"evb_preprocessing": 79}), (2, "DATA", 1), (3, "DATA", 1))
    site.raw(day, 1, 0)
    site.raw(day, 2, 0, r0g=True)
    site.raw(day, 3, 0)
    levels = [run.level for run in observe(site.paths, day).runs]
    assert levels == [DataLevel.CALIBRATED, DataLevel.GAIN_SELECTED, DataLevel.RAW]


def timed(*starts):
    return [(i, "DATA", 1, {"run_start": nanoseconds(s) if s else -1}) for i, s in enumerate(starts, start=1)]


def pointings(site, day, *starts):
    site.summary(day, *timed(*starts))
    site.runs(day, *timed(*starts))
    return [run.pointing for run in observe(site.paths, day).runs]


def test_a_run_points_until_the_next_one_starts(site, day):
    site.drive(day, START - 100, START + 400)
    first, unknown, second = pointings(site, day, START, None, START + 200)
    assert first.interval == (START - 60, START + 260)
    assert unknown.identity == {"log": "DrivePosition_log_20241115.txt"}
    assert second.interval == (START + 140, START + 200)


def test_pointing_changes_with_its_own_lines_only(site, day):
    log = site.drive(day, START - 100, START + 400)
    before = pointings(site, day, START, START + 200)
    lines = log.read_text()
    log.write_text(lines.replace(f"{START - 61} 95.0", f"{START - 61} 96.0"))
    assert pointings(site, day, START, START + 200) == before
    log.write_text(lines.replace(f"{START + 100} 95.0", f"{START + 100} 96.0"))
    after = pointings(site, day, START, START + 200)
    assert after[0].sha256 != before[0].sha256
    assert after[1] == before[1]


def test_a_growing_log_does_not_change_the_pointing_of_the_last_run(site, day):
    site.drive(day, START - 100, START + 10)
    before = pointings(site, day, START)
    log = site.drive(day, START - 100, START + 4000)
    with log.open("a") as stream:
        stream.write(f"{START} half a li")
    assert pointings(site, day, START) == before


def test_lines_that_say_nothing_are_passed_over(site, day):
    log = site.drive(day, START - 100, START + 400)
    before = pointings(site, day, START, START + 200)
    log.write_text("\n# header\nnan 1 2\n" + log.read_text())
    assert pointings(site, day, START, START + 200) == before


def test_bending_corrections_count_as_pointing(site, day):
    site.drive(day, START - 100, START + 400)
    before = pointings(site, day, START, START + 200)
    log = site.bending(day, START - 100, START + 400)
    after = pointings(site, day, START, START + 200)
    assert after[0].sha256 != before[0].sha256
    log.write_text(log.read_text().replace(f"{START} 0.1", f"{START} 0.3"))
    corrected = pointings(site, day, START, START + 200)
    assert corrected[0].sha256 != after[0].sha256
    assert corrected[1] == after[1]


def test_a_log_that_lags_behind_says_how_far_a_night_is_known(site, day):
    """The bending corrections may reach the disk a little after the positions: what comes must come after what was taken."""
    site.drive(day, START - 100, START + 400)
    site.bending(day, START - 100, START + 255)
    first, _ = pointings(site, day, START, START + 200)
    assert first.interval == (START - 60, START)
    site.bending(day, START - 100, START + 260)
    later, _ = pointings(site, day, START, START + 200)
    assert later.interval == (START - 60, START + 260)


def goes_on(site, day, pointing):
    return DriveLog.read(site.paths.drive_log_file(day)).goes_on_from(*pointing.interval, pointing.sha256)


@pytest.mark.parametrize("reached", [-500, -61, -60, -30, 0, 1, 200, 259, 260, 400])
def test_a_log_that_grows_goes_on_from_every_pointing_that_was_taken_of_it(site, day, reached):
    site.drive(day, START - 600, START + reached)
    site.bending(day, START - 600, START + reached - 7)
    taken = [*pointings(site, day, START, START + 200), *pointings(site, day, START)]
    site.drive(day, START - 600, START + 4000)
    site.bending(day, START - 600, START + 4000)
    assert all(goes_on(site, day, pointing) for pointing in taken)


def test_a_log_that_was_corrected_does_not_go_on_from_what_was_taken_of_it(site, day):
    log = site.drive(day, START - 600, START + 300)
    first, second = pointings(site, day, START, START + 200)
    text = log.read_text()
    log.write_text(text.replace(f"{START + 100} 95.0", f"{START + 100} 96.0"))
    assert not goes_on(site, day, first)
    assert goes_on(site, day, second)
    log.write_text(text[: text.index(f"{START + 100} ")])
    assert not goes_on(site, day, first)


def test_the_summary_of_lstchain_counts_in_tai():
    time = pytest.importorskip("astropy.time")
    assert round(time.Time(START, format="unix").unix_tai) == START + TAI


def test_importing_this_room_is_light():
    code = (
        "import sys, osa_luigi.night; print([m for m in ('astropy', 'numpy', 'lstchain', 'luigi') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_the_public_names_are_there():
    import osa_luigi.night as room

    assert all(hasattr(room, name) for name in room.__all__)
    assert len(set(room.__all__)) == len(room.__all__)


def test_a_night_of_2020_with_the_old_run_summary(site, old_columns):
    day = date(2020, 1, 17)
    site.summary(day, (1807, "DATA", 2, {"run_start": 1579292461000000000}), columns=old_columns)
    site.raw(day, 1807, 0)
    run = observe(site.paths, day).run(1807)
    assert (run.data_format, run.level) == ("ProtoR1", DataLevel.RAW)
    assert len(run.subruns) == 2
