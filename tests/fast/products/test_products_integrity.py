"""Products are read again: every byte counts, and what a reader finds is judged by the receipt that counts now."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import staged
from hypothesis import given, settings
from hypothesis import strategies as st

from osa_luigi.products.aside import set_aside
from osa_luigi.products.commit import commit, receipt_path
from osa_luigi.products.integrity import Fault, Finding, check, check_file, product_files, sharing
from osa_luigi.products.linking import link_product
from osa_luigi.products.production import Production
from osa_luigi.products.receipt import Presence, Receipt, current_receipt, presence

PLACE = "tailcut84/dl1_LST-1.h5"
CONTENTS = {"dl1_LST-1.h5": b"events", PLACE: b"parameters"}
NAME = "dl1ab.Run02008.0003"


def make(production: Production, generation: int = 1, **contents: bytes) -> Receipt:
    """Products, committed with their hashes."""
    receipt, scratch = staged(production, {**CONTENTS, **contents}, generation=generation, token=str(generation))
    outputs = tuple(
        replace(made, sha256=hashlib.sha256((production.root / made.scratch).read_bytes()).hexdigest())
        for made in receipt.outputs
    )
    receipt = replace(receipt, outputs=outputs)
    commit(production, receipt, scratch)
    return receipt


@pytest.fixture
def product(production: Production) -> Path:
    make(production)
    path = production.root / PLACE
    path.chmod(0o644)
    return path


def faults(production: Production) -> list[Fault]:
    return [finding.fault for finding in check(production, NAME).findings]


def test_what_is_as_it_was_made_was_read_to_its_end(production: Production, product: Path) -> None:
    checked = check(production, NAME)
    assert (checked.findings, checked.read) == ((), 16)
    assert checked.products == (Path("dl1_LST-1.h5"), Path(PLACE))


@settings(max_examples=40)
@given(st.binary(min_size=1, max_size=200), st.data())
def test_any_flipped_bit_is_found(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, data: st.DataObject
) -> None:
    production = Production(tmp_path_factory.mktemp("flip") / "20241115" / "v1")
    receipt = make(production, **{PLACE: content})
    made = receipt.outputs[-1]
    bit = data.draw(st.integers(0, 8 * len(content) - 1))
    flipped = bytearray(content)
    flipped[bit // 8] ^= 1 << bit % 8
    path = production.root / PLACE
    path.chmod(0o644)
    path.write_bytes(flipped)
    (finding,) = check_file(production, receipt.name, 1, made).findings
    assert (finding.fault, finding.path) == (Fault.BYTES, path)


def test_a_truncated_an_empty_and_a_missing_file_are_told_apart(production: Production, product: Path) -> None:
    product.write_bytes(b"param")
    assert faults(production) == [Fault.SIZE]
    product.write_bytes(b"")
    (finding,) = check(production, NAME).findings
    assert finding.what == "has 0 bytes, not 10"
    product.unlink()
    assert faults(production) == [Fault.MISSING]


def test_a_folder_in_the_place_of_a_product_cannot_be_read(production: Production, product: Path) -> None:
    size = production.root.stat().st_size
    receipt = make(production, 2, **{PLACE: b"x" * size})
    product.unlink()
    product.mkdir()
    findings = check(production, NAME).findings
    assert [one.fault for one in findings] in ([Fault.UNREADABLE], [Fault.SIZE])  # a folder's size is the file system's
    assert receipt.generation == 2


def test_a_receipt_that_cannot_be_read_is_a_finding(production: Production, product: Path) -> None:
    receipt = current_receipt(production, "dl1ab", "Run02008.0003")
    assert receipt
    receipt_path(production, receipt).write_text("{")
    assert faults(production) == [Fault.RECEIPT]


def test_a_product_made_again_while_it_is_read_is_judged_by_its_new_receipt(
    production: Production, product: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from osa_luigi.products import integrity

    def slow(path: Path) -> str:
        monkeypatch.undo()
        make(production, 2, **{PLACE: b"PARAMETERS"})
        return integrity.sha256(path)

    monkeypatch.setattr(integrity, "sha256", slow)
    assert check(production, NAME).findings == ()


def test_a_file_that_waits_for_its_move_is_read_where_it_waits(production: Production) -> None:
    receipt = make(production)
    waiting = production.root / receipt.outputs[0].scratch
    waiting.parent.mkdir(parents=True)
    (production.root / receipt.outputs[0].path).rename(waiting)
    assert faults(production) == []


def test_all_files_but_the_engines_own_are_listed(production: Production, product: Path) -> None:
    (production.root / "stray.txt").touch()
    assert set(product_files(production)) == {Path("dl1_LST-1.h5"), Path(PLACE), Path("stray.txt")}


# ---- moved aside -----------------------------------------------------------------------------------------------


def damaged(production: Production, product: Path) -> Finding:
    product.write_bytes(b"PARAMETERS")
    (finding,) = check(production, NAME).findings
    return finding


def test_what_is_moved_aside_is_lost_to_its_receipt_and_nothing_is_deleted(
    production: Production, product: Path
) -> None:
    finding = damaged(production, product)
    receipt = current_receipt(production, "dl1ab", "Run02008.0003")
    assert receipt
    assert presence(production, receipt) is Presence.COMPLETE  # this is why it must be moved
    place = set_aside(finding)
    assert place
    assert place.read_bytes() == b"PARAMETERS"
    assert json.loads((place.parent / "why.json").read_text())["path"] == str(product)
    assert presence(production, receipt) is Presence.LOST
    assert set(product_files(production)) == {Path("dl1_LST-1.h5")}


def test_what_was_made_again_meanwhile_is_not_moved(production: Production, product: Path) -> None:
    finding = damaged(production, product)
    make(production, 2)
    assert set_aside(finding) is None
    assert product.read_bytes() == b"parameters"
    assert not list((production.state / "aside").rglob("*.json"))


def test_what_is_gone_or_cannot_be_read_is_not_moved(production: Production, product: Path) -> None:
    finding = damaged(production, product)
    product.unlink()
    assert set_aside(finding) is None
    (missing,) = check(production, NAME).findings
    assert set_aside(missing) is None
    assert set_aside(replace(finding, fault=Fault.UNREADABLE)) is None


def test_productions_that_share_a_damaged_file_are_named(production: Production, product: Path) -> None:
    receipt = current_receipt(production, "dl1ab", "Run02008.0003")
    other, third = (Production(production.root.parent / name) for name in ("v2", "v3"))
    assert receipt
    assert link_product(production, receipt, other)
    make(third)
    product.chmod(0o644)
    finding = damaged(production, product)
    assert sharing(production, finding) == [other]
    assert os.stat(product).st_nlink == 2  # noqa: PTH116
