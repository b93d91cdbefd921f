"""What each step says of its product: whole ones are counted, wanting ones refused, with the reason."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from paper_steps import Paper, dl1_columns, truncate, write_fits, write_hdf5

from osa_luigi.errors import NightError, VerificationError
from osa_luigi.steps import camera_calibration, datacheck, dl1, drs4_baseline, longterm, r0_to_dl1, raw, transparency
from osa_luigi.steps.behaviour import behaviour
from osa_luigi.steps.call import StepCall
from osa_luigi.steps.camera import GAINS, PIXELS
from osa_luigi.steps.catalogue import STEPS

EVENTS = np.arange(1, 21)
TYPES = np.where(EVENTS % 5 == 0, 0, np.where(EVENTS % 7 == 0, 2, 32))
INTERLEAVED = int(np.count_nonzero(TYPES != 32))
Tables = dict[str, dict[str, Any]]


def verify(call: StepCall, **files: Path) -> Mapping[str, Any]:
    return STEPS[call.step].verify(call, files)


def refused(call: StepCall, said: str, **files: Path) -> None:
    """Refused with these words, the file's name first and the next action last."""
    with pytest.raises(VerificationError, match=said) as caught:
        verify(call, **files)
    message = str(caught.value)
    assert any(message.startswith(str(path)) for path in files.values())
    assert message.count(": ") >= 2


DRIVE_LOG = "".join(f"{second} 90.0 30.0\n" for second in range(-2, 5))
"""Around the times of the events on paper, 0.1 to 1 s."""


def write_raw(paper: Paper, name: str, events: int, streams: tuple[int, ...] = (1, 2, 3, 4)) -> StepCall:
    """A call whose raw files declare so many events, in four streams."""
    call = paper.call(name)
    for log in call.paths("pointing"):
        log.write_text(DRIVE_LOG)
    for path in call.paths("raw"):
        stream = int(path.name.split(".")[1])
        if stream in streams:
            share = events // 4 + (stream <= events % 4)
            write_fits(path, share, name="Events")
    return call


# --- raw files -------------------------------------------------------------------------------------------------


def test_whole_raw_files_pass_and_are_counted(paper: Paper):
    assert raw.check_raw(write_raw(paper, "r0_to_dl1", 20)) == 20


def test_a_damaged_first_subrun_stops_the_run_summary_before_its_tool(paper: Paper):
    call = write_raw(paper, "run_summary", 400)
    behaviour(call).check_inputs(call)
    later = next(path for path in call.paths("raw") if path.name == "LST-1.1.Run02008.0001.fits.fz")
    truncate(later)  # only its name counts
    behaviour(call).check_inputs(call)
    first = next(path for path in call.paths("raw") if path.name == "LST-1.3.Run02008.0000.fits.fz")
    truncate(first)
    with pytest.raises(NightError, match=r"LST-1\.3\.Run02008\.0000\.fits\.fz: this raw file is truncated"):
        behaviour(call).check_inputs(call)


def test_a_subrun_without_any_raw_file_is_named(paper: Paper):
    with pytest.raises(NightError, match=r"Run02008\.0001: all its raw files are missing: wait for the transfer"):
        raw.check_raw(paper.call("r0_to_dl1", raw=[]))


@pytest.mark.parametrize(
    "name", ["r0_to_dl1", "drs4_baseline", "time_calibration", "charge_calibration", "gain_selection"]
)
def test_a_truncated_raw_file_stops_a_step_before_its_tool(paper: Paper, name):
    call = write_raw(paper, name, 2000)
    STEPS[name].check_inputs(call)
    truncate(call.paths("raw")[2])
    with pytest.raises(NightError, match=r"LST-1\.3.*truncated"):
        STEPS[name].check_inputs(call)


@pytest.mark.parametrize(("streams", "said"), [((1, 2, 3), "stream 4 of 4 missing"), ((1, 4), "streams 2, 3 of 4")])
def test_a_missing_stream_stops_a_step(paper: Paper, streams, said):
    call = paper.call("r0_to_dl1", raw=[item for item in paper.raw(2008, 1) if int(item.path.name[6]) in streams])
    with pytest.raises(NightError, match=rf"Run02008\.0001: {said}"):
        raw.check_raw(call)


