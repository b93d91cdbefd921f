"""Looking at a night: what is read in one pass is what single looks see, and nothing is imported that only an engine needs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable

import pytest
from fake_nights import DAY, FakeSite

from osa_luigi.errors import ProductError
from osa_luigi.products.attempts import known_records, read_records
from osa_luigi.products.production import Production
from osa_luigi.products.receipt import Receipt, ReceiptBook
from osa_luigi.tasks.looking import overview
from osa_luigi.tasks.opening import open_session
from osa_luigi.tasks.verdict import Missing, next_of

HEAVY = {"astropy", "jinja2", "lstchain", "luigi", "numpy", "psutil", "sqlalchemy", "tables"}


def half_loose(site: FakeSite) -> Production:
    """One run's paperwork is archived, the other's lies there as files, and some of that at both places."""
    place = site.production()
    kept = {path: path.read_bytes() for path in place.archives.glob("Run02003*")}
    site.loosen()
    for path, content in kept.items():
        path.write_bytes(content)
    for receipt in sorted((place.state / "receipts" / "Run02003").iterdir())[::2]:
        receipt.unlink()
    return place


STATES: dict[str, Callable[[FakeSite], Production]] = {
    "archived": lambda site: site.production(),
    "loose": lambda site: site.loosen(),
    "half": half_loose,
}


def receipts(book: ReceiptBook) -> dict[str, Receipt | None]:
    return {name: book.receipt(name) for name in book.names()}


@pytest.mark.parametrize("state", STATES)
def test_one_pass_sees_what_single_looks_see(finished: FakeSite, state: str) -> None:
    place = STATES[state](finished)
    single, at_once = ReceiptBook(place), ReceiptBook(place, at_once=True)
    told = receipts(single)
    assert receipts(at_once) == told
    assert len(told) > 20
    assert {name: at_once.presence(name) for name in told} == {name: single.presence(name) for name in told}
    assert {name: at_once.key(name) for name in told} == {name: single.key(name) for name in told}


@pytest.mark.parametrize("state", STATES)
def test_records_are_taken_from_the_receipts_that_hold_them(finished: FakeSite, state: str) -> None:
    place = STATES[state](finished)
    known = known_records(one for one in receipts(ReceiptBook(place)).values() if one)
    assert len(known) > 20
    read, taken = read_records(place), read_records(place, known=known)
    # The record is written after the receipt, so it ended a little later.
    assert [{**one, "ended": ""} for name in sorted(read) for one in read[name]] == [
        {**one, "ended": ""} for name in sorted(taken) for one in taken[name]
    ]


def test_failed_attempts_are_read_beside_the_known_ones(finished: FakeSite) -> None:
    place = finished.production()
    known = known_records(one for one in receipts(ReceiptBook(place)).values() if one)
    name = "dl2.Run02003"
    failed = {**read_records(place)[name][-1], "id": "20990101T000000-node-1-0000abcd", "outcome": "failed"}
    file = place.attempts("Run02003") / f"{name}.{failed['id']}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(failed))
    assert [one["outcome"] for one in read_records(place, known=known)[name]] == ["made", "failed"]


def test_a_damaged_receipt_is_told_by_who_asks_for_it(finished: FakeSite) -> None:
    place = finished.loosen()
    (place.receipts("Run02003") / "dl2.Run02003.1.json").write_text("{")
    book = ReceiptBook(place, at_once=True)
    assert book.receipt("merge_dl1.Run02003")
    with pytest.raises(ProductError, match=r"dl2\.Run02003\.1\.json: not a receipt"):
        book.receipt("dl2.Run02003")


def test_a_session_that_only_looks_sees_the_same_night(finished: FakeSite) -> None:
    looking, working = (open_session(finished.config, DAY, to_write=write) for write in (False, True))
    assert overview(looking).as_json() == overview(working).as_json()


def test_status_imports_nothing_that_only_an_engine_needs(finished: FakeSite) -> None:
    program = (
        "import sys; from osa_luigi.cli.app import app; app(['status', '--date', '2024-11-15'], standalone_mode=False);"
        f" print('heavy:', sorted({HEAVY!r} & sys.modules.keys()))"
    )
    environment = {
        **os.environ,
        "OSA_CONFIG": str(finished.config),
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert "CLOSED at" in done.stdout
    assert done.stdout.endswith("heavy: []\n")


def test_what_to_do_about_several_units_is_one_command() -> None:
    one = Missing("dl1ab", "Run02003.0001", "out of memory", "osa retry Run02003.0001 …", "osa retry --all …")
    other = Missing("dl1ab", "Run02003.0002", "out of memory", "osa retry Run02003.0002 …", "osa retry --all …")
    assert next_of([one]) == "osa retry Run02003.0001 …"
    assert next_of([one, other]) == "osa retry --all …"
    same = Missing("dl2", "Run02003", "not made yet", "luigi …")
    assert next_of([same, same]) == "luigi …"
