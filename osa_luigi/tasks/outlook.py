"""How each step of a night's plan stands, and why: by the rules that a run goes by. It starts nothing and changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from osa_luigi.products.production import Production
from osa_luigi.products.receipt import Presence, Receipt
from osa_luigi.steps.call import StepCall
from osa_luigi.steps.standing import Standing, decided_since, difference, is_of_one_unit, standing
from osa_luigi.tasks.session import Session


class Kind(StrEnum):
    """How a step of the plan stands to what the production holds."""

    MADE = "made"
    NEW = "new"
    GROWN = "grown"
    """Made from fewer products than there are now, or before a decision on them: made again."""
    LOST = "lost"
    """Made, but its files are gone or of another size: made again."""
    LINK = "link"
    """Another production of the night holds the same: taken over, not made."""
    CONFLICT = "conflict"
    """Made with other scientific settings or inputs: the step is refused, and the night unless it is a matter of this unit alone."""
    FOREIGN = "foreign"
    """A file without a receipt stands in its place: the step is refused."""


TO_MAKE = (Kind.NEW, Kind.GROWN, Kind.LOST)
REFUSED = (Kind.CONFLICT, Kind.FOREIGN)


@dataclass(frozen=True, slots=True)
class Outlook:
    """A step of the plan, how it stands, and why.

    Parameters
    ----------
    why
        For people.
    detail
        The production that is linked from, or the differences of a conflict.
    """

    production: Production
    call: StepCall
    kind: Kind
    why: str
    detail: tuple[str, ...] = ()
    receipt: Receipt | None = None

    @property
    def made(self) -> bool:
        """Whether the products are there."""
        return self.kind is Kind.MADE

    @property
    def refuses_night(self) -> bool:
        """Whether nothing is made in the night because of it."""
        return self.kind is Kind.CONFLICT and not (self.receipt and is_of_one_unit(self.call, self.receipt))

    @property
    def chosen(self) -> Mapping[str, Any]:
        """What an input was chosen by (see `StepCall`): as the receipt tells it where the step is made, else as it was planned."""
        told: Mapping[str, Any] = (
            self.receipt.counts.get("chosen", {}) if self.receipt and self.made else self.call.chosen
        )
        return told

    @property
    def choice(self) -> str:
        """The same in words; empty where there was nothing to choose."""
        return str(self.chosen.get("lacks") or self.chosen.get("why", ""))

    def as_json(self) -> dict[str, Any]:
        """For a program to read."""
        return {
            "step": self.call.step,
            "unit": self.call.unit,
            "key": self.call.key,
            "production": str(self.production.root),
            "kind": str(self.kind),
            "why": self.why,
            "detail": list(self.detail),
            **({"chosen": dict(self.chosen)} if self.chosen else {}),
        }


def outlooks(session: Session) -> dict[str, Outlook]:
    """``<step>.<unit>`` → how it stands, for every step of the plan, by the rules that a run goes by."""
    return {name: outlook(session, production, call) for name, (production, call) in session.plan.calls.items()}


def outlook(session: Session, production: Production, call: StepCall) -> Outlook:
    """How one step of the plan stands."""
    receipt = session.book(production).receipt(call.name)
    if receipt is None:
        return _without_receipt(session, production, call)
    match standing(call, receipt):
        case Standing.CONFLICT:
            changes = tuple(difference(production, call, receipt, session.plan.configs))
            return Outlook(production, call, Kind.CONFLICT, "made otherwise: " + "; ".join(changes), changes, receipt)
        case Standing.GROWN:
            why = "; ".join(decided_since(call, receipt)) or "made from less than there is now"
            return Outlook(production, call, Kind.GROWN, why, (), receipt)
    if session.book(production).presence(call.name, receipt) is Presence.LOST:
        return Outlook(production, call, Kind.LOST, "its files are gone, or of another size", (), receipt)
    origin = f"linked from production {receipt.linked_from}" if receipt.linked_from else "made"
    ended = str(receipt.attempt.get("ended", ""))[:19].replace("T", " ")
    return Outlook(production, call, Kind.MADE, f"{origin} {ended} UTC".replace("  ", " "), (), receipt)


def _without_receipt(session: Session, production: Production, call: StepCall) -> Outlook:
    if found := session.equal_elsewhere(production, call):
        there = found[0].id
        return Outlook(production, call, Kind.LINK, f"production {there} holds the same", (there,))
    book = session.book(production)
    for output in call.outputs:
        if book.size(output.path) is not None:
            path = str(production.root / output.path)
            return Outlook(production, call, Kind.FOREIGN, f"{path} is there without a receipt: move it aside", (path,))
    return Outlook(production, call, Kind.NEW, "not made yet")