def test_a_raw_file_that_is_declared_but_gone_stops_a_step(paper: Paper):
    with pytest.raises(NightError, match="cannot read this raw file"):
        raw.check_raw(write_raw(paper, "r0_to_dl1", 20, streams=(1, 2, 3)))


def test_streams_in_different_folders_stop_a_step(paper: Paper):
    files = paper.raw(2008, 1)
    call = paper.call("r0_to_dl1", raw=[*files[:3], paper.foreign(f"R0G/{files[3].path.name}")])
    with pytest.raises(NightError, match="several folders"):
        raw.check_raw(call)


def test_a_name_that_is_not_of_a_raw_file_stops_a_step(paper: Paper):
    call = paper.call("r0_to_dl1", raw=[*paper.raw(2008, 1), paper.foreign("R0/other.fits.fz")])
    with pytest.raises(NightError, match="not the name of a raw file"):
        raw.check_raw(call)


# --- run summary ------------------------------------------------------------------------------------------------


def write_summary(path: Path, runs: Mapping[int, int]) -> Path:
    from astropy.table import Table

    rows = [(run, subruns, "DATA", -1, -1, -1, -1, -1, 0, "None") for run, subruns in runs.items()]
    names = ("run_id", "n_subruns", "run_type", "ucts_timestamp", "run_start")
    clock = ("time", "module_id", "module_index", "counter", "source")
    table = Table(rows=rows, names=[*names, *(f"dragon_reference_{name}" for name in clock)])
    table.meta["date"] = "2020-01-17"
    table.write(path, format="ascii.ecsv", delimiter=",")
    return path


def test_a_run_summary_lists_the_subruns_of_stream_one(paper: Paper, tmp_path):
    path = write_summary(tmp_path / "s.ecsv", {2006: 1, 2008: 2})
    counts = verify(paper.call("run_summary"), run_summary=path)
    assert counts == {"runs": 2, "subruns": 3, "types": {"DATA": 2}}


@pytest.mark.parametrize(
    ("runs", "said"),
    [
        ({2006: 1, 2008: 1}, r"2008 \(1 instead of 2\)"),
        ({2008: 2}, r"2006 \(0 instead of 1\)"),
        ({2006: 1, 2008: 2, 2009: 1}, r"2009 \(1 instead of 0\)"),
    ],
)
def test_a_run_summary_with_other_subruns_is_refused(paper: Paper, tmp_path, runs, said):
    refused(paper.call("run_summary"), said, run_summary=write_summary(tmp_path / "s.ecsv", runs))


def test_half_a_run_summary_is_refused(paper: Paper, tmp_path):
    path = truncate(write_summary(tmp_path / "s.ecsv", {2006: 1, 2008: 2}))
    with pytest.raises(VerificationError, match=r"s\.ecsv"):
        verify(paper.call("run_summary"), run_summary=path)


# --- calibration ------------------------------------------------------------------------------------------------


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


# --- DL1 --------------------------------------------------------------------------------------------------------


def dl1_tables(ids: Any = EVENTS, types: Any = TYPES, images: bool = True) -> Tables:
    tables: Tables = {dl1.PARAMETERS: dl1_columns(ids, types)}
    if images:
        tables[dl1.IMAGES] = {"event_id": np.asarray(ids), "image": np.zeros((len(ids), 9), "f4")}
    return tables | {node: {"n_events": [1, 2]} for node in dl1.MONITORING}


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


# --- merges -----------------------------------------------------------------------------------------------------


def merge(paper: Paper, **changed: Any) -> StepCall:
    """A call to merge two subruns of 20 events."""
    call = paper.call("merge_dl1", **changed)
    for number, path in enumerate(call.paths("dl1")):
        write_hdf5(path, dl1_tables(EVENTS + 100 * number))
    return call


def merged(path: Path, call: StepCall, subruns: int = 2, images: bool = False, sources: int | None = None) -> Path:
    ids = np.concatenate([EVENTS + 100 * number for number in range(subruns)])
    tables = dl1_tables(ids, np.tile(TYPES, subruns), images)
    names = [f"dl1/{item.name}".encode() for item in call.paths("dl1")[: sources or subruns]]
    return write_hdf5(path, {k: v for k, v in tables.items() if k not in dl1.MONITORING}, {dl1.SOURCES: names})


