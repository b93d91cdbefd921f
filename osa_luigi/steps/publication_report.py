"""What a publication did, counted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Report:
    """What a publication did, or with `dry_run` would do.

    Parameters
    ----------
    refused
        Files that were not published, and why.
    notes
        What was left alone: links of other productions, former places of files that somebody has changed.
    """

    placed: int = 0
    replaced: int = 0
    there: int = 0
    withdrawn: int = 0
    bytes: int = 0
    how: dict[str, int] = field(default_factory=dict)
    links: int = 0
    refused: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def published(self) -> int:
        """Files that lie at their places."""
        return self.placed + self.replaced + self.there

    def as_json(self) -> dict[str, Any]:
        """For a program to read."""
        return {
            "published": self.published,
            "placed": self.placed,
            "replaced": self.replaced,
            "there": self.there,
            "withdrawn": self.withdrawn,
            "bytes": self.bytes,
            **{f"by_{how}": count for how, count in sorted(self.how.items())},
            "links": self.links,
            "refused": self.refused,
            "notes": self.notes,
        }
