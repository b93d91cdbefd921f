"""Quantities of the night's check, subrun by subrun."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tables

from osa_luigi.tasks.trends import read_trends


@pytest.fixture
def check(tmp_path: Path) -> Path:
    """Three subruns of two runs, written in another order than taken; no flat-field events."""
    columns = ("runnumber", "time", "events", "elapsed_time", "fraction_pulses_above30", "mu_effi_mean")
    rows = [(2004, 300.0, 50, 0.0, 0.3, 0.15), (2003, 200.0, 80, 4.0, 0.2, np.nan), (2003, 100.0, 60, 2.0, 0.1, 0.17)]
    path = tmp_path / "DL1_datacheck_20241115.h5"
    with tables.open_file(str(path), "w") as file:
        cosmics = np.array(rows, dtype=[(name, "f8") for name in columns])
        file.create_table("/cosmics", "table", cosmics, createparents=True)
        pedestals = np.array([(2003, 100.0, 1.5)], dtype=[("runnumber", "i8"), ("time", "f8"), ("charge_stddev", "f8")])
        file.create_table("/pedestals", "table", pedestals, createparents=True)
    return path


def test_subruns_are_in_the_order_taken_and_runs_are_marked(check: Path) -> None:
    found = {trend.quantity: trend for trend in read_trends(check)}
    rate = found["cosmics, events/s"]
    assert rate.values == (30.0, 20.0, np.inf)
    assert rate.runs == ((0, "Run02003"), (2, "Run02004"))
    np.testing.assert_equal(found["muon rings, efficiency"].values, (0.17, np.nan, 0.15))
    assert found["pedestals, spread of the charge, p.e."].values == (1.5,)
    assert len(found) == 4


def test_a_check_that_cannot_be_read_has_no_trends(check: Path, tmp_path: Path) -> None:
    check.write_bytes(check.read_bytes()[:2000])
    assert read_trends(check) == []
    assert read_trends(tmp_path / "none.h5") == []