@pytest.mark.parametrize("images", [True, False])
def test_a_merge_holds_all_events_of_all_subruns(paper: Paper, tmp_path, images):
    call = merge(paper, images=images)
    assert verify(call, dl1=merged(tmp_path / "m.h5", call, images=images)) == {"subruns": 2, "events": 40}


def test_a_merge_that_dropped_a_subrun_is_refused(paper: Paper, tmp_path):
    call = merge(paper)
    said = r"lacks dl1_LST-1\.Run02008\.0001\.h5: the log says why"
    refused(call, said, dl1=merged(tmp_path / "m.h5", call, subruns=1))


def test_a_merge_that_only_says_it_has_a_subrun_is_refused(paper: Paper, tmp_path):
    call = merge(paper)
    path = merged(tmp_path / "m.h5", call, subruns=1, sources=2)
    refused(call, "has 20 rows, not the 40 events of its subruns together", dl1=path)


def test_a_merge_with_a_subrun_too_many_is_refused(paper: Paper, tmp_path):
    call = merge(paper)
    path = merged(tmp_path / "m.h5", call)
    less = paper.call("merge_dl1", dl1=list(call.inputs[:1]))
    refused(less, r"holds dl1_LST-1\.Run02008\.0001\.h5, which do not belong", dl1=path)


def test_a_merge_of_one_subrun_twice_is_refused(paper: Paper, tmp_path):
    call = merge(paper)
    write_hdf5(call.paths("dl1")[1], dl1_tables())
    path = merged(tmp_path / "m.h5", call)
    import tables

    with tables.open_file(str(path), "a") as file:
        table = file.get_node(dl1.PARAMETERS)
        table.modify_column(column=np.tile(EVENTS, 2), colname="event_id")
    refused(call, "20 of 40 events occur twice", dl1=path)


@pytest.mark.parametrize(("asked", "got"), [(True, False), (False, True)])
def test_a_merge_has_images_exactly_when_asked_for(paper: Paper, tmp_path, asked, got):
    call = merge(paper, images=asked)
    refused(call, "image", dl1=merged(tmp_path / "m.h5", call, images=got))


def test_the_merged_muons_are_the_sum(paper: Paper, tmp_path):
    call = paper.call("merge_muons")
    for path, rings in zip(call.paths("muons"), (3, 0), strict=True):
        write_fits(path, rings)
    assert verify(call, muons=write_fits(tmp_path / "m.fits", 3)) == {"subruns": 2, "muon_rings": 3}
    refused(call, "has 2 rings, not the 3 of its subruns", muons=write_fits(tmp_path / "m.fits", 2))


# --- datachecks -------------------------------------------------------------------------------------------------


def check_tables(cosmics: list[int], flatfield: list[int], pedestals: list[int], first: int = 0) -> Tables:
    tables: Tables = {node: {"bins": [1]} for node in datacheck.COMMON}
    for kind, counts in zip(datacheck.KINDS, (cosmics, flatfield, pedestals), strict=True):
        if counts:
            index = np.arange(first, first + len(counts))
            tables[datacheck.table(kind)] = {"num_events": np.array(counts), "subrun_index": index}
    return tables


@pytest.mark.parametrize("counts", [([15], [3], [2]), ([15], [4], []), ([18], [], []), ([17], [2], [])])
def test_a_datacheck_counts_the_events_but_for_kinds_with_one(paper: Paper, tmp_path, counts):
    call = paper.call("datacheck")
    write_hdf5(call.path("dl1"), dl1_tables())
    assert verify(call, datacheck=write_hdf5(tmp_path / "d.h5", check_tables(*counts)))["events"] == 20


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        (([14], [3], [2]), "counts 19 events, DL1b has 20"),
        (([17], [], []), "counts 17 events, DL1b has 20"),
        (([16], [3], [2]), "counts 21 events"),
        (([], [3], [2]), "lacks /dl1datacheck/cosmics"),
        (([10, 5], [3], [2]), "has 2 rows, not the 1 of one subrun"),
    ],
)
def test_a_wanting_datacheck_is_refused(paper: Paper, tmp_path, counts, said):
    call = paper.call("datacheck")
    write_hdf5(call.path("dl1"), dl1_tables())
    refused(call, said, datacheck=write_hdf5(tmp_path / "d.h5", check_tables(*counts)))


