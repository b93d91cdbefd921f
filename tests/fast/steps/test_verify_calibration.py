"""What a step says of calibrations: whole ones are counted, wanting ones refused, with the reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from paper_steps import Paper, write_hdf5
from verifying import Tables, refused, verify

from osa_luigi.steps import camera_calibration, drs4_baseline
from osa_luigi.steps.camera import GAINS, PIXELS


@pytest.fixture
def few_capacitors(monkeypatch):
    monkeypatch.setattr(drs4_baseline, "CAPACITORS", 4)


def baseline(counts: Any) -> Tables:
    shape = (1, GAINS, PIXELS, 4)
    columns = {"baseline_mean": np.zeros(shape, "i2"), "baseline_std": np.zeros(shape, "i2")}
    filled = np.broadcast_to(np.asarray(counts, "u2"), shape)
    return {drs4_baseline.TABLE: {**columns, "baseline_counts": filled, "spike_height": np.zeros((*shape[:3], 3))}}


def test_a_baseline_reaches_every_capacitor(paper: Paper, tmp_path, few_capacitors):
    path = write_hdf5(tmp_path / "d.h5", baseline(7))
    counts = verify(paper.call("drs4_baseline"), pedestal=path)
    assert counts == {"entries_per_capacitor": 7.0, "uncovered_pixels": 0}


def test_switched_off_modules_do_not_spoil_a_baseline(paper: Paper, tmp_path, few_capacitors):
    counts = np.full((1, GAINS, PIXELS, 4), 7)
    counts[:, :, :35] = 0
    path = write_hdf5(tmp_path / "d.h5", baseline(counts))
    assert verify(paper.call("drs4_baseline"), pedestal=path)["uncovered_pixels"] == 70


@pytest.mark.parametrize("counts", [0, [7, 7, 0, 7]])
def test_a_baseline_from_too_few_events_is_refused(paper: Paper, tmp_path, few_capacitors, counts):
    path = write_hdf5(tmp_path / "d.h5", baseline(counts))
    refused(paper.call("drs4_baseline"), "3710 of 3710 pixels .*use another", pedestal=path)


def test_a_baseline_of_another_shape_is_refused(paper: Paper, tmp_path):
    path = write_hdf5(tmp_path / "d.h5", baseline(7))
    refused(paper.call("drs4_baseline"), r"has the shape \(2, 1855, 4\) per row", pedestal=path)


def write_time(path: Path, fan: Any, events: int = 400) -> Path:
    import tables

    write_hdf5(path, {}, {"/fan": fan, "/fbn": np.zeros((GAINS, PIXELS, 16))})
    with tables.open_file(str(path), "a") as file:
        file.root._v_attrs.n_events = events
    return path


def test_a_time_calibration_is_counted(paper: Paper, tmp_path):
    path = write_time(tmp_path / "t.h5", np.zeros((GAINS, PIXELS, 16)))
    assert verify(paper.call("time_calibration"), time_calibration=path) == {"flatfield_events": 400}


@pytest.mark.parametrize(
    ("fan", "events", "said"),
    [
        (np.zeros((GAINS, 7, 16)), 400, r"/fan has the shape \(2, 7, 16\)"),
        (np.full((GAINS, PIXELS, 16), np.nan), 400, "/fan holds values that are not finite"),
        (np.zeros((GAINS, PIXELS, 16)), 0, "from no flat-field event: use another PEDCALIB run"),
    ],
)
def test_a_wanting_time_calibration_is_refused(paper: Paper, tmp_path, fan, events, said):
    refused(paper.call("time_calibration"), said, time_calibration=write_time(tmp_path / "t.h5", fan, events))


def coefficients(rows: int = 1, events: int = 10_000) -> Tables:
    pixels = np.ones((rows, GAINS, PIXELS))
    usable = {"unusable_pixels": np.zeros(pixels.shape, bool)}
    statistics = {"n_events": np.full(rows, events), "charge_mean": pixels}
    return {
        camera_calibration.CALIBRATION: {**dict.fromkeys(camera_calibration.COEFFICIENTS, pixels.copy()), **usable},
        camera_calibration.FLATFIELD: statistics,
        camera_calibration.PEDESTAL: statistics,
        camera_calibration.PIXEL_STATUS: {"hardware_failing_pixels": usable["unusable_pixels"]},
    }


CALIBRATIONS = [("charge_calibration", "calibration"), ("cat_b", "cat_b")]


@pytest.mark.parametrize(("name", "role"), CALIBRATIONS)
def test_a_camera_calibration_is_counted(paper: Paper, tmp_path, name, role):
    tables = coefficients(rows=2)
    tables[camera_calibration.CALIBRATION]["unusable_pixels"][1, 0, :30] = True
    tables[camera_calibration.CALIBRATION]["dc_to_pe"] = np.ones((2, GAINS, PIXELS))
    tables[camera_calibration.CALIBRATION]["dc_to_pe"][1, 0, :30] = np.nan
    path = write_hdf5(tmp_path / "c.h5", tables)
    assert verify(paper.call(name), **{role: path}) == {"calibrations": 2, "unusable_pixels": 30}


@pytest.mark.parametrize(("name", "role"), CALIBRATIONS)
@pytest.mark.parametrize("lost", sorted(coefficients()))
def test_a_camera_calibration_without_a_table_is_refused(paper: Paper, tmp_path, name, role, lost):
    tables = coefficients()
    del tables[lost]
    refused(paper.call(name), f"lacks {lost}", **{role: write_hdf5(tmp_path / "c.h5", tables)})


def _nan(tables: Tables) -> None:
    values = np.ones((1, GAINS, PIXELS))
    values[0, 1, 3] = np.nan
    tables[camera_calibration.CALIBRATION]["dc_to_pe"] = values


def _dark(tables: Tables) -> None:
    tables[camera_calibration.CALIBRATION]["unusable_pixels"][:, 0, :1000] = True


def _few(tables: Tables) -> None:
    tables[camera_calibration.PEDESTAL] = {"n_events": np.array([9])}


def _none(tables: Tables) -> None:
    for columns in tables.values():
        columns.update({name: values[:0] for name, values in columns.items()})


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_nan, "dc_to_pe is not finite for 1 usable pixels"),
        (_dark, "1000 of 1855 high-gain pixels are unusable: use another calibration run"),
        (_few, "pedestal was made from 9 events, not from 10000: use a run with more events"),
        (_none, "holds no calibration"),
    ],
)
def test_a_wanting_camera_calibration_is_refused(paper: Paper, tmp_path, spoil, said):
    tables = coefficients()
    spoil(tables)
    path = write_hdf5(tmp_path / "c.h5", tables)
    refused(paper.call("charge_calibration"), said, calibration=path)
