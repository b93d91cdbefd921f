"""Exit records: what became of each attempt, good or bad."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from osa_luigi.products.production import Production

Record = Mapping[str, Any]
"""An attempt's exit record."""


def read_records(production: Production, run: str = "*") -> dict[str, list[Record]]:
    """``<step>.<unit>`` → exit records of its attempts, the oldest first. A record that cannot be read is passed over.

    Parameters
    ----------
    run
        Only of this one and its subruns, or of ``night``.
    """
    found: dict[str, list[Record]] = {}
    for path in (production.state / "attempts").glob(f"{run}/*.json"):
        try:
            record: Record = json.loads(path.read_text())
            found.setdefault(f"{record['step']}.{record['unit']}", []).append(record)
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return {name: sorted(records, key=lambda record: str(record["id"])) for name, records in found.items()}
