"""What a production was begun with stays while its night is taken: found again from its receipts.

Calibration runs may come late, and the drive log grows all night. Neither may change what products are made from that are there already.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from osa_luigi.errors import NightError, ProductError
from osa_luigi.night import (
    CalibrationSource,
    DataLevel,
    DriveLog,
    Night,
    Pointing,
    find_calibration,
    parse_date,
    run_label,
)
from osa_luigi.products.identity import digest
from osa_luigi.products.production import Production
from osa_luigi.products.receipt import Receipt, ReceiptBook, current_receipt
from osa_luigi.steps.charge_calibration import ChargeCalibration
from osa_luigi.steps.making import run_of
from osa_luigi.steps.materials import production_of

CHARGES = ChargeCalibration.name

Books = Callable[[Production], ReceiptBook]


@dataclass(frozen=True, slots=True)
class Choice:
    """Which runs calibrate a night, if any, and later ones that would if it had not begun."""

    source: CalibrationSource | None
    newer: CalibrationSource | None = None


def choose_calibration(
    night: Night, look_back_days: int, production: Production, books: Books, observed: Callable[[date], Night]
) -> Choice:
    """The runs that a production was begun with, else the latest; of an earlier night those that it holds a calibration of.

    Raises
    ------
    NightError
        There are none within `look_back_days`.
    """
    source = calibration_in_use(night, books(production))
    try:
        latest = find_calibration(night.date, look_back_days, observed)
    except NightError:
        if source is None:
            raise
        return Choice(source)

    def made(day: date) -> CalibrationSource | None:
        return calibration_made(day, books(production_of(production, day)))

    source = source or find_calibration(night.date, look_back_days, observed, made)
    return Choice(source, latest if latest > source else None)


def calibration_in_use(night: Night, book: ReceiptBook) -> CalibrationSource | None:
    """The runs that calibrated what a night's production holds; `None` if nothing was calibrated yet.

    They may be of an earlier night.
    """
    for name in _calibrated(night):
        receipt = book.receipt(name)
        source = _source(receipt) if receipt else None
        if source:
            return source
    return None


def calibration_made(day: date, book: ReceiptBook) -> CalibrationSource | None:
    """The runs of which a production holds a whole calibration, made for its own night or for a later one."""
    charges = [name for name in book.names() if name.startswith(f"{CHARGES}.")]
    receipt = book.receipt(charges[-1]) if charges else None
    pedestal = _product(receipt, "pedestal") if receipt else None
    if receipt is None or pedestal is None:
        return None
    return CalibrationSource(day, _run(pedestal), run_of(receipt.unit))


def _calibrated(night: Night) -> Iterator[str]:
    """What may have been made with the night's calibration: ``<step>.<unit>``."""
    for run in night.data_runs:
        levels = ((subrun.label, run.level_of(subrun)) for subrun in run.subruns)
        yield from (f"r0_to_dl1.{label}" for label, level in levels if level is not DataLevel.CALIBRATED)
        yield f"cat_b.{run.label}"


def _source(receipt: Receipt) -> CalibrationSource | None:
    """The runs behind the charge calibration that a step took."""
    charges = _product(receipt, "calibration")
    if charges is None:
        return None
    # running_analysis/<YYYYMMDD>/<production id>/calibration/<file>
    production, pedcal = Production(charges.parents[1]), _run(charges)
    made = None if _product(receipt, "pedestal") else current_receipt(production, CHARGES, run_label(pedcal))
    baseline = _product(made or receipt, "pedestal")
    return CalibrationSource(parse_date(charges.parents[2].name), _run(baseline), pedcal) if baseline else None


def _product(receipt: Receipt, role: str) -> Path | None:
    """Where a receipt's input of a role lay, if it is a product."""
    return next((Path(item["path"]) for item in receipt.inputs if item["role"] == role and item["key"]), None)


def _run(product: Path) -> int:
    match = re.search(r"\.(Run\d{5,})\.", product.name)
    if match is None:
        raise ProductError(
            f"{product}: a receipt names it as a calibration, but the name says no run. Move the receipt aside and run again."
        )
    return run_of(match[1])


def pointings_in_use(night: Night, book: ReceiptBook) -> dict[str, Mapping[str, Any]]:
    """Subrun → identity of the pointing that its DL1a was made with, where the drive log has only grown since.

    Raises
    ------
    NightError
        The drive log cannot be read.
    """
    found: dict[str, Mapping[str, Any]] = {}
    grown = _Grown(night)
    for run in night.data_runs:
        if run.pointing is None or run.pointing.interval is None:
            continue  # it is identified by its name, which does not change
        for subrun in run.subruns:
            receipt = book.receipt(f"r0_to_dl1.{subrun.label}")
            before = _identity(receipt, "pointing") if receipt else None
            if before and grown.only(before, run.pointing):
                found[subrun.label] = before
    return found


class _Grown:
    """Whether a drive log has only grown, looked at once for each pointing."""

    def __init__(self, night: Night) -> None:
        self._path = night.drive_log
        self._log: DriveLog | None = None
        self._answers: dict[str, bool] = {}

    def only(self, before: Mapping[str, Any], now: Pointing) -> bool:
        question = digest(before)
        if question not in self._answers:
            self._answers[question] = before.get("log") == now.log and self._has(before)
        return self._answers[question]

    def _has(self, before: Mapping[str, Any]) -> bool:
        if "interval" not in before or self._path is None:
            return True  # made when nothing of the log was there
        self._log = self._log or DriveLog.read(self._path)
        begin, end = before["interval"]
        return self._log.goes_on_from(begin, end, before["sha256"])


def _identity(receipt: Receipt, role: str) -> Mapping[str, Any] | None:
    return next((item["identity"] for item in receipt.inputs if item["role"] == role), None)
