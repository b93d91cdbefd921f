from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes import fake_call, staged

from osa_luigi.errors import ProductError, VerificationError
from osa_luigi.products.commit import commit, receipt_path
from osa_luigi.products.decisions import DecisionKind, decide
from osa_luigi.products.production import Production
from osa_luigi.products.receipt import ReceiptBook
from osa_luigi.steps.call import FileInput
from osa_luigi.steps.close import MARKER, SUMMARY, Close, main, missing_products, summary

UNITS = [f"Run02008.{number:04}" for number in range(3)]


def made(production: Production, *units: str, step: str = "dl1ab", **changes) -> dict[str, str]:
    """Commit a product for each unit; what would be declared of them."""
    declared = {}
    for unit in units:
        receipt, scratch = staged(production, {f"{step}.{unit}.h5": b"x" * 1000}, step=step, unit=unit)
        receipt = replace(
            receipt, attempt={"cpu_s": 1.5, "verify_cpu_s": 0.5}, software={"lstchain": "0.12.3"}, **changes
        )
        assert commit(production, receipt, scratch)
        declared[receipt.name] = receipt.key
    return declared


def close(production: Production, declared: dict[str, Any], folder: Path, monkeypatch) -> dict:
    """Run the tool as an attempt does, and judge what it left."""
    listing = production.write_config(declared)
    call = fake_call("close", "night", inputs=(FileInput("declared", str(listing), "list", "list"),))
    folder.mkdir(exist_ok=True)
    monkeypatch.chdir(folder)
    command = Close().command(call)
    monkeypatch.setattr(sys, "argv", [command.tool.command, *command.arguments])
    main()
    return dict(Close().verify(call, {role: folder / place for role, place in Close().produced(call).items()}))


def test_a_night_with_all_that_was_declared_is_closed(production, tmp_path, monkeypatch):
    declared = {**made(production, *UNITS), **made(production, "Run02008", step="merge_dl1", linked_from="v0")}
    assert close(production, declared, tmp_path / "work", monkeypatch) == {"products": 4, "verdict": "COMPLETE"}
    found = json.loads((tmp_path / "work" / SUMMARY).read_text())
    assert found["production"] == "v1"
    assert found["night"] == "20241115"
    assert found["steps"] == {"dl1ab": 3, "merge_dl1": 1}
    assert (found["products"], found["linked"], found["cpu_s"]) == (
        4,
        1,
        6.0,
    )  # what was linked, another production has paid for
    assert found["software"] == {"lstchain": "0.12.3"}
    marker = (tmp_path / "work" / MARKER).read_text()
    assert marker.startswith("Night 20241115, production v1: finished ")
    assert "4 products, 0.0 MB, 6.0 CPU s\n3 dl1ab, 1 merge_dl1\n" in marker


def test_it_can_be_closed_again_and_after_it_has_grown(production, tmp_path, monkeypatch):
    declared = made(production, UNITS[0])
    for _ in range(2):
        assert close(production, declared, tmp_path / "work", monkeypatch) == {"products": 1, "verdict": "COMPLETE"}
    declared |= made(production, *UNITS[1:])
    assert close(production, declared, tmp_path / "more", monkeypatch) == {"products": 3, "verdict": "COMPLETE"}


def test_an_empty_night_is_closed_too(production, tmp_path, monkeypatch):
    assert close(production, {}, tmp_path / "work", monkeypatch) == {"products": 0, "verdict": "COMPLETE"}


def test_what_was_not_declared_is_not_counted(production, tmp_path, monkeypatch):
    declared = made(production, *UNITS)
    made(production, "Run02009")
    assert close(production, declared, tmp_path / "work", monkeypatch) == {"products": 3, "verdict": "COMPLETE"}


def lose(production: Production, unit: str) -> None:
    (production.root / f"dl1ab.{unit}.h5").unlink()


def shorten(production: Production, unit: str) -> None:
    (production.root / f"dl1ab.{unit}.h5").write_text("short")


def break_receipt(production: Production, unit: str) -> None:
    (production.receipts(unit) / f"dl1ab.{unit}.1.json").write_text("{")


@pytest.mark.parametrize(
    ("damage", "trouble"),
    [
        (lose, "made, but its files are gone or of another size"),
        (shorten, "made, but its files are gone or of another size"),
        (break_receipt, "not a receipt that this version can read"),
    ],
)
def test_it_says_of_each_product_what_is_wrong(production, damage, trouble):
    declared = made(production, *UNITS)
    damage(production, UNITS[1])
    (line,) = missing_products(ReceiptBook(production), declared)
    assert line.startswith(f"dl1ab.{UNITS[1]}: ")
    assert trouble in line


