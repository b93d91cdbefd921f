"""A damaged product is moved aside and made again by the next run of the night; readers stay few steps ahead of the report."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fake_nights import FakeSite, run_night

from osa_luigi.products.integrity import Fault
from osa_luigi.products.production import Production
from osa_luigi.products.receipt import ReceiptBook, current_receipt
from osa_luigi.tasks.verify import WAITING, put_aside, verified

MERGED = "tailcut84/dl1_LST-1.Run02003.h5"


def asked(production: Production) -> list[tuple[Production, str]]:
    return [(production, name) for name in ReceiptBook(production).names()]


@pytest.mark.usefixtures("borrowed")
def test_a_damaged_product_is_made_again_once_it_is_out_of_the_way(finished: FakeSite) -> None:
    production = finished.production()
    path = production.root / MERGED
    content = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(content[:-1] + b"X")
    run_night(finished)
    assert path.read_bytes() != content  # of the right size, so nobody knew
    findings = [finding for checked in verified(asked(production), 2) for finding in checked.findings]
    assert [finding.fault for finding in findings] == [Fault.BYTES]
    assert len(put_aside(findings)) == 1
    run_night(finished)
    assert path.read_bytes() == content
    receipt = current_receipt(production, "merge_dl1", "Run02003")
    assert receipt
    assert receipt.generation == 2
    assert not [finding for checked in verified(asked(production), 2) for finding in checked.findings]
    assert finished.is_closed()


def test_a_large_night_is_not_read_ahead(finished: FakeSite) -> None:
    taken = 0

    def endless() -> Iterator[tuple[Production, str]]:
        nonlocal taken
        while True:
            taken += 1
            yield finished.production(), "merge_dl1.Run02003"

    results = verified(endless(), 2)
    assert next(results).findings == ()
    assert next(results).findings == ()
    assert taken <= WAITING * 2 + 2
    results.close()  # type: ignore[attr-defined]
