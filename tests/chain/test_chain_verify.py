"""Real products: whatever happens to any kind of them is found, and what they were made from is true."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from astropy.io import fits
from prov.model import ProvDerivation, ProvDocument, ProvEntity

from osa_luigi.errors import VerificationError
from osa_luigi.ledger.find import find_product
from osa_luigi.ledger.lineage import Books, trace
from osa_luigi.ledger.provenance import document
from osa_luigi.products.commit import receipt_path
from osa_luigi.products.integrity import Fault, Finding
from osa_luigi.products.production import Production
from osa_luigi.products.receipt import ReceiptBook, current_receipt
from osa_luigi.tasks.verify import diagnosed, origins_checked, verified
from tests.drills.nights import Site


def _flip(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 16]) + content[middle + 1 :]


def _truncate(content: bytes) -> bytes:
    return content[: len(content) // 2]


def _empty(content: bytes) -> bytes:
    return content[:0]


def _kinds(production: Production) -> dict[tuple[str, str], Path]:
    """A product of each step and role."""
    book = ReceiptBook(production)
    receipts = (receipt for name in book.names() if (receipt := book.receipt(name)))
    return {(one.step, made.role): production.root / made.path for one in receipts for made in one.outputs}


def _findings(production: Production, *, deep: bool = False) -> Iterator[Finding]:
    asked = [(production, name) for name in ReceiptBook(production).names()]
    return (finding for checked in verified(asked, 2, deep=deep) for finding in checked.findings)


def test_damage_in_every_kind_of_real_product_is_found(elsewhere: Site) -> None:
    production = elsewhere.production("donor")
    kinds = _kinds(production)
    assert len(kinds) > 15
    assert not list(_findings(production, deep=True))
    whole = {path: path.read_bytes() for path in kinds.values()}
    damages: tuple[tuple[Callable[[bytes], bytes], Fault], ...] = (
        (_flip, Fault.BYTES),
        (_truncate, Fault.SIZE),
        (_empty, Fault.SIZE),
    )
    for damage, fault in damages:
        for path, content in whole.items():
            _replace(path, damage(content))
        assert {(one.path, one.fault) for one in _findings(production)} == {(path, fault) for path in whole}


def test_what_is_wrong_inside_a_damaged_file_is_told(elsewhere: Site) -> None:
    production = elsewhere.production("donor")
    dl2, muons = next(production.root.rglob("dl2_LST-1.*.h5")), production.root / "muons_LST-1.Run02003.fits"
    content = dl2.read_bytes()
    _replace(dl2, content[:2000] + bytes(len(content) - 2000))  # HDF5 reads it as a pointer to nowhere, and dies
    with fits.open(muons) as hdus:
        first = hdus[1].fileinfo()["datLoc"]
    table = muons.read_bytes()
    _replace(muons, table[:first] + bytes([table[first] ^ 64]) + table[first + 1 :])
    told = {one.path: diagnosed(one).what for one in _findings(production)}
    assert "the library that reads it fails on it" in told[dl2]
    assert "its tables hold other values than when it was made" in told[muons]


def test_a_reader_that_dies_on_right_bytes_is_told(elsewhere: Site) -> None:
    """As if a library of another version could not read what was made with an older one."""
    production = elsewhere.production("donor")
    path = next(production.root.rglob("dl2_LST-1.*.h5"))
    content = path.read_bytes()
    _replace(path, content[:2000] + bytes(len(content) - 2000))
    receipt = current_receipt(production, "dl2", "Run02003")
    assert receipt
    made = replace(receipt.outputs[0], sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    later = replace(receipt, generation=receipt.generation + 1, outputs=(made,))
    receipt_path(production, later).parent.mkdir(parents=True, exist_ok=True)
    receipt_path(production, later).write_text(later.text())
    assert not list(_findings(production))
    with pytest.raises(VerificationError, match="a reader of products died"):
        list(_findings(production, deep=True))


def _replace(path: Path, content: bytes) -> None:
    path.unlink()  # a hard link to the kept night's
    path.write_bytes(content)


def test_a_dl2_file_is_walked_to_its_raw_files_with_all_hashes_right(night: Site) -> None:
    path = next(night.production("tiny").root.rglob("dl2_LST-1.*.h5"))
    books = Books()
    lineage = trace([find_product(path, books, None).making], books)
    assert not list(origins_checked(lineage))
    doc = ProvDocument.deserialize(content=document(lineage).serialize(format="json"), format="json")
    told = {
        one.identifier: {name.localpart: value for name, value in one.attributes} for one in doc.get_records(ProvEntity)
    }
    reached = _reached(doc, next(name for name, entity in told.items() if entity.get("level") == "DL2"))
    products = [told[name] for name in reached if "sha256" in told[name]]
    raw = {Path(told[name]["location"]) for name in reached if told[name].get("level") == "R0"}
    assert len(products) > 8
    for one in products:
        assert hashlib.sha256(Path(one["location"]).read_bytes()).hexdigest() == one["sha256"]
    assert raw == set(night.raw.glob("LST-1.?.Run*.fits.fz"))


def _reached(doc: ProvDocument, start: object) -> set[object]:
    """Everything that an entity was derived from, and itself."""
    derived: dict[object, set[object]] = {}
    for record in doc.get_records(ProvDerivation):
        given, used = record.args[:2]
        derived.setdefault(given, set()).add(used)
    seen, ahead = {start}, [start]
    while ahead:
        new = derived.get(ahead.pop(), set()) - seen
        seen |= new
        ahead += new
    return seen
