"""The jobs of an executor with a journal, from what it and its elements wrote down (``.osa/engine/arrays/<name>/``)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from osa_luigi.ledger.sources import Json, Papers, Source
from osa_luigi.ledger.values import moment, number, prose, real, text

EXECUTOR = "slurm"
"""The only one that keeps a journal; a pool on one machine leaves exit records alone."""

_RECORD = re.compile(r"records/\d+\.\d+\.\d+\.(done|failed)\.json", re.ASCII)

Row = dict[str, Any]


def jobs(source: Source) -> Iterator[Row]:
    """A row for each time that a job of an array was started, or is to be."""
    for papers in source.arrays():
        if intent := _parsed(source, papers, "intent.json"):
            yield from _Array(source, papers, intent).rows()


def _parsed(source: Source, papers: Papers, name: str) -> Json | None:
    read = papers.files.get(name)
    return source.parsed(f"{papers.where}/{name}", read) if read else None


class _Array:
    """One array."""

    def __init__(self, source: Source, papers: Papers, intent: Json) -> None:
        self._source = source
        self._papers = papers
        self._intent = intent
        submitted = _parsed(source, papers, "submitted.json") or {}
        self._id = number(submitted.get("job"))
        self._closed = "closed.json" in papers.files

    def rows(self) -> Iterator[Row]:
        told: set[str] = set()
        for record in self._records():
            told.add(str(record.get("job")))
            yield self._told(record)
        for name, (element, place) in self._places().items():
            if name not in told:
                yield self._row(name, element, place, state=self._state)

    @property
    def _state(self) -> str:
        """Of jobs without a record."""
        if self._closed:
            return "ended"
        return "intended" if self._id is None else "submitted"

    def _records(self) -> Iterator[Json]:
        for name in sorted(self._papers.files):
            if _RECORD.fullmatch(name) and (record := _parsed(self._source, self._papers, name)):
                yield record

    def _places(self) -> Mapping[str, tuple[int, int]]:
        elements = _object(self._intent.get("elements"))
        return {
            str(name): (int(element), place)
            for element, names in elements.items()
            for place, name in enumerate(names if isinstance(names, list) else ())
        }

    def _told(self, record: Json) -> Row:
        return self._row(
            str(record.get("job", "")),
            number(record.get("index")) or 0,
            number(record.get("position")) or 0,
            state=text(record.get("outcome"), 16),
            restarts=number(record.get("restart")) or 0,
            cause=text(record.get("cause"), 64),
            reason=prose(record.get("text")),
            host=text(record.get("host"), 255),
            ended=moment(record.get("at")),
            peak_memory_mb=real(record.get("peak_memory_mb")),
            cpu_s=real(record.get("cpu_s")),
        )

    def _row(self, name: str, element: int, place: int, **more: Any) -> Row:
        asked = _object(self._intent.get("asked"))
        return {
            "array_name": text(self._papers.name, 255),
            "element": element,
            "place": place,
            "restarts": 0,
            "executor": EXECUTOR,
            "name": text(name, 255),
            "stage": text(self._intent.get("stage"), 64),
            "cause": "",
            "reason": "",
            "job_id": "" if self._id is None else f"{self._id}_{element}",
            "host": "",
            "ended": None,
            "memory_asked_mb": number(asked.get("memory_mb")),
            "time_asked_s": real(asked.get("time_limit_s")),
            "cores_asked": number(asked.get("cores")),
            "peak_memory_mb": None,
            "cpu_s": None,
            **more,
        }


def _object(value: Any) -> Json:
    return value if isinstance(value, dict) else {}
