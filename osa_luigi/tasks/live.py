"""Which attempts are under way, on this machine and on others."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from osa_luigi.process import host
from osa_luigi.products.production import Production
from osa_luigi.products.scratch import Scratch, scratches

SILENT_S = 3600.0
"""An attempt elsewhere that has changed nothing for so long has ended: it was killed, or its node was."""

SILENT_BEFORE_LEASE_S = 600.0
"""The same, if that was before the newest engine began: it would have heard of the attempt, or made it again."""


@dataclass(frozen=True, slots=True)
class LiveAttempt:
    """An attempt under way: ``<step>.<unit>``, the other machine that works on it (empty: this one), and when it began (UTC)."""

    name: str
    host: str
    began: datetime | None = field(default=None, compare=False)


def live_attempts(production: Production) -> Iterator[LiveAttempt]:
    """Attempts whose process lives, and those elsewhere that showed a sign of life not long ago."""
    begun = _newest_lease(production)
    for scratch in scratches(production):
        alive = scratch.alive()
        if _is_believed(scratch, begun) if alive is None else alive:
            there = scratch.owner.host
            yield LiveAttempt(scratch.name, "" if there == host() else there, _began(scratch))


def _is_believed(scratch: Scratch, begun: float) -> bool:
    sign = scratch.last_sign()
    return time.time() - sign < (SILENT_S if sign >= begun else SILENT_BEFORE_LEASE_S)


def _newest_lease(production: Production) -> float:
    """When the newest engine began, by the file system's clock."""
    leases = (production.state / "engine").glob("*.json")
    return max((lease.stat().st_mtime for lease in leases), default=0.0)


def _began(scratch: Scratch) -> datetime | None:
    """An attempt's id begins with its time."""
    try:
        return datetime.strptime(scratch.folder.name.rpartition(".")[2][:15], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None
