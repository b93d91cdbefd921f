from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import staged
from hypothesis import given, settings
from hypothesis import strategies as st

from osa_luigi.errors import ProductError
from osa_luigi.products.commit import commit, finish_move, receipt_path
from osa_luigi.products.production import Production
from osa_luigi.products.receipt import (
    Made,
    Presence,
    Receipt,
    ReceiptBook,
    current_receipt,
    presence,
    read_receipt,
)
from osa_luigi.steps.fake import pretended

text = st.text(max_size=6)
places = st.from_regex(r"[a-zé ]{1,8}(/[a-z.]{1,8}x)?", fullmatch=True)
mades = st.builds(Made, text, places, places, st.integers(0, 1 << 50), text, text)
small = st.dictionaries(
    text, st.integers(-(2**63), 2**64 - 1) | text | st.lists(st.floats(allow_nan=False), max_size=3), max_size=3
)
receipts = st.builds(
    Receipt,
    step=text,
    unit=text,
    key=text,
    generation=st.integers(1, 99),
    settings=small,
    inputs=st.lists(small, max_size=3).map(tuple),
    outputs=st.lists(mades, max_size=3).map(tuple),
    counts=small,
    software=st.dictionaries(text, text, max_size=3),
    attempt=small,
    linked_from=text,
)


@given(receipts)
@settings(max_examples=50)
def test_receipts_are_read_as_they_were_written(tmp_path_factory, receipt):
    path = tmp_path_factory.getbasetemp() / "receipt.json"
    path.write_text(receipt.text())
    assert read_receipt(path) == receipt


def test_a_product_is_found_by_its_role():
    made = Made("muons", "m.fits", "s", 1, "", "")
    receipt = Receipt("r0_to_dl1", "Run02008.0003", "k", 1, {}, (), (made,), {}, {})
    assert receipt.made("muons") is made
    assert receipt.made("dl1") is None
    assert receipt.name == "r0_to_dl1.Run02008.0003"


GOOD = json.loads(Receipt("s", "u", "k", 1, {}, (), (Made("r", "p", "q", 1, "", ""),), {}, {}).text())


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        '"text"',
        "null",
        json.dumps({**GOOD, "format": 2}),
        json.dumps({key: value for key, value in GOOD.items() if key != "format"}),
        json.dumps({key: value for key, value in GOOD.items() if key != "key"}),
        json.dumps({**GOOD, "surprise": 1}),
        json.dumps({**GOOD, "outputs": [{"role": "r"}]}),
        json.dumps({**GOOD, "outputs": None}),
        GOOD["step"].join(["\udcff"] * 2),
    ],
)
def test_what_is_no_receipt_is_refused_with_what_to_do(tmp_path, content):
    path = tmp_path / "dl1ab.Run02008.1.json"
    path.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(ProductError, match=r"dl1ab\.Run02008\.1\.json: not a receipt .* Move it aside") as caught:
        read_receipt(path)
    assert "products with it, then run again" in str(caught.value)


def test_a_receipt_that_cannot_be_opened_is_refused_too(tmp_path):
    path = tmp_path / "x.1.json"
    path.mkdir()
    with pytest.raises(ProductError, match="not a receipt"):
        read_receipt(path)


def test_nothing_is_known_of_what_was_never_made(production):
    assert current_receipt(production, "dl1ab", "Run02008.0003") is None
    book = ReceiptBook(production)
    assert book.names() == []
    assert book.receipt("dl1ab.Run02008.0003") is None
    assert book.size(Path("dl1.h5")) is None


def test_files_that_are_no_receipts_are_passed_over(production):
    folder = production.receipts("Run02008")
    folder.mkdir(parents=True)
    for name in (".nfs0001", "dl1ab.Run02008.json", "dl1ab.Run02008.x.json", "dl1ab.Run02008.²1.json", "notes.txt"):
        (folder / name).write_text("")
    assert current_receipt(production, "dl1ab", "Run02008") is None
    assert ReceiptBook(production).names() == []


def test_a_disk_that_does_not_answer_has_not_lost_anything(production, monkeypatch):
    receipt, scratch = staged(production, {"dl1.h5": b"x"})
    commit(production, receipt, scratch)

    def stale(*_, **__):
        raise OSError(116, "Stale file handle")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "stat", stale)
        with pytest.raises(OSError, match="Stale"):
            presence(production, receipt)


units = st.sampled_from(["Run00001", "Run00001.0000", "Run00001.0001", "Run00002.0000", "night"])
events = st.lists(
    st.tuples(
        st.sampled_from(["r0_to_dl1", "dl1ab"]),
        units,
        st.sampled_from([b"", b"1", b"22"]),
        st.sampled_from(["moved", "waiting", "lost", "scratch lost"]),
    ),
    max_size=12,
)


