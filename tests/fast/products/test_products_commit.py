from __future__ import annotations

import json
from dataclasses import replace
from itertools import count
from pathlib import Path

import crashes
import pytest
from fakes import staged

from osa_luigi.products.commit import commit, finish_move, link_exclusively, receipt_path
from osa_luigi.products.production import Production
from osa_luigi.products.receipt import Presence, current_receipt, presence, read_receipt

CONTENTS = {"dl1.h5": b"events", "tailcut84/dl1.h5": b"more events", "muons.fits": b"rings"}


def products(production: Production) -> dict[str, bytes]:
    """Everything outside of the engine's own folder."""
    files = (path for path in production.root.rglob("*") if path.is_file())
    return {
        str(path.relative_to(production.root)): path.read_bytes()
        for path in files
        if not path.is_relative_to(production.state)
    }


def current(production: Production):
    return current_receipt(production, "dl1ab", "Run02008.0003")


def test_a_commit_moves_the_outputs_and_leaves_a_receipt_and_nothing_else(production):
    receipt, scratch = staged(production, CONTENTS)
    assert commit(production, receipt, scratch)
    assert products(production) == CONTENTS
    assert current(production) == receipt
    assert presence(production, receipt) is Presence.COMPLETE
    assert not any(production.scratch.iterdir())


def test_the_receipt_is_text_that_a_person_can_read(production):
    receipt, scratch = staged(production, CONTENTS)
    commit(production, receipt, scratch)
    path = receipt_path(production, receipt)
    assert path == production.root / ".osa/receipts/Run02008/dl1ab.Run02008.0003.1.json"
    assert json.loads(path.read_text())["outputs"][0]["path"] == "dl1.h5"


def test_the_second_commit_of_a_generation_changes_nothing(production):
    first, scratch = staged(production, {"dl1.h5": b"first"}, token="a")
    commit(production, first, scratch)
    second, scratch = staged(production, {"dl1.h5": b"second"}, token="b")
    assert not commit(production, second, scratch)
    assert products(production) == {"dl1.h5": b"first"}
    assert current(production) == first


@pytest.mark.parametrize(
    ("left", "kept"), [(0o664, 0o444), (0o640, 0o440), (0o600, 0o400), (0o400, 0o400), (0o022, 0o400)]
)
def test_a_product_is_read_only_for_whom_the_umask_let_read(production, left, kept):
    receipt, scratch = staged(production, CONTENTS)
    for made in receipt.outputs:
        (production.root / made.scratch).chmod(left)
    assert commit(production, receipt, scratch)
    for made in receipt.outputs:
        assert (production.root / made.path).stat().st_mode & 0o777 == kept


def test_a_product_of_the_next_generation_replaces_a_read_only_one(production):
    first, scratch = staged(production, {"dl1.h5": b"first"}, token="a")
    commit(production, first, scratch)
    second, scratch = staged(production, {"dl1.h5": b"second"}, token="b")
    assert commit(production, replace(second, generation=2), scratch)
    assert products(production) == {"dl1.h5": b"second"}


def test_a_step_without_outputs_can_be_committed(production):
    receipt, scratch = staged(production, {})
    assert commit(production, receipt, scratch)
    assert presence(production, receipt) is Presence.COMPLETE


@pytest.mark.parametrize("copies", [2, 8])
def test_of_many_that_commit_at_once_one_wins_whole(fresh, production, tmp_path, copies):
    go = tmp_path / "go"
    tokens = [str(number) for number in range(copies)]
    runs = [fresh.start(crashes.commit_together, production.root, token, go) for token in tokens]
    go.touch()
    won = [token for token, run in zip(tokens, runs, strict=True) if run.result()]
    assert len(won) == 1
    winner = won[0].encode()
    assert products(production) == {"a.h5": winner, "b/c.fits": winner * 2}
    assert len(list(production.receipts("Run02008").iterdir())) == 1


def test_a_link_that_the_server_made_but_did_not_answer_counts(tmp_path):
    """NFS repeats a call whose reply was lost, and is told that the name exists."""
    draft, target = tmp_path / "draft", tmp_path / "target"
    draft.write_text("mine")
    target.hardlink_to(draft)
    assert link_exclusively(draft, target)
    other = tmp_path / "other"
    other.write_text("mine")
    assert not link_exclusively(other, target)


def committed_but_not_moved(production: Production, monkeypatch: pytest.MonkeyPatch, **kind):
    receipt, scratch = staged(production, CONTENTS, **kind)
    with monkeypatch.context() as patched:
        patched.setattr("osa_luigi.products.commit.finish_move", lambda *_: None)
        assert commit(production, receipt, scratch)
    return receipt


def test_a_move_that_was_cut_short_is_finished_by_whoever_comes(production, monkeypatch):
    receipt = committed_but_not_moved(production, monkeypatch)
    assert presence(production, receipt) is Presence.UNMOVED
    for _ in range(3):
        finish_move(production, receipt)
        assert presence(production, receipt) is Presence.COMPLETE
    assert products(production) == CONTENTS
    assert not any(production.scratch.iterdir())


