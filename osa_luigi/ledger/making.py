"""What was made in one attempt, as its receipt tells it, small enough that a night of thousands fits in memory."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from osa_luigi.products.identity import canonical_json, digest
from osa_luigi.products.production import Production
from osa_luigi.products.receipt import Made, Receipt

RUN_MODELS = "run_models"
"""Role of random forests that are chosen for a run, of which the receipt names all that there were to choose from."""

ATTEMPT = (
    "id",
    "started",
    "ended",
    "host",
    "exit_code",
    "wall_s",
    "cpu_s",
    "peak_memory_mb",
    "pid",
    "job",
    "log",
    "adopted",
)
"""What of an attempt is told; what a receipt does not hold is left out."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file that a step was given.

    Parameters
    ----------
    role
        What it was to the step.
    path
        Where it lay then, absolute.
    key
        The step key that made it; empty for a file that was not made by this engine, or does not count as such.
    identity
        What stands for it in the step key.
    """

    role: str
    path: str
    key: str
    identity: Any


@dataclass(frozen=True, eq=False)
class Making:
    """A committed attempt: its outputs, what they were made from, and how.

    Parameters
    ----------
    settings, software
        As in the receipt; one object for all that have the same.
    attempt
        When, where, at what cost; of a linked product, the attempt that made it in the other production.
    linked_from
        The production of the same night that it was linked from; empty if it was made in this one.
    decisions
        Because of which units were left out, as the receipt tells them.
    chosen
        What one of several inputs of a role was chosen by; the others were not used, and are no sources.
    """

    production: Production
    step: str
    unit: str
    key: str
    generation: int
    settings: Mapping[str, Any]
    software: Mapping[str, str]
    sources: tuple[Source, ...]
    outputs: tuple[Made, ...]
    attempt: Mapping[str, Any]
    linked_from: str = ""
    decisions: tuple[Mapping[str, Any], ...] = ()
    chosen: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, production: Production, receipt: Receipt) -> Making:
        """From a receipt."""
        return cls(
            production=production,
            step=receipt.step,
            unit=receipt.unit,
            key=receipt.key,
            generation=receipt.generation,
            settings=_shared(canonical_json(receipt.settings)),
            software=_shared(canonical_json(receipt.software)),
            sources=tuple(_source(item) for item in receipt.inputs if _was_used(item, receipt.counts.get("chosen"))),
            outputs=receipt.outputs,
            attempt={name: receipt.attempt[name] for name in ATTEMPT if receipt.attempt.get(name) is not None},
            linked_from=receipt.linked_from,
            decisions=tuple(receipt.counts.get("decisions") or ()),
            chosen=receipt.counts.get("chosen") or {},
        )

    @property
    def name(self) -> str:
        """``dl1ab.Run02003.0001``."""
        return f"{self.step}.{self.unit}"

    @property
    def night(self) -> str:
        """The folder of the night's productions: ``20241115``; of a run summary, the folder of all of them."""
        return self.production.root.parent.name

    @cached_property
    def id(self) -> str:
        """Unique at a site: night, production, step, unit, generation."""
        return f"{self.night}/{self.production.id}/{self.name}.{self.generation}"

    @property
    def started(self) -> str:
        """When the attempt began, ISO 8601; empty if the receipt does not say."""
        return str(self.attempt.get("started", ""))

    @property
    def ended(self) -> str:
        """When the attempt committed, ISO 8601; empty if the receipt does not say."""
        return str(self.attempt.get("ended", ""))

    def path(self, made: Made) -> Path:
        """Where an output belongs."""
        return self.production.root / made.path

    def file_id(self, made: Made) -> str:
        """Unique at a site: a product that was made again has the same path, and is another file."""
        return f"{self.night}/{self.production.id}/{made.path}.{self.generation}"


def _was_used(item: Mapping[str, Any], chosen: Mapping[str, Any] | None) -> bool:
    """Whether an input is no model that was not chosen."""
    return item["role"] != RUN_MODELS or not chosen or item["path"] == chosen.get("folder")


def _source(item: Mapping[str, Any]) -> Source:
    identity = _shared(canonical_json(item["identity"]))
    return Source(_text(item["role"]), _text(item["path"]), str(item["key"]), identity)


@lru_cache(maxsize=4096)
def _shared(text: str) -> Any:
    """One object for all that have the same content: nearly all attempts of a step have the same settings and software."""
    return json.loads(text)


@lru_cache(maxsize=65536)
def _text(text: str) -> str:
    """One string for all inputs of the same place."""
    return text


def short(content: Mapping[str, Any]) -> str:
    """A hash of settings or software for names."""
    return digest(content)[:16]
