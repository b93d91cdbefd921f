"""Engines that are stopped in the middle of a night, by Ctrl-C, by `kill -9` and by a full disk: what they say and leave."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import stock
from fake_nights import RUNS, FakeSite
from fresh import until

from osa_luigi.batch.command import EXIT_CODES

HELD = ("r0_to_dl1.Run02004.0000", "r0_to_dl1.Run02003.0001")
"""What hangs while the rest of the night is made: two, for as many cores."""


WARNING = (
    "WARNING: stopped by Ctrl-C; under way: 2 ReconstructionTask. What was made stays, what is half made does not count. "
    "Give the same command again: it goes on where it was."
)


def _under_way(site: FakeSite) -> list[str]:
    scratch = site.production().scratch
    return sorted(folder.name.rpartition(".")[0] for folder in scratch.iterdir()) if scratch.exists() else []


def _until_both_hang(site: FakeSite, generation: int) -> None:
    lease = site.production().state / "engine" / f"{generation}.json"
    until(lease.exists, "the engine has the night")
    until(
        lambda: _under_way(site) == sorted(HELD) and "dl1ab.Run02003.0000" in site.made(), "only what hangs runs", 0.05
    )


def test_whoever_stops_an_engine_loses_what_was_under_way_and_nothing_else(fake_site: FakeSite) -> None:
    fake_site.set(fake={"hang": [name.replace(".", ":", 1) for name in HELD]})

    with stock.start(fake_site, stock.LOCAL) as engine:
        _until_both_hang(fake_site, 1)
        second = stock.run(fake_site)
        said = engine.stop(signal.SIGINT)
    assert second.code == EXIT_CODES["already_running"]
    assert f"is being worked on by process {engine.process.pid} on" in second.text
    assert len(second.text.splitlines()) == 1
    assert said.code == -signal.SIGINT
    assert "Traceback" not in said.text
    assert said.lines("WARNING") == [WARNING]
    made = stock.receipts(fake_site)
    assert "dl1ab.Run02003.0000" in made
    assert not set(HELD) & set(made)
    assert not list(fake_site.production().root.glob("dl1_LST-1.Run02004*"))

    with stock.start(fake_site, stock.LOCAL) as engine:
        _until_both_hang(fake_site, 2)
        assert engine.stop(signal.SIGKILL).code == -signal.SIGKILL
    assert stock.receipts(fake_site) == made

    fake_site.set(fake={"hang": []})
    said = stock.run(fake_site)
    assert said.code == 0
    assert "(engine generation 3)" in said.text
    assert "2 scratch folders of killed attempts removed" in said.text
    assert fake_site.made() == stock.receipts(fake_site)
    assert fake_site.is_closed()
    assert not _under_way(fake_site)


@pytest.fixture
def small_disk(fake_site: FakeSite) -> Iterator[Path]:
    """Where the site's products go: a file system of its own, which root alone may mount."""
    folder = fake_site.data / "running_analysis"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=60m", "tmpfs", str(folder)]
    if shutil.which("mount") is None:
        pytest.skip("a small disk to fill cannot be mounted: there is no mount command")
    if (done := subprocess.run(command, capture_output=True, text=True, check=False)).returncode:
        pytest.skip(f"a small disk to fill cannot be mounted (root may): {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def _leave(folder: Path, room_mb: int) -> Path:
    """Fill a disk but for some room."""
    others = folder / "others"
    with others.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(folder).free - room_mb * 2**20)
    return others


def test_a_disk_that_fills_up_under_a_night_is_named_and_nothing_is_lost(fake_site: FakeSite, small_disk: Path) -> None:
    fake_site.set(fake={"size_kb": 1000})
    fake_site.night(*RUNS[:2], (2003, "DATA", 2), (2004, "DATA", 2))
    others = _leave(small_disk, room_mb=9)
    said = stock.run(fake_site)
    assert said.code == EXIT_CODES["task_failed"]
    assert "Traceback" not in said.text
    assert f"The disk that holds {fake_site.production().root} is full (" in said.text
    assert all("make room, then run again" in line for line in said.lines("ERROR"))
    made = stock.receipts(fake_site)
    assert {"drs4_baseline.Run02001", "charge_calibration.Run02002"} < set(made)
    assert not fake_site.is_closed()
    kept = {path: path.stat().st_mtime_ns for path in small_disk.rglob("*.h5")}

    others.unlink()
    assert stock.run(fake_site).code == 0
    assert fake_site.is_closed()
    again = fake_site.made()
    assert len(again) == len(set(again))
    assert kept.items() <= {path: path.stat().st_mtime_ns for path in small_disk.rglob("*.h5")}.items()
