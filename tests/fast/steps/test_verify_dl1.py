"""What a step says of DL1a and DL1b: whole ones are counted, wanting ones refused, with the reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from paper_steps import Paper, truncate, write_fits, write_hdf5
from verifying import EVENTS, INTERLEAVED, TYPES, Tables, dl1_tables, refused, verify, write_raw

from osa_luigi.errors import NightError, VerificationError
from osa_luigi.steps import dl1, r0_to_dl1, raw
from osa_luigi.steps.behaviour import behaviour
from osa_luigi.steps.call import StepCall


def dl1a_files(folder: Path, tables: Tables, interleaved: int = INTERLEAVED) -> dict[str, Path]:
    event = {node: {"event_id": np.arange(interleaved)} for node in r0_to_dl1.INTERLEAVED} if interleaved else {}
    return {
        "dl1": write_hdf5(folder / "out" / "dl1.h5", tables),
        "interleaved": write_hdf5(folder / "out" / "i.h5", event, {"/configuration": [1]}),
        "muons": write_fits(folder / "out" / "m.fits", 3),
    }


def test_dl1a_has_every_raw_event(paper: Paper, tmp_path):
    call = write_raw(paper, "r0_to_dl1", len(EVENTS))
    counts = verify(call, **dl1a_files(tmp_path, dl1_tables()))
    assert counts == {"events": 20, "interleaved": INTERLEAVED, "muon_rings": 3}


def test_dl1a_may_lack_the_empty_events_of_the_raw_files(paper: Paper, tmp_path, monkeypatch):
    call = write_raw(paper, "r0_to_dl1", len(EVENTS) + 2)
    monkeypatch.setattr(raw, "empty_events", lambda paths: 2)
    assert verify(call, **dl1a_files(tmp_path, dl1_tables()))["events"] == 20


def test_dl1a_without_interleaved_events_and_rings_is_whole(paper: Paper, tmp_path):
    call = write_raw(paper, "r0_to_dl1", len(EVENTS))
    files = dl1a_files(tmp_path, dl1_tables(types=32), interleaved=0)
    write_fits(files["muons"], 0)
    assert verify(call, **files) == {"events": 20, "interleaved": 0, "muon_rings": 0}


def test_dl1a_of_a_tool_that_died_is_refused(paper: Paper, tmp_path, monkeypatch):
    """A failed r0_to_dl1 left a readable file with the first 6 events."""
    call = write_raw(paper, "r0_to_dl1", len(EVENTS))
    monkeypatch.setattr(raw, "empty_events", lambda paths: 0)
    tables = dl1_tables(EVENTS[:6], TYPES[:6])
    refused(call, "LST_LSTCam has 6 rows, not the 20 events of the raw files", **dl1a_files(tmp_path, tables))


def _no_pointing(tables: Tables) -> None:
    tables[dl1.PARAMETERS]["alt_tel"] = np.full(len(EVENTS), np.nan)


def _twice(tables: Tables) -> None:
    tables[dl1.PARAMETERS]["event_id"] = np.where(EVENTS == 20, 19, EVENTS)


def _image_lost(tables: Tables) -> None:
    tables[dl1.IMAGES] = {name: values[1:] for name, values in tables[dl1.IMAGES].items()}


def _no_images(tables: Tables) -> None:
    del tables[dl1.IMAGES]


def _no_monitoring(tables: Tables) -> None:
    del tables[dl1.MONITORING[2]]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_no_pointing, "alt_tel is not finite for 20 of 20 events: check that the drive log covers the run"),
        (_twice, "1 of 20 events occur twice"),
        (_image_lost, "image/LST_LSTCam has 19 rows, not the 20 events of the parameters"),
        (_no_images, "lacks /dl1/event/telescope/image/LST_LSTCam"),
        (_no_monitoring, "lacks /dl1/event/telescope/monitoring/pedestal"),
    ],
)
def test_a_wanting_dl1a_is_refused(paper: Paper, tmp_path, spoil, said):
    call = write_raw(paper, "r0_to_dl1", len(EVENTS))
    tables = dl1_tables()
    spoil(tables)
    refused(call, said, **dl1a_files(tmp_path, tables))


def test_images_without_parameters_are_no_error_and_nan_is_theirs_by_right(paper: Paper, tmp_path):
    call = write_raw(paper, "r0_to_dl1", len(EVENTS))
    tables = dl1_tables()
    tables[dl1.PARAMETERS]["intensity"] = np.full(len(EVENTS), np.nan)
    verify(call, **dl1a_files(tmp_path, tables))


@pytest.mark.parametrize("interleaved", [0, INTERLEAVED - 1, INTERLEAVED + 1])
def test_interleaved_events_are_those_of_dl1a(paper: Paper, tmp_path, interleaved):
    call = write_raw(paper, "r0_to_dl1", len(EVENTS))
    with pytest.raises(VerificationError, match=r"i\.h5: (lacks|/r1/event/telescope/tel_001 has)"):
        verify(call, **dl1a_files(tmp_path, dl1_tables(), interleaved))


@pytest.mark.parametrize("role", ["dl1", "interleaved", "muons"])
def test_half_of_any_output_of_r0_to_dl1_is_refused(paper: Paper, tmp_path, role):
    call = write_raw(paper, "r0_to_dl1", len(EVENTS))
    files = dl1a_files(tmp_path, dl1_tables())
    write_fits(files["muons"], 500)
    truncate(files[role])
    with pytest.raises(VerificationError, match=files[role].name):
        verify(call, **files)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        ((0, 30), None),
        ((-60, 0.5, 1), r"9 of 20 events fall into a gap of drive\.txt \(60 s\): complete the drive log"),
        ((-2, -1, 40, 41), r"20 of 20 events fall into a gap of drive\.txt \(41 s\)"),
        ((-2, -1), r"20 of 20 events fall into a gap of drive\.txt \(inf s\)"),
        ((), r"drive\.txt: has 0 lines with times"),
    ],
)
def test_events_of_which_the_drive_log_says_nothing_are_refused(paper: Paper, tmp_path, seconds, said):
    call = write_raw(paper, "r0_to_dl1", len(EVENTS))
    call.path("pointing").write_text("".join(f"{second} 90.0 30.0\n" for second in seconds))
    files = dl1a_files(tmp_path, dl1_tables())
    if said is None:
        verify(call, **files)
        return
    with pytest.raises(VerificationError, match=said):
        verify(call, **files)


def calibrated_dl1a() -> dict[str, Any]:
    """Tables as lstchain writes them for data that the event builder has calibrated: nothing is known of the pedestals' charges."""
    return dl1_tables() | {dl1.MONITORING[-1]: {"n_events": np.zeros(2)}}


