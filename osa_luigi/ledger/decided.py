"""Decisions of persons and policies, as far as provenance tells them: which attempt left out what because of which."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from osa_luigi.ledger.making import Making
from osa_luigi.products.production import Production

PERSON = "person"
NIGHT = "night"
UNIT = re.compile(r"Run\d{5,}(?:\.\d{4,})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision about a unit: that a subrun was discarded, say.

    Parameters
    ----------
    by
        ``person``, or the name of a policy.
    until
        When it was taken back, ISO 8601; empty if it was not.
    """

    number: int
    kind: str
    unit: str
    reason: str
    by: str
    user: str
    when: str
    until: str = ""

    @property
    def is_persons(self) -> bool:
        """Whether a person decided it, and no policy."""
        return self.by in ("", PERSON)

    def respected_by(self, making: Making) -> bool:
        """Whether an attempt left the unit out: it read others of the same kind, not this one, while the decision stood."""
        if not self.when <= making.started or (self.until and self.until <= making.started):
            return False
        run, _, subrun = self.unit.partition(".")
        found = (UNIT.search(Path(source.path).name) for source in making.sources if source.key)
        units = {match.group() for match in found if match}
        if subrun:
            others = any(unit.startswith(f"{run}.") for unit in units)
            return making.unit in (run, NIGHT) and others and self.unit not in units
        return making.unit == NIGHT and bool(units) and run not in {unit.partition(".")[0] for unit in units}


def decisions(production: Production) -> list[Decided]:
    """A production's decisions that leave something out, in their order; what cannot be read is passed over."""
    every = [(path, _read(path)) for path in sorted((production.state / "decisions").glob("*.json"))]
    ends = {int(number): str(data.get("when", "")) for _, data in every for number in data.get("undoes") or ()}
    return [_decided(path, data, ends) for path, data in every if data and not data.get("undoes")]


def _decided(path: Path, data: Mapping[str, Any], ends: Mapping[int, str]) -> Decided:
    number = int(path.stem)
    kind, unit, reason, by, user, when = (
        str(data.get(name) or "") for name in ("kind", "unit", "reason", "by", "user", "when")
    )
    return Decided(number, kind, unit, reason, by, user, when, ends.get(number, ""))


def _read(path: Path) -> Mapping[str, Any]:
    try:
        data = json.loads(path.read_text())
        return data if isinstance(data, dict) and path.stem.isdecimal() else {}
    except (OSError, ValueError):
        return {}
