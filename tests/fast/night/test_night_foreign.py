from __future__ import annotations

import hashlib
import json
import os

import pytest

from osa_luigi.errors import NightError
from osa_luigi.night import foreign_identity

BLOCK = 64 * 1024


def test_a_small_file(tmp_path):
    path = tmp_path / "calibration.h5"
    path.write_bytes(b"abc")
    assert foreign_identity(path) == {
        "name": "calibration.h5",
        "size": 3,
        "sha256": hashlib.sha256(b"abcabc").hexdigest(),
    }


def test_a_large_file_by_its_ends(tmp_path):
    path = tmp_path / "model.sav"
    head, middle, tail = b"h" * BLOCK, b"m" * 1000, b"t" * BLOCK
    path.write_bytes(head + middle + tail)
    identity = foreign_identity(path)
    assert identity["sha256"] == hashlib.sha256(head + tail).hexdigest()
    assert identity["size"] == 2 * BLOCK + 1000


@pytest.mark.parametrize("position", [0, BLOCK - 1, -1, -BLOCK])
def test_a_change_at_either_end_is_seen(tmp_path, position):
    path = tmp_path / "model.sav"
    content = bytearray(3 * BLOCK)
    path.write_bytes(content)
    before = foreign_identity(path)
    content[position] = 1
    path.write_bytes(content)
    assert foreign_identity(path) != before


def test_place_and_time_stamp_do_not_matter(tmp_path):
    for folder, stamp in (("a", 1), ("b", 2)):
        (tmp_path / folder).mkdir()
        path = tmp_path / folder / "model.sav"
        path.write_bytes(b"abc")
        os.utime(path, (stamp, stamp))
    assert foreign_identity(tmp_path / "a" / "model.sav") == foreign_identity(tmp_path / "b" / "model.sav")


def test_a_folder_of_models(tmp_path):
    folder = tmp_path / "dec_2276"
    (folder / "sub").mkdir(parents=True)
    for name in ("reg_energy.sav", "cls_gh.sav", "sub/config.json"):
        (folder / name).write_bytes(name.encode())
    identity = foreign_identity(folder)
    assert identity["name"] == "dec_2276"
    assert [file["name"] for file in identity["files"]] == ["cls_gh.sav", "reg_energy.sav", "sub/config.json"]
    assert json.loads(json.dumps(identity)) == identity
    (folder / "cls_gh.sav").write_bytes(b"other")
    assert foreign_identity(folder) != identity


@pytest.mark.parametrize("name", ["gone.h5", "empty"])
def test_missing_files_and_empty_folders(tmp_path, name):
    (tmp_path / "empty").mkdir()
    with pytest.raises(NightError, match=f"{name}: .*correct its path in the configuration"):
        foreign_identity(tmp_path / name)
