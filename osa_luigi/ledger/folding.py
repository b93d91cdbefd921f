"""A lineage as a person reads it: what was made alike is one line, however many subruns it was."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from osa_luigi.ledger.lineage import Lineage, Product
from osa_luigi.ledger.making import Making, Source, short
from osa_luigi.products.identity import canonical_json
from osa_luigi.products.production import Production

OF_ONE_UNIT = frozenset({"raw"})
"""Roles of foreign files that belong to one reader; others are shared by many."""


@dataclass(eq=False)
class Origin:
    """Files that no receipt of this engine tells of, of one role.

    Parameters
    ----------
    sources
        Each once: of a folder one, of a run summary one for each of its rows that was read.
    """

    role: str
    sources: dict[str, Source] = field(default_factory=dict)

    @property
    def paths(self) -> list[Path]:
        """Where they lay, each once."""
        return [Path(path) for path in dict.fromkeys(source.path for source in self.sources.values())]

    @property
    def size(self) -> int:
        """Bytes, as far as the step keys tell."""
        return sum(_size(source.identity) for source in self.sources.values())


@dataclass(eq=False)
class Fold:
    """Attempts of one step with the same settings and software in one production.

    Parameters
    ----------
    inputs
        Role → the fold that made what was read under it and the role it has there → how many files.
    origins
        What was read besides.
    """

    production: Production
    step: str
    makings: list[Making] = field(default_factory=list)
    inputs: dict[str, dict[tuple[Fold, str], int]] = field(default_factory=dict)
    origins: dict[str, Origin] = field(default_factory=dict)

    @property
    def first(self) -> Making:
        """One for all: they are alike."""
        return self.makings[0]

    @property
    def what(self) -> str:
        """How many, and of what: ``152 × dl1ab of Run02003, all alike``."""
        runs = self.runs
        units = self.first.unit if len(self.makings) == 1 else runs[0] if len(runs) == 1 else f"{len(runs)} runs"
        count = f"{len(self.makings)} × " if len(self.makings) > 1 else ""
        return f"{count}{self.step} of {units}{', all alike' if count else ''}"

    @property
    def when(self) -> str:
        """From when to when, in UTC: ``2024-11-16 02:10–03:05 UTC``."""
        began, ended = (time[:16].replace("T", " ") for time in (self.began, self.ended))
        until = "" if ended == began else f"–{ended[11:] if ended[:10] == began[:10] else ended}"
        return f"{began}{until} UTC" if began else "at an unknown time"

    @property
    def where(self) -> str:
        """On which hosts."""
        return ", ".join(self.hosts[:3]) + (f" and {len(self.hosts) - 3} more" if len(self.hosts) > 3 else "")

    @property
    def runs(self) -> list[str]:
        """The runs that they are of."""
        return sorted({making.unit.partition(".")[0] for making in self.makings})

    @property
    def hosts(self) -> list[str]:
        """Where they ran."""
        return sorted({str(making.attempt["host"]) for making in self.makings if "host" in making.attempt})

    @property
    def began(self) -> str:
        """When the first began."""
        return min(making.started for making in self.makings)

    @property
    def ended(self) -> str:
        """When the last committed."""
        return max(making.ended for making in self.makings)

    @property
    def cpu_s(self) -> float:
        """CPU seconds of all."""
        return sum(float(making.attempt.get("cpu_s", 0.0)) for making in self.makings)

    def files(self, role: str = "") -> list[Product]:
        """What they made; of one role, if it is given."""
        return [Product(one, made) for one in self.makings for made in one.outputs if role in ("", made.role)]


def fold(lineage: Lineage) -> list[Fold]:
    """The folds of a lineage, the last of the chain first."""
    folds: dict[tuple[Any, ...], Fold] = {}
    where: dict[str, Fold] = {}
    for making in lineage.makings.values():
        kind = (making.production, making.step, short(making.settings), short(making.software), making.linked_from)
        found = folds.setdefault(kind, Fold(making.production, making.step))
        found.makings.append(making)
        where[making.id] = found
    shared: dict[tuple[str, str], Origin] = {}
    for making in lineage.makings.values():
        if making.id in lineage.found:
            for source, products in lineage.inputs(making):
                _add(where[making.id], source, products, where, shared)
    return list(folds.values())


def _add(
    reader: Fold,
    source: Source,
    products: Iterable[Product],
    where: dict[str, Fold],
    shared: dict[tuple[str, str], Origin],
) -> None:
    makers = [(where[one.making.id], one.made.role) for one in products if one.making.id in where]
    counts = reader.inputs.setdefault(source.role, {}) if makers else {}
    for maker in makers:
        counts[maker] = counts.get(maker, 0) + 1
    if not makers:
        one = (source.role, f"{id(reader)}" if source.role in OF_ONE_UNIT else source.path)
        origin = shared.setdefault(one, Origin(source.role))
        origin.sources.setdefault(f"{source.path} {canonical_json(source.identity)}", source)
        reader.origins[" ".join(one)] = origin


def _size(identity: Any) -> int:
    if not isinstance(identity, dict):
        return 0
    files = identity.get("files")
    return sum(_size(file) for file in files) if isinstance(files, list) else int(identity.get("size") or 0)
