"""Products are followed back to raw files, whatever happened to them on the way."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from pathlib import Path

import pytest
from written import key_of, product, raw, run, write

from osa_luigi.errors import ProductError
from osa_luigi.ledger.find import find_product
from osa_luigi.ledger.folding import fold
from osa_luigi.ledger.lineage import Books, Lineage, trace
from osa_luigi.products.linking import link_product
from osa_luigi.products.production import Production

DL2 = "tailcut84/dl2_LST-1.Run02003.h5"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """``running_analysis``."""
    return tmp_path / "running_analysis"


@pytest.fixture
def made(tree: Path, tmp_path: Path) -> Production:
    """A production of one run."""
    production = Production(tree / "20241115" / "v1")
    run(production, tmp_path / "R0" / "20241115")
    return production


def back(production: Production, place: str = DL2, depth: int | None = None) -> Lineage:
    books = Books()
    return trace([find_product(production.root / place, books, None).making], books, depth)


def raw_names(lineage: Lineage) -> list[str]:
    return sorted(Path(source.path).name for _, source in lineage.origins())


def test_back_to_every_raw_file(made: Production) -> None:
    lineage = back(made)
    steps = Counter(making.step for making in lineage.makings.values())
    assert steps == {"dl2": 1, "merge_dl1": 1, "dl1ab": 3, "r0_to_dl1": 3, "drs4_baseline": 1}
    streams = [f"LST-1.{stream}.Run02003.{subrun:04d}.fits.fz" for stream in (1, 2, 3, 4) for subrun in range(3)]
    # The DRS4 file is told once for each reader that it has: one.
    assert raw_names(lineage) == sorted([*streams, "LST-1.1.Run02001.0000.fits.fz"])


def test_depth_ends_the_walk(made: Production) -> None:
    assert [making.step for making in back(made, depth=0).makings.values()] == ["dl2"]
    assert [making.step for making in back(made, depth=1).makings.values()] == ["dl2", "merge_dl1"]


def test_a_product_that_was_made_again_is_not_taken_for_the_one_that_was_read(made: Production) -> None:
    """The merge read generation 1 of a subrun that was lost later and made again, with the same key."""
    unit = "Run02003.0001"
    write(made, "dl1ab", unit, {"dl1": f"tailcut84/dl1_LST-1.{unit}.h5"}, generation=2, hour=9)
    generations = {making.generation for making in back(made).makings.values() if making.name == f"dl1ab.{unit}"}
    assert generations == {1}
    assert back(made, f"tailcut84/dl1_LST-1.{unit}.h5").targets[0].generation == 2


def test_of_a_run_that_grew_the_merge_that_was_read_is_found(made: Production) -> None:
    """DL2 was made from a merge that was made again since, with another key: its receipt is still there."""
    merged = "tailcut84/dl1_LST-1.Run02003.h5"
    write(made, "merge_dl1", "Run02003", {"dl1": merged}, key=key_of("more subruns"), generation=2, hour=10)
    (merge,) = [making for making in back(made).makings.values() if making.step == "merge_dl1"]
    assert (merge.generation, merge.key) == (1, key_of("merge_dl1 Run02003"))
    assert len(raw_names(back(made))) == 13


def test_a_site_that_was_moved_is_followed_in_its_new_place(made: Production, tmp_path: Path) -> None:
    shutil.copytree(tmp_path / "running_analysis", tmp_path / "elsewhere" / "running_analysis")
    moved = Production(tmp_path / "elsewhere" / "running_analysis" / "20241115" / "v1")
    assert {making.production for making in back(moved).makings.values()} == {moved}
    shutil.rmtree(made.root)
    assert len(back(moved).makings) == 9


def test_a_calibration_of_an_earlier_night_is_followed_into_that_night(tree: Path, tmp_path: Path) -> None:
    earlier, night = Production(tree / "20241114" / "v1"), Production(tree / "20241115" / "v1")
    drs4 = write(
        earlier,
        "drs4_baseline",
        "Run01990",
        {"pedestal": "calibration/drs4_pedestal.Run01990.0000.h5"},
        [raw(tmp_path / "R0" / "20241114", "LST-1.1.Run01990.0000.fits.fz")],
    )
    write(
        night,
        "r0_to_dl1",
        "Run02003.0000",
        {"dl1": "dl1_LST-1.Run02003.0000.h5"},
        [product(earlier, drs4, "pedestal")],
        hour=2,
    )
    lineage = back(night, "dl1_LST-1.Run02003.0000.h5")
    assert [making.night for making in lineage.makings.values()] == ["20241115", "20241114"]
    assert raw_names(lineage) == ["LST-1.1.Run01990.0000.fits.fz"]


def test_a_linked_product_is_followed_also_when_the_other_production_is_gone(made: Production) -> None:
    other, books = Production(made.root.parent / "v2"), Books()
    for name in books.names(made):
        receipt = books._books[made].receipt(name)
        assert receipt is not None
        assert link_product(made, receipt, other)
    assert {making.production for making in back(other).makings.values()} == {other, made}
    shutil.rmtree(made.root)
    lineage = back(other)
    assert {making.linked_from for making in lineage.makings.values()} == {"v1"}
    assert len(raw_names(lineage)) == 13


def test_what_has_no_receipt_is_an_end_of_the_walk(made: Production) -> None:
    shutil.rmtree(made.receipts("Run02001"))
    ends = {source.role for _, source in back(made).origins()}
    assert ends == {"raw", "pedestal"}


def test_a_closed_night_is_all_that_its_list_declares(made: Production) -> None:
    books = Books()
    declared = {name: making.key for name in books.names(made) if (making := books.making(made, name))}
    listing = made.write_config(declared)
    item = {"role": "declared", "path": str(listing), "identity": "x", "key": "x"}
    write(made, "close", "night", {"marker": "NightFinished.txt"}, [item], hour=12)
    assert len(back(made, "NightFinished.txt").makings) == 10


def test_what_was_made_alike_is_one_fold(made: Production) -> None:
    folds = {one.step: one for one in fold(back(made))}
    assert folds["dl1ab"].what == "3 × dl1ab of Run02003, all alike"
    assert folds["dl2"].what == "dl2 of Run02003"
    assert folds["r0_to_dl1"].inputs == {"pedestal": {(folds["drs4_baseline"], "pedestal"): 3}}
    (origin,) = folds["r0_to_dl1"].origins.values()
    assert (len(origin.sources), origin.size) == (12, 36)
    assert folds["dl1ab"].when == "2024-11-16 02:00–02:30 UTC"


def test_other_settings_are_another_fold(made: Production) -> None:
    unit = "Run02003.0002"
    dl1 = back(made, f"dl1_LST-1.{unit}.h5").targets[0]
    item = {"role": "dl1", "path": str(dl1.path(dl1.outputs[0])), "identity": {}, "key": dl1.key}
    write(made, "dl1ab", unit, {"dl1": f"tailcut84/dl1_LST-1.{unit}.h5"}, [item], hour=2, settings={"images": False})
    assert sorted(len(one.makings) for one in fold(back(made)) if one.step == "dl1ab") == [1, 2]


# ---- which product a file is -----------------------------------------------------------------------------------


def found(file: Path, tree: Path, night: str = "") -> str:
    return find_product(file, Books(), tree, night).id


def test_a_published_link_is_found_by_its_name(made: Production, tree: Path, tmp_path: Path) -> None:
    run(Production(tree / "20241115" / "v2"), tmp_path / "R0" / "20241115")  # of the same name, and the same bytes
    (tmp_path / "DL2").mkdir()
    published = tmp_path / "DL2" / "dl2_LST-1.Run02003.h5"
    os.link(tree / "20241115" / "v2" / DL2, published)
    assert found(published, tree) == f"20241115/v2/{DL2}.1"


def test_a_copy_is_found_by_its_bytes_among_those_of_its_name(made: Production, tree: Path, tmp_path: Path) -> None:
    other = Production(tree / "20241115" / "a")
    write(other, "dl2", "Run02003", {"dl2": DL2}, content=b"x" * (made.root / DL2).stat().st_size)
    copy = tmp_path / "dl2_LST-1.Run02003.h5"
    shutil.copyfile(made.root / DL2, copy)
    assert found(copy, tree) == f"20241115/v1/{DL2}.1"


def test_a_renamed_copy_is_found_in_its_night_only(made: Production, tree: Path, tmp_path: Path) -> None:
    copy = tmp_path / "crab.h5"
    shutil.copyfile(made.root / DL2, copy)
    assert found(copy, tree, "20241115") == f"20241115/v1/{DL2}.1"
    with pytest.raises(ProductError, match="give its night"):
        found(copy, tree)


def test_what_nobody_made_is_said(made: Production, tree: Path, tmp_path: Path) -> None:
    foreign = tmp_path / "dl2_LST-1.Run02003.h5"
    foreign.write_bytes(b"something else")
    with pytest.raises(ProductError, match="nobody knows how it was made"):
        found(foreign, tree)
    with pytest.raises(ProductError, match="no such file"):
        found(tmp_path / "nothing.h5", tree)
    with pytest.raises(ProductError, match="no receipt beside it"):
        find_product(foreign, Books(), None)
    # Whoever asks whether a published file is damaged asks for it by its name.
    assert find_product(foreign, Books(), tree, whole=False).id == f"20241115/v1/{DL2}.1"


def test_a_lost_product_is_told_by_its_receipt(made: Production, tree: Path) -> None:
    (made.root / DL2).unlink()
    assert found(made.root / DL2, tree) == f"20241115/v1/{DL2}.1"


def test_a_run_summary_that_was_made_again_is_not_the_one_that_was_read(tree: Path, tmp_path: Path) -> None:
    summaries = Production(tmp_path / "monitoring" / "RunSummary")
    place = {"run_summary": "RunSummary_20241115.ecsv"}
    write(summaries, "run_summary", "20241115", place, hour=0)
    path = summaries.root / place["run_summary"]
    row = {"role": "run_summary", "path": str(path), "identity": {"run_id": 2003}, "key": ""}
    night = Production(tree / "20241115" / "v1")
    write(night, "r0_to_dl1", "Run02003.0000", {"dl1": "dl1_LST-1.Run02003.0000.h5"}, [row], hour=2)
    write(summaries, "run_summary", "20241115", place, hour=5, generation=2, key=key_of("more runs"))
    lineage = back(night, "dl1_LST-1.Run02003.0000.h5")
    assert [making.generation for making in lineage.makings.values() if making.step == "run_summary"] == [1]
