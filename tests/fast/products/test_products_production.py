from __future__ import annotations

import json
import os
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osa_luigi.products.production import Production, write_durably


def test_a_run_and_its_subruns_share_their_folders(production):
    for kind in (production.receipts, production.attempts, production.logs):
        assert kind("Run02008") == kind("Run02008.0003") == kind("Run02008.0004")
        assert kind("Run02008") != kind("Run02009")
        assert kind("night").is_relative_to(production.state)


def test_scratch_lies_below_the_products_so_that_a_move_is_a_rename(production):
    assert production.scratch.is_relative_to(production.root)
    assert production.id == "v1"


@given(
    st.dictionaries(st.text(max_size=5), st.integers() | st.floats(allow_nan=False) | st.text(max_size=5), max_size=5)
)
def test_a_configuration_lies_under_the_hash_of_its_content(tmp_path_factory, content):
    production = Production(tmp_path_factory.getbasetemp() / "configs" / "v1")
    path = production.write_config(content)
    assert json.loads(path.read_text()) == content
    assert production.write_config(MappingProxyType(dict(reversed(content.items())))) == path
    assert production.config(json.loads(path.read_text())) == path


def test_a_configuration_is_written_once(production):
    path = production.write_config({"a": 1})
    before = path.stat()
    production.write_config({"a": 1})
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert production.write_config({"a": 2}) != path
    assert len(list(path.parent.iterdir())) == 2


def test_siblings_are_the_other_productions_of_the_night(tmp_path):
    for name in ("v1", "v2", "test"):
        (tmp_path / name).mkdir()
    (tmp_path / "notes.txt").write_text("")
    assert Production(tmp_path / "v1").siblings() == [Production(tmp_path / "test"), Production(tmp_path / "v2")]
    assert Production(tmp_path / "nowhere" / "v1").siblings() == []


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "folder" / "record.json"
    write_durably(path, "first")

    def full(_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            write_durably(path, "second")
    assert path.read_text() == "first"
    assert list(path.parent.iterdir()) == [path]


def test_two_that_write_one_file_never_share_a_draft(tmp_path, monkeypatch):
    """Two nodes of a cluster may have the same process id."""
    drafts: list[Path] = []
    replace = Path.replace
    monkeypatch.setattr(Path, "replace", lambda self, target: (drafts.append(self), replace(self, target))[1])
    for _ in range(3):
        write_durably(tmp_path / "x", "text")
    assert len(set(drafts)) == 3


@pytest.mark.parametrize("damage", [b"", b"{", b'{"a": 2}', b"\xff", b"[" * 100_000])
def test_settings_that_were_damaged_are_written_again(production: Production, damage: bytes) -> None:
    path = production.write_config({"a": 1})
    path.write_bytes(damage)
    assert not production.is_config(path)
    production.write_config({"a": 1})
    assert production.is_config(path)