def run_datacheck(paper: Paper) -> StepCall:
    call = paper.call("run_datacheck")
    for number, path in enumerate(call.paths("datacheck")):
        write_hdf5(path, check_tables([15], [3] if number else [], [2], first=number))
    return call


def test_a_run_datacheck_has_the_rows_of_its_subruns(paper: Paper, tmp_path):
    path = write_hdf5(tmp_path / "d.h5", check_tables([15, 15], [3], [2, 2]))
    assert verify(run_datacheck(paper), datacheck=path) == {"subruns": 2, "cosmics": 30}


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        (check_tables([15], [3], [2, 2]), "cosmics has 1 rows, not the 2 of its subruns"),
        (check_tables([15, 15], [], [2, 2]), "lacks /dl1datacheck/flatfield"),
        (check_tables([15, 15], [3], [2, 2], first=1), "lacks the subruns 0"),
    ],
)
def test_a_wanting_run_datacheck_is_refused(paper: Paper, tmp_path, tables, said):
    refused(run_datacheck(paper), said, datacheck=write_hdf5(tmp_path / "d.h5", tables))


def test_the_plots_of_a_run_are_a_whole_pdf(paper: Paper, tmp_path):
    path = tmp_path / "d.pdf"
    path.write_bytes(b"%PDF-1.4 /Type /Page /Type /Page %%EOF")
    assert verify(paper.call("run_plots"), plots=path) == {"pages": 2}
    refused(paper.call("run_plots"), "cut short", plots=truncate(path))


def night_files(call: StepCall, folder: Path, runs: int = 2, subruns: int = 5) -> dict[str, Path]:
    for path, counts in zip(call.paths("datacheck"), ([1, 1, 1], [1, 1]), strict=True):
        write_hdf5(path, check_tables(counts, [], counts))
    tables: Tables = {node: {"run": np.arange(runs)} for node in longterm.RUNS}
    tables |= {longterm.table(kind): {"n": np.arange(subruns)} for kind in ("cosmics", "pedestals")}
    (folder / "n.html").write_text("<html></html>")
    (folder / "n.log").write_text("None")
    return {"h5": write_hdf5(folder / "n.h5", tables), "html": folder / "n.html", "log": folder / "n.log"}


def test_the_longterm_check_has_every_run(paper: Paper, tmp_path):
    call = paper.call("longterm")
    assert verify(call, **night_files(call, tmp_path)) == {"runs": 2, "subruns": 5}


@pytest.mark.parametrize(
    ("runs", "subruns", "said"),
    [(1, 5, "has 1 rows, not the 2 runs"), (2, 4, "has 4 rows, not the 5 subruns")],
)
def test_a_longterm_check_that_skipped_a_run_is_refused(paper: Paper, tmp_path, runs, subruns, said):
    call = paper.call("longterm")
    refused(call, said, **night_files(call, tmp_path, runs, subruns))


def test_a_longterm_page_cut_short_is_refused(paper: Paper, tmp_path):
    call = paper.call("longterm")
    files = night_files(call, tmp_path)
    files["html"].write_text("<html>")
    refused(call, "does not end in </html>", **files)


@pytest.mark.parametrize(("rows", "said"), [(5, ""), (4, "has 4 rows, not the 5 subruns")])
def test_the_transparency_has_every_subrun(paper: Paper, tmp_path, rows, said):
    call = paper.call("transparency")
    night_files(call, tmp_path)
    checked: Tables = {longterm.RUNS[0]: {"run": [1, 2]}}
    write_hdf5(call.path("longterm"), checked)
    path = write_hdf5(tmp_path / "t.h5", checked | {transparency.SPECTRUM: {"n": np.arange(rows)}})
    if said:
        refused(call, said, h5=path)
    else:
        assert verify(call, h5=path) == {"subruns": 5}
        refused(call, "lacks /runsummary/table", h5=write_hdf5(path, {transparency.SPECTRUM: {"n": np.arange(rows)}}))


