"""What SLURM's commands would print of some sightings."""

from __future__ import annotations

from collections.abc import Iterable

from osa_luigi.batch.slurm.answers import MARK
from osa_luigi.batch.slurm.seen import Sighting


def print_queue(seen: Iterable[Sighting]) -> str:
    """As ``squeue``, each element in a line of its own."""
    return "".join(queue_record(sighting) for sighting in seen)


def queue_record(s: Sighting, indices: str | None = None) -> str:
    """A line of ``squeue``; of several elements that stand alike, if their indices are given."""
    at = s.index if indices is None else indices
    return record(s.job, at, s.state, s.reason, s.exit_code << 8 | s.signal, s.node, s.name)


def print_accounting(seen: Iterable[Sighting]) -> str:
    """As ``sacct``."""
    return "".join(
        record(
            f"{s.job}_{s.index}",
            f"{s.state} by {s.by}" if s.by else s.state,
            f"{s.exit_code}:{s.signal}",
            s.reason or "None",
            s.node or "None assigned",
            second(s),
            "short",
            s.name,
        )
        for s in seen
    )


def record(*fields: object) -> str:
    return MARK.join(map(str, fields)) + f"{MARK}\n"


def second(sighting: Sighting) -> str:
    """When it was submitted."""
    return "Unknown" if sighting.submitted is None else str(int(sighting.submitted.timestamp()))
