"""What a step says of merges and datachecks: whole ones are counted, wanting ones refused, with the reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from paper_steps import Paper, truncate, write_fits, write_hdf5
from verifying import EVENTS, TYPES, Tables, dl1_tables, refused, verify

from osa_luigi.steps import datacheck, dl1, longterm, transparency
from osa_luigi.steps.call import StepCall


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
