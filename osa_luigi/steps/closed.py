"""A night that is closed, as its own files say: what it declared, and where each of its products lies."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from osa_luigi.errors import NightError, ProductError
from osa_luigi.products.production import Production
from osa_luigi.products.receipt import Made, Presence, ReceiptBook, current_receipt, presence
from osa_luigi.steps.close import Close, read_listing
from osa_luigi.steps.making import NIGHT


@dataclass(frozen=True)
class ClosedNight:
    """One night of one procedure, or what an analysis made of many nights.

    Parameters
    ----------
    day
        `None` for many nights.
    declared
        ``<step>.<unit>`` → step key, of all that it holds.
    decisions
        By which runs and subruns are left out.
    """

    production: Production
    procedure: str
    day: date | None
    declared: Mapping[str, str]
    decisions: tuple[Mapping[str, Any], ...] = ()

    def products(self, book: ReceiptBook, step: str, role: str) -> Iterator[tuple[str, str, Made]]:
        """Unit, step key and file of each output that was made; what a step may leave out, it may have left out.

        Parameters
        ----------
        book
            The production's receipts.

        Raises
        ------
        NightError
            What was declared is not there any more, or was made otherwise since.
        """
        for name, key in self.declared.items():
            if name.partition(".")[0] != step:
                continue
            receipt = book.receipt(name)
            if receipt is None or receipt.key != key:
                raise NightError(
                    f"{self.production.root}: {name} is not what the night was closed with. Run the night again, then this."
                )
            unit = name.partition(".")[2]
            yield from ((unit, key, made) for made in receipt.outputs if _is_of(made.role, role))


def _is_of(role: str, wanted: str) -> bool:
    return role.startswith(wanted) if wanted.endswith(":") else role == wanted


def is_closed(production: Production) -> bool:
    """Whether the marker of a closed night is there, by its receipt; raw files that came since are not looked for."""
    with contextlib.suppress(ProductError, OSError):
        receipt = current_receipt(production, Close.name, NIGHT)
        return receipt is not None and presence(production, receipt) is not Presence.LOST
    return False


def closed_night(production: Production, procedure: str, day: date | None, command: str) -> ClosedNight:
    """What a closed night holds.

    Parameters
    ----------
    command
        By which it is made, for the error's text.

    Raises
    ------
    NightError
        It is not closed, or the list of what it holds cannot be read.
    """
    receipt = current_receipt(production, Close.name, NIGHT) if is_closed(production) else None
    if receipt is None:
        raise NightError(
            f"{production.root}: the {'night is' if day else 'nights are'} not closed. Run it first: {command}"
        )
    named = next(Path(item["path"]).name for item in receipt.inputs if item["role"] == "declared")
    listing = production.state / "configs" / named
    try:
        declared, decisions = read_listing(listing)
    except (OSError, ValueError) as error:
        raise NightError(f"{listing}: cannot be read ({error}). Run the night again: it is written anew.") from error
    return ClosedNight(production, procedure, day, declared, tuple(decisions))
