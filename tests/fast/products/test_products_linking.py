from __future__ import annotations

import os

import pytest
from fakes import staged

from osa_luigi.products.commit import commit, receipt_path
from osa_luigi.products.linking import find_equal, link_product
from osa_luigi.products.production import Production
from osa_luigi.products.receipt import Presence, ReceiptBook, current_receipt, presence

CONTENTS = {"dl1_LST-1.h5": b"events", "tailcut84/dl1_LST-1.h5": b"parameters"}


@pytest.fixture
def source(production):
    receipt, scratch = staged(production, CONTENTS)
    commit(production, receipt, scratch)
    return production, receipt


@pytest.fixture
def target(production):
    return Production(production.root.parent / "v2")


def test_a_product_of_the_same_key_is_found(source):
    production, receipt = source
    books = {production: ReceiptBook(production)}
    assert find_equal(books, receipt.name, receipt.key) == (production, receipt)
    assert find_equal(books, receipt.name, "another key") is None
    assert find_equal(books, "dl1ab.Run09999", receipt.key) is None


def test_a_product_that_was_lost_is_not_found(source):
    production, receipt = source
    (production.root / "dl1_LST-1.h5").unlink()
    assert find_equal({production: ReceiptBook(production)}, receipt.name, receipt.key) is None


def test_a_broken_receipt_elsewhere_is_no_trouble_here(source):
    production, receipt = source
    receipt_path(production, receipt).write_text("{")
    assert find_equal({production: ReceiptBook(production)}, receipt.name, receipt.key) is None


def test_a_linked_product_is_the_same_file_with_a_receipt_of_its_own(source, target):
    production, receipt = source
    assert link_product(production, receipt, target)
    linked = current_receipt(target, receipt.step, receipt.unit)
    assert linked.linked_from == production.id
    assert linked.key == receipt.key
    assert presence(target, linked) is Presence.COMPLETE
    for place, content in CONTENTS.items():
        assert (target.root / place).samefile(production.root / place)
        assert (target.root / place).read_bytes() == content
    assert not any(target.scratch.iterdir())


def test_linking_outlives_the_production_it_came_from(source, target):
    production, receipt = source
    link_product(production, receipt, target)
    for place in CONTENTS:
        (production.root / place).unlink()
    assert presence(target, current_receipt(target, receipt.step, receipt.unit)) is Presence.COMPLETE


def test_what_was_made_meanwhile_stays(source, target):
    production, receipt = source
    other, scratch = staged(target, {"dl1_LST-1.h5": b"made here"})
    commit(target, other, scratch)
    assert not link_product(production, receipt, target)
    assert (target.root / "dl1_LST-1.h5").read_bytes() == b"made here"
    assert current_receipt(target, receipt.step, receipt.unit) == other
    assert not any(target.scratch.iterdir())


def test_a_foreign_file_is_never_replaced(source, target):
    production, receipt = source
    (target.root / "tailcut84").mkdir(parents=True)
    (target.root / "tailcut84" / "dl1_LST-1.h5").write_bytes(b"somebody's")
    assert not link_product(production, receipt, target)
    assert (target.root / "tailcut84" / "dl1_LST-1.h5").read_bytes() == b"somebody's"
    assert current_receipt(target, receipt.step, receipt.unit) is None


def test_what_cannot_be_linked_is_left_to_be_made(source, target, monkeypatch):
    production, receipt = source

    def across(*_, **__):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", across)
    assert not link_product(production, receipt, target)
    assert not any(target.scratch.iterdir())


@pytest.mark.parametrize("size", [b"", b"another size"])
def test_a_product_that_changed_since_its_receipt_is_not_linked(source, target, size):
    production, receipt = source
    (production.root / "dl1_LST-1.h5").write_bytes(size)
    assert not link_product(production, receipt, target)
    assert current_receipt(target, receipt.step, receipt.unit) is None
    assert not any(target.scratch.iterdir())


def test_a_full_disk_is_no_reason_to_stop(source, target):
    production, receipt = source
    target.state.mkdir(parents=True)
    target.scratch.write_text("a file where a folder should be")
    assert not link_product(production, receipt, target)
