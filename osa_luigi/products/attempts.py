"""The exit records of attempts: what happened in each, where, and at what cost."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from osa_luigi.products.paperwork import ATTEMPTS, Paperwork, runs_with
from osa_luigi.products.production import Production

Record = Mapping[str, Any]
"""An attempt's exit record."""


def read_records(production: Production, run: str = "") -> dict[str, list[Record]]:
    """``<step>.<unit>`` → exit records of its attempts, the oldest first. A record that cannot be read is passed over.

    Parameters
    ----------
    run
        Only of this one and its subruns, or of ``night``.

    Raises
    ------
    ProductError
        An archive is damaged.
    """
    found: dict[str, list[Record]] = {}
    for papers in (Paperwork(production, one) for one in ([run] if run else runs_with(production, ATTEMPTS))):
        for name in papers.names(ATTEMPTS):
            try:
                record: Record = json.loads(papers.read(ATTEMPTS, name))
                found.setdefault(f"{record['step']}.{record['unit']}", []).append(record)
            except (OSError, ValueError, KeyError, TypeError):
                continue
    return {name: sorted(records, key=_id) for name, records in found.items()}


def _id(record: Record) -> str:
    """Sorts by time."""
    return str(record["id"])
