"""What a step says of raw files and run summaries: whole ones are counted, wanting ones refused, with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from paper_steps import Paper, truncate
from verifying import refused, verify, write_raw

from osa_luigi.errors import NightError, VerificationError
from osa_luigi.steps import raw
from osa_luigi.steps.behaviour import behaviour
from osa_luigi.steps.catalogue import STEPS


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
