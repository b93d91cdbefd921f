"""Which nights have raw files, and when they last changed."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from osa_luigi.night import raw_name
from osa_luigi.night.arrivals import arrival

DAY = date(2024, 11, 15)


def raw(folder: Path, name: str = raw_name(2003, 0, 1)) -> Path:
    path = folder / "20241115" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"raw")
    return path


def test_no_folder_is_no_data(tmp_path: Path) -> None:
    found = arrival([tmp_path / "R0", tmp_path / "R0G"], DAY)
    assert (found.files, found.changed) == (0, None)


def test_both_folders_count(tmp_path: Path) -> None:
    raw(tmp_path / "R0")
    raw(tmp_path / "R0G")
    assert arrival([tmp_path / "R0", tmp_path / "R0G"], DAY).files == 2


def test_the_time_that_a_copying_program_sets_is_not_believed(tmp_path: Path) -> None:
    os.utime(raw(tmp_path), (0, 0))
    changed = arrival([tmp_path], DAY).changed
    assert changed is not None
    assert datetime.now(UTC) - changed < timedelta(minutes=1)


def test_what_is_half_copied_under_another_name_is_a_change_and_no_raw_file(tmp_path: Path) -> None:
    raw(tmp_path, f".{raw_name(2003, 0, 1)}.Xy12ab")
    found = arrival([tmp_path], DAY)
    assert found.files == 0
    assert found.changed is not None


def test_a_dangling_link_is_no_trouble(tmp_path: Path) -> None:
    (raw(tmp_path).parent / raw_name(2003, 1, 1)).symlink_to("nowhere")
    assert arrival([tmp_path], DAY).files == 2
