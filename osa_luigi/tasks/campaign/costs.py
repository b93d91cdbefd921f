"""What steps cost, by the receipts of nights that were made: the median of each step, and how many receipts it rests on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from statistics import median

from osa_luigi.config import MainConfig
from osa_luigi.errors import OsaError
from osa_luigi.ledger.site import Choice, productions
from osa_luigi.products.production import Production
from osa_luigi.products.receipt import Receipt, ReceiptBook
from osa_luigi.steps.close import Close
from osa_luigi.steps.fake import pretended
from osa_luigi.steps.publish import Publish

NIGHTS = 20
"""Nights that are looked at, the newest ones."""

ENOUGH = 200
"""Receipts of a step from which its median is taken, at most."""

OF_EACH = 25
"""Receipts of a step that one production gives, at most: not all of them are of the same night."""


NEVER_FAKED = (Close.name, Publish.name)


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one unit of a step.

    Parameters
    ----------
    cpu_s
        CPU time with verification, s.
    size
        Of its products, bytes.
    receipts
        That it rests on.
    """

    cpu_s: float
    size: float
    receipts: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """What is still to be made.

    Parameters
    ----------
    unknown
        Step → units of which there is no receipt to go by: they are not in the sums.
    receipts
        Step → receipts that its cost rests on.
    """

    core_hours: float
    gigabytes: float
    unknown: Mapping[str, int]
    receipts: Mapping[str, int]


def costs(main: MainConfig, *, faked: bool) -> dict[str, Cost]:
    """Step → what one unit of it cost in earlier nights.

    Parameters
    ----------
    faked
        Whether fake steps are asked for: they say nothing about real ones.
    """
    found: dict[str, list[tuple[float, int]]] = {}
    for production in _newest(main):
        for receipt in _some(production, {step for step, known in found.items() if len(known) >= ENOUGH}):
            if not receipt.linked_from and (receipt.step in NEVER_FAKED or pretended(receipt) is faked):
                found.setdefault(receipt.step, []).append((_cpu(receipt), sum(made.size for made in receipt.outputs)))
    return {
        step: Cost(median(cpu for cpu, _ in known), median(size for _, size in known), len(known))
        for step, known in found.items()
    }


def estimate(to_make: Mapping[str, int], known: Mapping[str, Cost]) -> Estimate:
    """What so many units of each step will cost."""
    good = {step: count for step, count in to_make.items() if step in known}
    return Estimate(
        core_hours=round(sum(known[step].cpu_s * count for step, count in good.items()) / 3600, 3),
        gigabytes=round(sum(known[step].size * count for step, count in good.items()) / 2**30, 3),
        unknown={step: count for step, count in to_make.items() if step not in known},
        receipts={step: known[step].receipts for step in good},
    )


def _newest(main: MainConfig) -> list[Production]:
    try:
        found = productions(main, Choice(last=NIGHTS))
    except OsaError:
        return []  # nothing was made yet
    return list(reversed(found.values()))


def _some(production: Production, enough: Iterable[str]) -> Iterator[Receipt]:
    """Some receipts of each step that there are not enough of, spread over the night."""
    by_step: dict[str, list[str]] = {}
    try:
        book = ReceiptBook(production)
    except (OsaError, OSError):
        return
    for name in book.names():
        by_step.setdefault(name.partition(".")[0], []).append(name)
    for step in by_step.keys() - set(enough):
        names = by_step[step]
        for name in names[:: max(1, len(names) // OF_EACH)][:OF_EACH]:
            try:
                receipt = book.receipt(name)
            except (OsaError, OSError):
                continue
            if receipt:
                yield receipt


def _cpu(receipt: Receipt) -> float:
    attempt = receipt.attempt
    return float(attempt.get("cpu_s") or 0.0) + float(attempt.get("verify_cpu_s") or 0.0)
