"""The rows of one production, from its files."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path

from osa_luigi.errors import NightError
from osa_luigi.ledger.arrays import jobs
from osa_luigi.ledger.models import Attempt, Base, Decision, Job, Night, Product, Run, Subrun
from osa_luigi.ledger.records import Row, attempt_row, decision_rows, product_rows
from osa_luigi.ledger.sources import Declared, Source, in_force
from osa_luigi.ledger.values import moment, place_of, text
from osa_luigi.night import RUN_CATALOG, RUN_SUMMARY
from osa_luigi.night.catalog import read_run_catalog
from osa_luigi.night.dates import parse_date
from osa_luigi.night.summary import read_run_summary
from osa_luigi.products.production import Production
from osa_luigi.products.receipt import Receipt

DATA = "DATA"
CLOSE = "close.night"

_RUN = re.compile(r"\.Run(\d{5,9})\.", re.ASCII)

Rows = dict[type[Base], list[Row]]


@dataclass(frozen=True, slots=True)
class Observed:
    """Where it is said what was observed: folders of run summaries and run catalogs."""

    run_summary: Path
    run_catalog: Path

    def files(self, day: date) -> tuple[Path, Path]:
        """Run summary and run catalog of a night, whether or not they are there."""
        return self.run_summary / RUN_SUMMARY.format(day), self.run_catalog / RUN_CATALOG.format(day)


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read of a production, and how many files could not be."""

    rows: Rows
    unreadable: tuple[str, ...]


def read_production(production: Production, day: date, observed: Observed) -> Reading:
    """All rows of a production, each table's without two of the same key.

    Raises
    ------
    OSError
        The production's folders cannot be listed.
    ProductError
        An archive is damaged.
    """
    source = Source(production)
    rows = _Making(source, day, observed).rows()
    keyed = {table: _unique(table, of_table) for table, of_table in rows.items()}
    return Reading(keyed, tuple(source.unreadable))


def _unique(table: type[Base], rows: Iterable[Row]) -> list[Row]:
    """By primary key, in its order."""
    key = [column.name for column in table.__table__.primary_key]
    found = {tuple(row[name] for name in key): row for row in rows}
    return [found[one] for one in sorted(found)]


@dataclass
class _Sums:
    """What adds up over a subrun."""

    declared: int = 0
    made: int = 0
    attempts: int = 0
    failed: int = 0
    cpu_s: float = 0.0


@dataclass
class _Books:
    """What the receipts say, without the receipts: those of a large night take hundreds of MB."""

    keys: dict[str, str] = field(default_factory=dict)
    closed: Receipt | None = None
    calibration: tuple[date | None, int | None] = (None, None)
    drs4_run: int | None = None
    lstchain: set[str] = field(default_factory=set)


