"""Decisions because of which an attempt left units out: its receipt names them, their files say who made them and when."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from osa_luigi.ledger.making import Making
from osa_luigi.products.production import Production

PERSON = "person"


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision about a unit: that a subrun was discarded, say.

    Parameters
    ----------
    production
        In which it was made: of a linked product, that which it was linked from.
    by
        ``person``, or the name of a policy.
    user, when
        Empty where the decision's file is gone.
    """

    production: str
    number: int
    kind: str
    unit: str
    reason: str
    by: str
    user: str = ""
    when: str = ""

    @property
    def is_persons(self) -> bool:
        """Whether a person decided it, and no policy."""
        return self.by in ("", PERSON)


def decided(making: Making) -> Iterator[Decided]:
    """What an attempt's receipt names; where it is not told as expected, it is passed over."""
    root = making.production.root
    production = Production(root.parent / making.linked_from) if making.linked_from else making.production
    for told in making.decisions:
        try:
            number = int(told["number"])
            more = _read(production, number)
            words = (str({**more, **told}.get(name) or "") for name in ("kind", "unit", "reason", "by", "user", "when"))
            kind, unit, reason, by, user, when = words
            yield Decided(production.id, number, kind, unit, reason, by, user, when)
        except (KeyError, TypeError, ValueError):
            continue


def _read(production: Production, number: int) -> Mapping[str, Any]:
    try:
        data = json.loads((production.state / "decisions" / f"{number:04d}.json").read_text())
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}
