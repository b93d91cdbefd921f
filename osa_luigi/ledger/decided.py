"""Decisions of persons and policies, as far as provenance tells them: which attempt had to respect which."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from osa_luigi.ledger.making import Making
from osa_luigi.products.production import Production


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision about a unit: that a subrun was discarded, say."""

    number: int
    kind: str
    unit: str
    reason: str
    who: str
    when: str

    def respected_by(self, making: Making) -> bool:
        """Whether an attempt left the unit out: it is of the unit's run, read other subruns, not this one, and began after."""
        run, _, subrun = self.unit.partition(".")
        units = [Path(source.path).name for source in making.sources]
        return (
            bool(subrun)
            and making.unit in (run, "night")
            and any(f"{run}." in name for name in units)
            and not any(self.unit in name for name in units)
            and (not self.when or not making.started or self.when <= making.started)
        )


def decisions(production: Production) -> list[Decided]:
    """A production's decisions, in the order in which they were made; what cannot be read is passed over."""
    found = [_read(path) for path in sorted((production.state / "decisions").glob("*.json"))]
    return [one for one in found if one]


def _read(path: Path) -> Decided | None:
    try:
        data = json.loads(path.read_text())
        number = int(data.get("number", path.stem))
        return Decided(number, *(str(data.get(name) or "") for name in ("kind", "unit", "reason", "who", "when")))
    except (OSError, ValueError, AttributeError):
        return None
