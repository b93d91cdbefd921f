"""Analyses whose folder is full, or may not be written."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from analyses import add_analysis, run_analysis
from click.testing import CliRunner
from fake_nights import FakeSite, new_process

from osa_luigi.cli.app import app
from osa_luigi.products.receipt import current_receipt

Disk = Callable[[str], Path]

LARGE = '''
class Large:
    """Leaves a large file."""

    def __init__(self, parameters):
        pass

    def output(self):
        return {"files": ["large.bin"]}

    def run(self, data, output_dir):
        (output_dir / "large.bin").write_bytes(bytes(8 * 2**20))
'''


@pytest.fixture
def mounted(night: FakeSite, disk: Disk) -> Path:
    """The folder of the analysis's production, on a disk of its own of 12 MB."""
    add_analysis(night, LARGE, name="large", **{"class": "Large", "path": "large.py"})
    root = night.production("large").root
    folder = disk("size=12m")
    root.symlink_to(folder)
    return folder


def read_only(folder: Path) -> None:
    """Linux refuses it while a removed file is not let go of, which it does a moment after the last process has closed it."""
    until = time.monotonic() + 30
    while (
        done := subprocess.run(["mount", "-o", "remount,ro", folder], capture_output=True, text=True, check=False)
    ).returncode:
        assert time.monotonic() < until, done.stderr
        time.sleep(0.05)


def test_a_full_disk_is_named_and_nothing_of_the_attempt_counts(night: FakeSite, mounted: Path) -> None:
    (mounted / "others").write_bytes(bytes(6 * 2**20))
    assert not run_analysis(night, "large").scheduling_succeeded
    reason = night.reasons("large")["analysis.night"]
    assert "No space left on device" in reason
    assert "make room, then run again" in reason
    place = night.production("large")
    assert current_receipt(place, "analysis", "night") is None
    assert not (place.root / "large.bin").exists()
    assert not list(place.scratch.iterdir())


def test_a_folder_that_may_not_be_written_is_named_and_can_be_looked_at(
    night: FakeSite, mounted: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert run_analysis(night, "large").scheduling_succeeded
    (mounted / "large.bin").unlink()
    read_only(mounted)
    assert not run_analysis(night, "large").scheduling_succeeded
    assert re.search(r"large/.osa/.*: Read-only file system", caplog.text)

    new_process(night.config)
    words = ["analysis", "show", "large", "--date", "2024-11-15", "--config", str(night.config)]
    shown = CliRunner().invoke(app, words)
    assert shown.exit_code == 1, shown.output
    assert "analysis.night: not made" in shown.output