def test_a_cleaning_by_pedestals_that_are_not_known_is_refused_with_the_setting(paper: Paper):
    call = paper.call("dl1ab", cat_b=None)
    write_hdf5(call.path("dl1"), calibrated_dl1a())
    with pytest.raises(NightError, match=r"holds no charges of pedestals.*set dl1ab\.pedestal_cleaning to false"):
        behaviour(call).check_inputs(call)


def test_no_charges_of_pedestals_are_needed_otherwise(paper: Paper):
    for changed in ({"cat_b": None, "pedestal_cleaning": False}, {"cat_b": paper.foreign("cat_b.h5")}):
        call = paper.call("dl1ab", **changed)
        write_hdf5(call.path("dl1"), calibrated_dl1a())
        behaviour(call).check_inputs(call)


def test_charges_of_pedestals_are_found(paper: Paper):
    call = paper.call("dl1ab", cat_b=None)
    write_hdf5(call.path("dl1"), calibrated_dl1a() | {dl1.MONITORING[-1]: {dl1.PEDESTAL_CHARGE: np.zeros((2, 2))}})
    behaviour(call).check_inputs(call)


def dl1ab(paper: Paper, **changed: Any) -> StepCall:
    call = paper.call("dl1ab", **{"cat_b": None, **changed})
    write_hdf5(call.path("dl1"), dl1_tables())
    return call


@pytest.mark.parametrize("images", [True, False])
def test_dl1b_has_the_events_of_dl1a(paper: Paper, tmp_path, images):
    path = write_hdf5(tmp_path / "b.h5", dl1_tables(images=images))
    assert verify(dl1ab(paper, images=images), dl1=path) == {"events": 20}


@pytest.mark.parametrize(
    ("tables", "changed", "said"),
    [
        (dl1_tables(EVENTS[1:], TYPES[1:]), {}, "has 19 rows, not the 20 events of dl1_LST-1"),
        (dl1_tables(EVENTS[::-1]), {}, "in another order"),
        (dl1_tables(EVENTS + 100), {}, "has not the events of"),
        (dl1_tables(images=False), {}, "lacks /dl1/event/telescope/image"),
        (dl1_tables(), {"images": False}, "has images, though none were asked for"),
        (dl1_tables(), {"cat_b": "given"}, "lacks /dl1/monitoring/telescope/catB/calibration"),
    ],
)
def test_a_wanting_dl1b_is_refused(paper: Paper, tmp_path, tables, changed, said):
    if "cat_b" in changed:
        changed = {"cat_b": paper.foreign("cat_b.h5")}
    refused(dl1ab(paper, **changed), said, dl1=write_hdf5(tmp_path / "b.h5", tables))
