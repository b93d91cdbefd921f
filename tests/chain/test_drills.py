"""Short versions of the drills; the long ones are run by hand (docs/benchmarks.md)."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.drills.nights import ROOT


def test_a_killed_night_loses_nothing_and_repeats_nothing() -> None:
    """Four points of a hundred: 28 fake steps each, killed at a random moment and run again."""
    command = [sys.executable, "-m", "tests.drills.kill", "--points=4", "--real-points=0", "--seed=20241115", "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    report = json.loads(done.stdout)
    assert report["troubles"] == []
    assert done.returncode == 0
    assert report["kills"] >= report["points"] == 4
