"""Paths that a configuration names: what no file system takes, and files that cannot be seen."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from osa_luigi.config.paths import PathError, located, not_a_file


@pytest.mark.parametrize("text", ["x" * 256, "é" * 128, "/".join(["x" * 200] * 21)])
def test_names_that_no_file_system_takes(text: str) -> None:
    with pytest.raises(PathError, match="is too long for a path"):
        located(text, Path("/data"))


def test_the_longest_name(tmp_path: Path) -> None:
    path = located("x" * 255, tmp_path)
    assert not_a_file(path) == f"no such file: {path}"
    path.touch()
    assert not_a_file(path) is None


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    assert not_a_file(tmp_path) == f"no such file: {tmp_path}"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may see all")
def test_a_file_in_a_closed_folder(tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    folder.mkdir()
    (folder / "file").touch()
    (folder / "file").chmod(0)
    assert not_a_file(folder / "file") == f"may not be read: {folder / 'file'}"
    folder.chmod(0)
    assert not_a_file(folder / "file") == f"{folder / 'file'} cannot be seen: {folder} may not be searched"
    folder.chmod(0o700)
