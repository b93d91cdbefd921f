"""The two analyses that come along, on products of the real chain."""

from __future__ import annotations

from pathlib import Path

from ctapipe.io import read_table

from tests.chain.conftest import DAY, Configured
from tests.drills.nights import ROOT, script

EXAMPLES = ROOT / "procedures" / "analyses" / "examples.yaml"


def test_the_trend_and_the_rate_of_a_real_night(configured: Configured, tmp_path: Path) -> None:
    own = tmp_path / "examples.yaml"
    own.write_text(EXAMPLES.read_text().replace("of: simulated", "of: tiny"))
    site = configured(("  - tiny.yaml\n", f"  - tiny.yaml\n  - {own}\n"))
    for name in ("datacheck_trend", "crab_rate"):
        task = ("AnalysisTask", "--name", name, "--date", DAY.isoformat(), "--local-scheduler")
        done = site.run([script("luigi"), "--module", "osa_luigi", *task])
        assert done.returncode == 0, done.stdout
    nights = site.base / "running_analysis"
    [row] = read_table(nights / "campaigns" / "datacheck_trend" / "datacheck_trend.h5", "/trend")
    assert row["run"] == 2003
    assert 0 < row["pedestal_std"] < 5
    assert 5 < row["cosmics_rate"] < 500
    [night] = read_table(nights / "20241115" / "crab_rate" / "rate.h5", "/nights")
    assert night["on"] > night["off"] * night["alpha"]
    assert night["time_s"] > 1
    assert {path.name for path in (nights / "20241115" / "crab_rate").glob("*.png")} == {
        "theta2.png",
        "light_curve.png",
    }
