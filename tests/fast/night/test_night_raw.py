from __future__ import annotations

import os
from datetime import date, timedelta

import pytest

from osa_luigi.errors import NightError
from osa_luigi.night import RawFile, raw_name, require_raw, scan_raw


def scan(site, day):
    return scan_raw(site.paths.r0, site.paths.r0g, day)


def test_files_are_found_by_run_subrun_and_stream(site, day):
    site.raw(day, 19003, 1, size=11)
    site.raw(day, 19003, 0)
    site.raw(day, 19001, 0)
    found = scan(site, day)
    assert {run: list(subruns) for run, subruns in found.subruns.items()} == {19001: [0], 19003: [0, 1]}
    files = found.subruns[19003][1].files
    folder = site.paths.r0 / "20241115"
    assert files == tuple(RawFile(folder, raw_name(19003, 1, s), s, 11) for s in (1, 2, 3, 4))


def test_other_files_are_counted(site, day):
    site.raw(day, 1, 0)
    folder = site.paths.r0 / "20241115"
    (folder / "notes.txt").touch()
    (folder / "LST-1.1.Run00002.0000.fits.fz.part").touch()
    (folder / raw_name(3, 0, 1)).mkdir()
    found = scan(site, day)
    assert found.ignored == 3
    assert list(found.subruns) == [1]


def test_links_are_followed_and_dangling_ones_are_not_files(site, day):
    site.raw(day, 1, 0, streams=(1,), size=99)
    folder = site.paths.r0 / "20241115"
    (folder / raw_name(1, 0, 2)).symlink_to(folder / raw_name(1, 0, 1))
    (folder / raw_name(1, 0, 3)).symlink_to(folder / "gone")
    found = scan(site, day)
    assert [(file.stream, file.size) for file in found.subruns[1][0].files] == [(1, 99), (2, 99)]
    assert found.ignored == 1


def test_gain_selected_files_are_preferred_where_complete(site, day):
    site.raw(day, 1, 0)
    site.raw(day, 1, 1)
    site.raw(day, 1, 0, size=2, r0g=True)
    site.raw(day, 1, 1, size=2, r0g=True, streams=(1, 2, 3))
    subruns = scan(site, day).subruns[1]
    assert (subruns[0].in_r0g, subruns[0].size) == (True, 8)
    assert (subruns[1].in_r0g, subruns[1].size) == (False, 32)


def test_incomplete_gain_selected_files_are_kept_if_there_is_nothing_else(site, day):
    site.raw(day, 1, 0, r0g=True, streams=(1, 3))
    subrun = scan(site, day).subruns[1][0]
    assert subrun.in_r0g
    assert subrun.missing_streams == (2, 4)


def test_a_night_in_r0g_alone(site, day):
    site.raw(day, 1, 0, r0g=True)
    assert scan(site, day).subruns[1][0].is_complete


def test_without_an_r0g_folder(site, day):
    site.raw(day, 1, 0)
    assert scan_raw(site.paths.r0, None, day).subruns[1][0].is_complete


def test_a_missing_night_names_its_nearest_neighbours(site, day):
    for days in (-400, -3, -1, 2):
        site.raw(day + timedelta(days=days), 1, 0)
    (site.paths.r0 / "Trash").mkdir()
    with pytest.raises(NightError) as error:
        scan(site, day)
    message = str(error.value)
    assert "2024-11-12, 2024-11-14, 2024-11-17" in message
    assert str(site.paths.r0 / "20241115") in message
    assert "check the date" in message


def test_no_nights_at_all(site, day):
    with pytest.raises(NightError, match="there are no nights at all"):
        scan_raw(site.paths.r0, None, day)


def test_an_empty_folder_is_a_night_without_files(site, day):
    (site.paths.r0 / "20241115").mkdir(parents=True)
    assert scan(site, day).subruns == {}


def test_a_file_in_place_of_the_folder(site, day):
    site.write(site.paths.r0 / "20241115", b"")
    with pytest.raises(NightError, match="no raw data of"):
        scan(site, day)


def test_each_folder_is_read_once(site, monkeypatch):
    day = date(2024, 11, 15)
    site.raw(day, 1, 0)
    site.raw(day, 1, 0, r0g=True)
    calls = []
    real = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: calls.append(path) or real(path))
    scan(site, day)
    assert len(calls) == 2


def test_a_night_is_there_where_one_of_its_folders_is(tmp_path, day):
    with pytest.raises(NightError, match="no raw data of"):
        require_raw(tmp_path / "R0", None, day)
    (tmp_path / "R0G" / "20241115").mkdir(parents=True)
    require_raw(tmp_path / "R0", tmp_path / "R0G", day)
    with pytest.raises(NightError):
        require_raw(tmp_path / "R0", None, day)