class _Making:
    """Makes the rows of one production; its files are read once."""

    def __init__(self, source: Source, day: date, observed: Observed) -> None:
        self._source = source
        self._observed = observed
        self._night = {"date": day, "production": source.production.id}
        self._day = day
        self._books = _Books()

    def rows(self) -> Rows:
        products = [row for receipt in self._source.receipts() for row in self._products(receipt)]
        attempts = [{**self._night, **attempt_row(record)} for record in self._source.attempts()]
        decisions = [{**self._night, **row} for row in decision_rows(self._source.decisions())]
        subruns = self._subruns(attempts, decisions)
        runs = self._runs(subruns, [*products, *attempts, *decisions])
        rows: Rows = {
            Run: runs,
            Subrun: subruns,
            Attempt: attempts,
            Job: [{**self._night, **row} for row in jobs(self._source)],
            Product: products,
            Decision: decisions,
        }
        return {Night: [self._sums(rows)], **rows}

    # ---- receipts ------------------------------------------------------------------------------------------------

    def _products(self, receipt: Receipt) -> list[Row]:
        self._note(receipt)
        return [{**self._night, **row} for row in product_rows(receipt)]

    def _note(self, receipt: Receipt) -> None:
        books = self._books
        books.keys[receipt.name] = receipt.key
        if receipt.name == CLOSE:
            books.closed = receipt
        if version := receipt.software.get("lstchain"):
            books.lstchain.add(str(version))
        # The first subrun's will do: a production keeps the calibration that it was begun with.
        if books.calibration == (None, None) and (charges := _product(receipt, "calibration")):
            books.calibration = _night_of(charges), _run_of(charges)
        if books.drs4_run is None and (baseline := _product(receipt, "pedestal")):
            books.drs4_run = _run_of(baseline)

    # ---- what was observed, planned, made -------------------------------------------------------------------------

    def _subruns(self, attempts: Iterable[Row], decisions: Iterable[Row]) -> list[Row]:
        sums: dict[tuple[int, int], _Sums] = {}

        def of(run: int | None, subrun: int | None) -> _Sums:
            return _Sums() if run is None or subrun is None else sums.setdefault((run, subrun), _Sums())

        for name, declared, made in self._steps():
            found = of(*place_of(name.partition(".")[2]))
            found.declared += declared
            found.made += made
        for row in attempts:
            found = of(row["run"], row["subrun"])
            found.attempts += 1
            found.failed += row["outcome"] == "failed"
            found.cpu_s = round(found.cpu_s + _cpu_s(row), 3)
        for row in decisions:
            of(row["run"], row["subrun"])
        return [{**self._night, "run": run, "subrun": subrun, **vars(one)} for (run, subrun), one in sums.items()]

    def _steps(self) -> Iterator[tuple[str, bool, bool]]:
        """``<step>.<unit>``, whether it was declared, and whether it is made; without a plan what is made alone."""
        keys = self._books.keys
        declared = self._declared
        for name, key in declared.items():
            yield name, True, keys.get(name) == key
        for name in keys.keys() - declared.keys():
            yield name, False, not declared

    @cached_property
    def _list(self) -> Declared | None:
        books = self._books
        return in_force(self._source.declared(), books.keys, _declared_by(books.closed) if books.closed else "")

    @property
    def _declared(self) -> Mapping[str, str]:
        return self._list.keys if self._list else {}

    def _runs(self, subruns: Iterable[Row], others: Iterable[Row]) -> list[Row]:
        counts = Counter(row["run"] for row in subruns)
        types, sources = self._summary(), self._catalog()
        named = {row["run"] for row in others if row["run"] is not None} | set(counts) | set(types)
        return [
            {
                **self._night,
                "run": run,
                "run_type": types.get(run),
                "source": sources.get(run),
                "subruns": counts[run],
            }
            for run in named
        ]

    def _summary(self) -> dict[int, str]:
        path = self._observed.files(self._day)[0]
        if not path.exists():
            return {}
        try:
            return {row.run_id: str(row.run_type) for row in read_run_summary(path, self._day)}
        except NightError as error:
            self._source.unreadable.append(str(error))
            return {}

    def _catalog(self) -> dict[int, str]:
        try:
            found = read_run_catalog(self._observed.files(self._day)[1])
        except NightError as error:
            self._source.unreadable.append(str(error))
            return {}
        return {run: text(source.name, 64) for run, source in found.items()}

    def _sums(self, rows: Rows) -> Row:
        declared = self._declared
        made = sum(self._books.keys.get(name) == key for name, key in declared.items())
        taken = [row for row in rows[Run] if row["subruns"] and row["run_type"] in (DATA, None)]
        attempts = rows[Attempt]
        calibration_date, pedcal_run = self._books.calibration
        return {
            **self._night,
            "folder": text(self._source.production.root),
            "state": self._state(bool(declared) and made == len(declared)),
            "closed": moment(self._books.closed.attempt.get("ended")) if self._books.closed else None,
            "declared": len(declared) or None,
            "made": made if declared else None,
            "calibration_date": calibration_date,
            "drs4_run": self._books.drs4_run,
            "pedcal_run": pedcal_run,
            "lstchain": text(", ".join(sorted(self._books.lstchain)), 64),
            "runs": len(taken),
            "subruns": sum(row["subruns"] for row in taken),
            "attempts": len(attempts),
            "failed": sum(row["outcome"] == "failed" for row in attempts),
            "cpu_s": round(sum(map(_cpu_s, attempts)), 3),
            "jobs": len(rows[Job]),
            "products": len(rows[Product]),
            "bytes": sum(row["bytes"] for row in rows[Product]),
            "decisions": len(rows[Decision]),
        }

    def _state(self, whole: bool) -> str:
        if not whole:
            return "open"
        closed = self._books.closed
        same = closed is not None and self._list is not None and _declared_by(closed) == self._list.file
        return "closed" if same and self._source.is_marked() else "complete"


def _declared_by(closed: Receipt) -> str:
    """The name of the list that closing went by."""
    return next((Path(item["path"]).name for item in closed.inputs if item["role"] == "declared"), "")


def _product(receipt: Receipt, role: str) -> Path | None:
    """Where a receipt's input of a role lay, if it is a product."""
    return next((Path(item["path"]) for item in receipt.inputs if item["role"] == role and item["key"]), None)


def _night_of(calibration: Path) -> date | None:
    """Of ``running_analysis/<YYYYMMDD>/<production id>/calibration/<file>``."""
    try:
        return parse_date(calibration.parents[2].name)
    except (NightError, IndexError):
        return None


def _run_of(calibration: Path) -> int | None:
    match = _RUN.search(calibration.name)
    return int(match[1]) if match else None


def _cpu_s(row: Row) -> float:
    return (row["cpu_s"] or 0.0) + (row["verify_cpu_s"] or 0.0)