def test_what_was_never_made_or_made_otherwise_is_missing(production):
    declared = {**made(production, *UNITS), "dl1ab.Run02009": "k" * 40, f"dl1ab.{UNITS[0]}": "a" * 40}
    assert missing_products(ReceiptBook(production), declared) == [
        f"dl1ab.{UNITS[0]}: made with step key kkkkkkkkkkkk, declared aaaaaaaaaaaa",
        "dl1ab.Run02009: not made",
    ]


def test_what_was_not_moved_yet_is_not_called_lost(production, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr("osa_luigi.products.commit.finish_move", lambda *_: None)
        declared = made(production, UNITS[0])
    (line,) = missing_products(ReceiptBook(production), declared)
    assert line.endswith("made, but its files were not moved to their places yet")


def test_an_unfinished_night_leaves_no_marker_and_names_the_first_of_many(production, tmp_path, monkeypatch):
    declared = {f"dl1ab.Run{run:05}": "k" for run in range(30)} | made(production, UNITS[0])
    with pytest.raises(ProductError) as caught:
        close(production, declared, tmp_path / "work", monkeypatch)
    lines = str(caught.value).splitlines()
    assert lines[0] == f"{production.root}: 30 of 31 declared products are not there:"
    assert lines[1] == "  dl1ab.Run00000: not made"
    assert lines[-2] == "  … and 10 more"
    assert lines[-1] == "Run the night again: it makes what is missing and nothing else."
    assert not any((tmp_path / "work").iterdir())


@pytest.mark.parametrize(
    ("marker", "found"),
    [("", '{"products": 1}'), ("Night\n", ""), ("Night\n", '{"products": 1'), ("Night\n", "[]"), ("Night\n", "{}")],
)
def test_a_marker_or_summary_that_is_not_whole_is_refused(tmp_path, marker, found):
    (tmp_path / MARKER).write_text(marker)
    (tmp_path / SUMMARY).write_text(found)
    with pytest.raises(VerificationError, match="NightFinished"):
        Close().verify(fake_call("close", "night"), {"marker": tmp_path / MARKER, "summary": tmp_path / SUMMARY})


def test_the_summary_of_nothing_is_a_summary(production):
    found = summary(production, [])
    assert (found["products"], found["cpu_s"], found["software"]) == (0, 0.0, {})


def test_receipts_of_older_generations_do_not_count(production):
    declared = made(production, UNITS[0])
    (production.root / f"dl1ab.{UNITS[0]}.h5").unlink()
    again, scratch = staged(production, {f"dl1ab.{UNITS[0]}.h5": b"y" * 5}, unit=UNITS[0], generation=2, token="b")
    commit(production, again, scratch)
    assert receipt_path(production, again).exists()
    assert missing_products(ReceiptBook(production), declared) == []


def test_a_plan_that_does_not_know_what_was_decided_does_not_close_the_night(production, tmp_path, monkeypatch):
    declared = made(production, *UNITS)
    decision = decide(production, DecisionKind.DISCARD, "Run02008.0007", "no pedestals")
    with pytest.raises(ProductError, match=r"decided since this plan was made: 1 .*Run the night again"):
        close(production, declared, tmp_path / "work", monkeypatch)
    listing = {"products": declared, "decisions": [decision.short()]}
    counts = close(production, listing, tmp_path / "work", monkeypatch)
    assert counts == {"products": 3, "verdict": "COMPLETE_WITH_DECISIONS"}
    found = json.loads((tmp_path / "work" / SUMMARY).read_text())
    assert found["decisions"] == [decision.short()]
    assert found["runs"] == {"Run02008": "COMPLETE_WITH_DECISIONS"}
    decide(production, DecisionKind.UNDO, "Run02008.0007", "after all", undoes=[1])
    with pytest.raises(ProductError, match="decided since"):
        close(production, listing, tmp_path / "work", monkeypatch)


def test_the_summary_stays_small(production, tmp_path, monkeypatch):
    declared = made(production, *(f"Run02008.{number:04}" for number in range(60)))
    close(production, declared, tmp_path / "work", monkeypatch)
    assert (tmp_path / "work" / SUMMARY).stat().st_size < 1000