@pytest.mark.parametrize("moved", CONTENTS)
def test_a_move_cut_short_between_two_files_is_unmoved(production, monkeypatch, moved):
    receipt = committed_but_not_moved(production, monkeypatch)
    made = receipt.made(moved)
    place = production.root / made.path
    place.parent.mkdir(exist_ok=True)
    (production.root / made.scratch).rename(place)
    assert presence(production, receipt) is Presence.UNMOVED
    finish_move(production, receipt)
    assert products(production) == CONTENTS


def test_many_finish_a_move_at_once(fresh, production, monkeypatch, tmp_path):
    receipt = committed_but_not_moved(production, monkeypatch)
    go = tmp_path / "go"
    runs = [fresh.start(crashes.move_together, production.root, receipt.step, receipt.unit, go) for _ in range(6)]
    go.touch()
    for run in runs:
        run.result()
    assert products(production) == CONTENTS
    assert presence(production, receipt) is Presence.COMPLETE


def test_an_older_product_of_the_same_size_does_not_pass_for_the_new_one(production, monkeypatch):
    """The next generation is committed, its move cut short: what still lies at the place is of the generation before."""
    first, scratch = staged(production, {"dl1.h5": b"older!"})
    commit(production, first, scratch)
    second, scratch = staged(production, {"dl1.h5": b"newer!"}, generation=2, token="b")
    with monkeypatch.context() as patched:
        patched.setattr("osa_luigi.products.commit.finish_move", lambda *_: None)
        commit(production, second, scratch)
    assert presence(production, second) is Presence.UNMOVED
    finish_move(production, second)
    assert products(production) == {"dl1.h5": b"newer!"}


@pytest.mark.parametrize("damage", ["gone", "shorter", "longer"])
def test_a_product_that_was_lost_is_made_again_as_the_next_generation(production, damage):
    first, scratch = staged(production, CONTENTS)
    commit(production, first, scratch)
    product = production.root / "muons.fits"
    if damage == "gone":
        product.unlink()
    else:
        product.write_bytes(b"r" if damage == "shorter" else b"rings, and more")
    assert presence(production, first) is Presence.LOST

    again, scratch = staged(production, CONTENTS, generation=2, token="b")
    assert commit(production, again, scratch)
    assert products(production) == CONTENTS
    assert current(production) == again
    assert read_receipt(receipt_path(production, first)) == first


def test_generations_are_counted_not_spelled(production):
    for generation in range(1, 12):
        receipt, scratch = staged(production, {"x": b"x"}, generation=generation, token=str(generation))
        assert commit(production, receipt, scratch)
    assert current(production).generation == 11


@pytest.mark.parametrize("how", ["before", "after", "fails"])
def test_a_crash_at_any_operation_leaves_all_or_nothing(fresh, production, how):
    """Killed, or refused by the disk, at each operation of a commit in turn: what follows always ends with whole products."""
    for number in count(1):
        one = Production(production.root / f"{number}")
        run = fresh.start(crashes.commit_until, number, how, one.root, CONTENTS).wait()
        check_all_or_nothing(one)
        if run.answered and not run.result():
            break
    assert number > 15


def check_all_or_nothing(production: Production) -> None:
    receipt = current(production)
    if receipt is None:
        assert products(production) == {}
        receipt, scratch = staged(production, CONTENTS, token="b")
        assert commit(production, receipt, scratch)
    else:
        assert presence(production, receipt) is not Presence.LOST
        finish_move(production, receipt)
    assert products(production) == CONTENTS
    assert presence(production, receipt) is Presence.COMPLETE


def test_a_file_where_the_receipts_go_is_an_error_that_names_it_and_nothing_is_committed(production):
    receipt, scratch = staged(production, CONTENTS)
    folder = production.receipts("Run02008")
    folder.parent.mkdir()
    folder.write_text("not a folder")
    with pytest.raises(FileExistsError, match="receipts/Run02008"):
        commit(production, receipt, scratch)
    assert products(production) == {}
    folder.unlink()
    assert commit(production, receipt, scratch)


def test_a_file_where_a_product_s_folder_goes_loses_nothing(production):
    receipt, scratch = staged(production, CONTENTS)
    in_the_way = production.root / "tailcut84"
    in_the_way.write_text("not a folder")
    with pytest.raises(FileExistsError, match="tailcut84"):
        commit(production, receipt, scratch)
    assert presence(production, receipt) is Presence.UNMOVED
    in_the_way.unlink()
    finish_move(production, receipt)
    assert products(production) == CONTENTS


def test_a_folder_without_write_permission_loses_nothing(fresh):
    said, known = fresh.call(crashes.commit_without_permission)
    assert "Permission denied" in said
    assert "v1/dl1.h5" in said
    assert known == {"before": "unmoved", "after": "complete"}


def test_scratch_folders_are_removed_whole(production):
    receipt, scratch = staged(production, CONTENTS)
    (scratch / "work" / "left by the tool").mkdir()
    (scratch / "work" / "left by the tool" / "file").write_text("x")
    other = production.scratch / "dl1ab.Run02008.0004.of-another-attempt"
    other.mkdir()
    commit(production, receipt, scratch)
    assert list(production.scratch.iterdir()) == [other]
    assert Path(other).is_dir()
