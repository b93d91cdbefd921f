"""Rows of what is one file each: products by their receipts, attempts by their exit records, decisions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from osa_luigi.ledger.sources import Json
from osa_luigi.ledger.values import LARGEST_BYTES, moment, number, place_of, prose, real, text
from osa_luigi.products.receipt import Receipt

Row = dict[str, Any]

_REALS = ("wall_s", "cpu_s", "verify_wall_s", "verify_cpu_s", "peak_memory_mb")


def product_rows(receipt: Receipt) -> Iterator[Row]:
    """A row for each file that a receipt names."""
    run, subrun = place_of(receipt.unit)
    for made in receipt.outputs:
        yield {
            "step": text(receipt.step, 64),
            "unit": text(receipt.unit, 64),
            "path": text(made.path),
            "run": run,
            "subrun": subrun,
            "role": text(made.role, 64),
            "generation": number(receipt.generation) or 0,
            "bytes": number(made.size, LARGEST_BYTES) or 0,
            "sha256": text(made.sha256, 64),
            "tables_hash": text(made.tables, 64),
            "step_key": text(receipt.key, 64),
            "made": moment(receipt.attempt.get("ended")),
            "attempt": text(receipt.attempt.get("id"), 128),
            "linked_from": text(receipt.linked_from),
        }


def attempt_row(record: Json) -> Row:
    """Of an exit record that names its step, unit and id."""
    run, subrun = place_of(str(record["unit"]))
    return {
        "step": text(record["step"], 64),
        "unit": text(record["unit"], 64),
        "id": text(record["id"], 128),
        "run": run,
        "subrun": subrun,
        "outcome": text(record.get("outcome"), 16),
        "reason": prose(record.get("reason")),
        "exit_code": number(record.get("exit_code")),
        "signal_number": number(record.get("signal")),
        "timed_out": record.get("timed_out") is True,
        "started": moment(record.get("started")),
        "ended": moment(record.get("ended")),
        **{name: real(record.get(name)) for name in _REALS},
        "host": text(record.get("host"), 255),
        "log": text(record.get("log")),
        "step_key": text(record.get("key"), 64),
    }


def decision_rows(decisions: Iterable[tuple[int, Json]]) -> list[Row]:
    """Of decisions with their numbers."""
    found = list(decisions)
    undone = {one for _, decision in found for one in _numbers(decision.get("undoes"))}
    return [_decision(count, decision, count in undone) for count, decision in found if number(count)]


def _decision(count: int, decision: Json, undone: bool) -> Row:
    unit = text(decision.get("unit"), 64)
    run, subrun = place_of(unit)
    return {
        "number": count,
        "kind": text(decision.get("kind"), 64),
        "unit": unit,
        "run": run,
        "subrun": subrun,
        "reason": prose(decision.get("reason")),
        "decided_by": text(decision.get("by"), 255),
        "who": text(decision.get("user"), 255),
        "host": text(decision.get("host"), 255),
        "decided": moment(decision.get("when")),
        "undoes": text(" ".join(map(str, _numbers(decision.get("undoes")))), 255),
        "undone": undone,
    }


def _numbers(value: Any) -> list[int]:
    many = value if isinstance(value, list) else [value]
    return [one for one in many if number(one) is not None]
