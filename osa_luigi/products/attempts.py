"""The exit records of attempts: what happened in each, where, and at what cost."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from osa_luigi.jsontext import parsed
from osa_luigi.products.paperwork import ATTEMPTS, LOGS, Paperwork, runs_with
from osa_luigi.products.production import Production
from osa_luigi.products.receipt import Receipt

Record = Mapping[str, Any]
"""An attempt's exit record."""


def read_records(
    production: Production, run: str = "", known: Mapping[str, Record] | None = None
) -> dict[str, list[Record]]:
    """``<step>.<unit>`` → exit records of its attempts, the oldest first. A record that cannot be read is passed over.

    Parameters
    ----------
    run
        Only of this one and its subruns, or of ``night``.
    known
        Attempt's id → its record, as receipts have it: of these no file is read.

    Raises
    ------
    ProductError
        An archive is damaged.
    """
    found: dict[str, list[Record]] = {}
    for papers in (Paperwork(production, one) for one in ([run] if run else runs_with(production, ATTEMPTS))):
        for record in _records(papers, known or {}):
            with contextlib.suppress(KeyError, TypeError):
                found.setdefault(f"{record['step']}.{record['unit']}", []).append(record)
    return {name: sorted(records, key=_id) for name, records in found.items()}


def known_records(receipts: Iterable[Receipt]) -> dict[str, Record]:
    """Attempt's id → its record, of the attempts that made what these receipts tell of.

    What was committed was made: where a disk went away just after that, the attempt's own record says that it failed.
    """
    attempts = (receipt.attempt for receipt in receipts)
    return {str(attempt["id"]): attempt for attempt in attempts if attempt.keys() >= WHOLE}


WHOLE = frozenset({"id", "step", "unit", "key", "outcome", "started", "ended", "cpu_s", "verify_cpu_s", "log"})
"""What a record has that was not cut short."""


def _records(papers: Paperwork, known: Mapping[str, Record]) -> Iterator[Record]:
    told = {}
    for name in papers.names(ATTEMPTS) if known else ():
        if record := known.get(name.removesuffix(".json").rpartition(".")[2]):  # <step>.<unit>.<attempt's id>.json
            told[name] = record
    yield from told.values()
    for content in papers.contents(ATTEMPTS, told).values():
        with contextlib.suppress(ValueError):
            yield parsed(content)


def log_place(production: Production, record: Record) -> str:
    """Where the attempt's log lies: a path, or an archive's and the member's name in it; empty if nothing ran."""
    papers, name = Paperwork(production, str(record["unit"])), Path(record["log"]).name
    return papers.place(LOGS, name) if papers.holds(LOGS, name) else ""


def _id(record: Record) -> str:
    """Sorts by time."""
    return str(record["id"])