# --- tailcuts, DL2 ----------------------------------------------------------------------------------------------


def tailcuts_files(folder: Path, thresholds: Any, log: str) -> dict[str, Path]:
    (folder / "t.json").write_text(json.dumps({"tailcuts_clean_with_pedestal_threshold": thresholds}))
    (folder / "t.log").write_text(log)
    return {"tailcuts": folder / "t.json", "log": folder / "t.log"}


NSB = "Additional NSB rate (over dark MC): 0.1416 p.e./ns"
GOOD = {"picture_thresh": 8, "boundary_thresh": 4}


def test_tailcuts_say_the_thresholds_and_the_nsb(paper: Paper, tmp_path):
    counts = verify(paper.call("tailcuts"), **tailcuts_files(tmp_path, GOOD, NSB))
    assert counts == {**GOOD, "additional_nsb": 0.1416}


@pytest.mark.parametrize(
    ("thresholds", "log", "said"),
    [
        (None, NSB, "lacks the section tailcuts_clean"),
        ({"picture_thresh": 4, "boundary_thresh": 8}, NSB, "make no sense"),
        ({"picture_thresh": 8}, NSB, "thresholds 8 and None"),
        (GOOD, "nothing of it", "does not say the additional NSB rate"),
        (GOOD, NSB.replace("0.1416", "nan"), "does not say the additional NSB rate"),
    ],
)
def test_wanting_tailcuts_are_refused(paper: Paper, tmp_path, thresholds, log, said):
    refused(paper.call("tailcuts"), said, **tailcuts_files(tmp_path, thresholds, log))


def dl2(paper: Paper) -> StepCall:
    features = {
        name: ["intensity", "alt_tel", "reco_energy"]
        for name in (
            "energy_regression_features",
            "disp_regression_features",
            "particle_classification_features",
            "disp_classification_features",
        )
    }
    paper.config.write_text(
        json.dumps({**features, "events_filters": {"width": [0, 0.9], "length": [0, float("inf")]}})
    )
    call = paper.call("dl2")
    columns = dl1_columns(EVENTS)
    columns["intensity"] = np.where(EVENTS <= 5, np.nan, 100.0)
    columns["width"] = np.where(EVENTS > 18, 1.0, 0.1)
    columns["alt_tel"] = np.where(EVENTS == 7, np.nan, 1.2)
    write_hdf5(call.path("dl1"), {dl1.PARAMETERS: columns})
    return call


def dl2_file(path: Path, ids: Any, energy: float = 1.0) -> Path:
    columns = dl1_columns(ids)
    number = np.full(len(ids), energy)
    names = ("reco_energy", "reco_alt", "reco_az", "gammaness")
    return write_hdf5(path, {dl1.DL2_PARAMETERS: {**columns, **dict.fromkeys(names, number)}})


def test_dl2_has_the_events_that_its_configuration_selects(paper: Paper, tmp_path):
    assert verify(dl2(paper), dl2=dl2_file(tmp_path / "dl2.h5", EVENTS[5:18])) == {"events": 13}


@pytest.mark.parametrize("ids", [EVENTS[5:17], EVENTS[5:19], EVENTS[:0]])
def test_dl2_with_other_events_is_refused(paper: Paper, tmp_path, ids):
    refused(dl2(paper), f"has {len(ids)} rows, not the 13 events of DL1b", dl2=dl2_file(tmp_path / "dl2.h5", ids))


def test_dl2_without_energies_is_refused(paper: Paper, tmp_path):
    path = dl2_file(tmp_path / "dl2.h5", EVENTS[5:18], np.nan)
    refused(dl2(paper), "13 of 13 values of reco_energy", dl2=path)


def test_a_stub_of_a_failed_dl2_is_refused(paper: Paper, tmp_path):
    path = write_hdf5(tmp_path / "dl2.h5", {}, {"/configuration": [1]})
    refused(dl2(paper), "lacks /dl2/event/telescope/parameters/LST_LSTCam", dl2=path)