@given(events)
@settings(max_examples=40)
def test_the_book_says_what_the_disk_says(tmp_path_factory, history):
    """Whatever was committed, moved, lost and made again: one listing for each folder knows as much as a `stat` for each file."""
    production = Production(tmp_path_factory.mktemp("book") / "v1")
    generations: dict[str, int] = {}
    for number, (step, unit, content, fate) in enumerate(history):
        name = f"{step}.{unit}"
        generations[name] = generations.get(name, 0) + 1
        contents = {f"{name}.h5": content, f"muons/{name}.fits": content + b"!"}
        receipt, scratch = staged(
            production, contents, step=step, unit=unit, generation=generations[name], token=str(number)
        )
        if fate == "moved":
            commit(production, receipt, scratch)
            continue
        target = receipt_path(production, receipt)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(receipt.text())
        if fate == "lost":
            (production.root / receipt.outputs[0].path).unlink(missing_ok=True)
        if fate in ("lost", "scratch lost"):
            (production.root / receipt.outputs[0].scratch).unlink()

    book = ReceiptBook(production)
    assert book.names() == sorted(generations)
    for name in generations:
        step, _, unit = name.partition(".")
        receipt = current_receipt(production, step, unit)
        assert receipt is not None
        assert receipt.generation == generations[name]
        assert book.receipt(name) == receipt
        assert book.key(name) == receipt.key
        assert book.presence(name) is presence(production, receipt)
        for made in receipt.outputs:
            place = production.root / made.path
            assert book.size(made.path) == (place.stat().st_size if place.exists() else None)


def test_the_book_of_a_finished_production_asks_for_no_single_file(production, monkeypatch):
    made = []
    for number in range(20):
        receipt, scratch = staged(production, {f"{number}.h5": b"x", f"m/{number}": b"y"}, unit=f"Run00001.{number:04}")
        commit(production, receipt, scratch)
        made.append(receipt)
    book = ReceiptBook(production)
    monkeypatch.setattr(Path, "stat", None)
    assert {book.presence(receipt.name) for receipt in made} == {Presence.COMPLETE}


def test_the_book_reads_a_receipt_once_for_its_key_and_its_files(production):
    receipt, scratch = staged(production, {"dl1.h5": b"x"})
    commit(production, receipt, scratch)
    book = ReceiptBook(production)
    assert book.key(receipt.name) == receipt.key
    receipt_path(production, receipt).unlink()
    assert book.key(receipt.name) == receipt.key
    assert book.presence(receipt.name) is Presence.COMPLETE
    assert book.key("dl1ab.Run09999") is None
    assert book.presence("dl1ab.Run09999") is Presence.LOST


def test_the_book_sees_a_move_that_ended_after_it_looked(production):
    receipt, _ = staged(production, {"dl1.h5": b"x"})
    target = receipt_path(production, receipt)
    target.parent.mkdir(parents=True)
    target.write_text(receipt.text())
    book = ReceiptBook(production)
    assert book.size(Path("dl1.h5")) is None
    finish_move(production, receipt)
    assert book.presence(receipt.name) is Presence.COMPLETE


def test_the_book_is_not_fooled_by_an_older_product_of_the_same_size(production, monkeypatch):
    first, scratch = staged(production, {"dl1.h5": b"older!"})
    commit(production, first, scratch)
    second, scratch = staged(production, {"dl1.h5": b"newer!"}, generation=2, token="b")
    monkeypatch.setattr("osa_luigi.products.commit.finish_move", lambda *_: None)
    commit(production, second, scratch)
    assert ReceiptBook(production).presence(second.name) is Presence.UNMOVED


def test_a_broken_symbolic_link_is_no_product(production):
    receipt, scratch = staged(production, {"dl1.h5": b"x"})
    commit(production, receipt, scratch)
    (production.root / "dl1.h5").unlink()
    (production.root / "dl1.h5").symlink_to("nowhere")
    assert presence(production, receipt) is ReceiptBook(production).presence(receipt.name) is Presence.LOST


def test_a_file_where_a_folder_should_be_is_a_loss_not_an_error(production):
    receipt, scratch = staged(production, {"tailcut84/dl1.h5": b"x"})
    commit(production, receipt, scratch)
    (production.root / "tailcut84" / "dl1.h5").unlink()
    (production.root / "tailcut84").rmdir()
    (production.root / "tailcut84").write_text("")
    assert presence(production, receipt) is ReceiptBook(production).presence(receipt.name) is Presence.LOST
    other = replace(receipt, unit="Run00009")
    assert ReceiptBook(production).receipt(other.name) is None


@pytest.mark.parametrize("fake", [False, True])
def test_a_receipt_says_that_a_fake_made_it_and_else_nothing_of_that(tmp_path: Path, fake: bool) -> None:
    text = Receipt("dl2", "Run02008", "k", 1, {}, (), (), {"rows": 3}, {}, fake=fake).text()
    assert ("fake" in json.loads(text)) is fake
    (tmp_path / "r.json").write_text(text)
    assert read_receipt(tmp_path / "r.json").fake is fake


@pytest.mark.parametrize(
    ("receipt", "expected"),
    [
        (Receipt("dl2", "Run02008", "k", 1, {}, (), (), {"rows": 3}, {}), False),
        (Receipt("analysis", "night", "k", 1, {}, (), (), {"files": 1, "rows": 0}, {}), False),
        (Receipt("dl2", "Run02008", "k", 1, {}, (), (), {"files": 2}, {}), True),
        (Receipt("dl2", "Run02008", "k", 1, {}, (), (), {}, {}, fake=True), True),
    ],
)
def test_a_fake_of_an_older_version_is_known_by_what_it_counts(receipt: Receipt, expected: bool) -> None:
    assert pretended(receipt) is expected
