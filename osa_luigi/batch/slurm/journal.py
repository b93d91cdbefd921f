"""What the engine writes down, so that any later engine of the night knows what SLURM has of it.

One folder for each array, ``.osa/engine/arrays/<name>/``, whose files are each written whole or not at all:

    intent.json      what the array stands for; durable before sbatch is called
    submitted.json   the id that SLURM gave it
    held.json        why sbatch would not take it for now
    recalled.json    the elements of it that the engine cancelled itself; before scancel is called
    closed.json      nothing more is expected of it; what its jobs failed of
    records/, out/   what its elements left (records.py)

and beside them ``given_up/``, a file for each job that is not tried again, and ``forgiven/``, what stood there of those that were tried
again all the same. A folder that is closed is read by no engine any more; it goes into an archive (batch/archiving.py).
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import fields, replace
from typing import Any, Protocol

from osa_luigi.batch.slurm.model import ArrayState, Element, JobState, Link, Phase, Wish
from osa_luigi.batch.slurm.policies import ENDING, Asked, Failure
from osa_luigi.batch.slurm.states import Cause
from osa_luigi.jsontext import line_of
from osa_luigi.products.identity import digest

FORMAT = 1


class Store(Protocol):
    """Where the journal lies: files under one folder, named by relative paths."""

    def write(self, path: str, text: str) -> None:
        """Write a file durably, whole or not at all."""
        ...

    def read(self, path: str) -> str:
        """A file's text; `FileNotFoundError` if there is none."""
        ...

    def names(self, folder: str) -> list[str]:
        """What a folder holds; nothing if there is none."""
        ...

    def remove(self, path: str) -> None:
        """Remove a file, if it is there."""
        ...


_NUMBERED = re.compile(r"\.g(\d+)\.(\d+)\.", re.ASCII)
"""In an array's name: generation of the lease, and number."""


class Journal:
    """The arrays of a night, as written down.

    Parameters
    ----------
    extra
        What else each intent says, for the elements.
    """

    def __init__(self, store: Store, extra: Mapping[str, Any] | None = None) -> None:
        self._store = store
        self._extra = extra or {}

    def intend(self, array: ArrayState, generation: int, jobs: Mapping[str, JobState]) -> None:
        """Before sbatch: what the array stands for."""
        names = [name for element in array.elements.values() for name in element.jobs]
        self._store.write(
            f"arrays/{array.name}/intent.json",
            _text(
                {
                    **self._extra,
                    "format": FORMAT,
                    "name": array.name,
                    "generation": generation,
                    "group": array.group,
                    "stage": array.stage,
                    "asked": array.asked,
                    "elements": {str(index): list(element.jobs) for index, element in array.elements.items()},
                    "jobs": {name: _job(jobs[name]) for name in names},
                }
            ),
        )

    def remember(self, array: str, job: int) -> None:
        """After sbatch: the id."""
        self._store.write(f"arrays/{array}/submitted.json", _text({"job": job}))

    def hold(self, array: str, why: str) -> None:
        """After a refusal that passes: for people who ask what it waits for."""
        self._store.write(f"arrays/{array}/held.json", _text({"why": why}))

    def recall(self, array: str, indices: Iterable[int]) -> None:
        """Before scancel: elements that the engine itself wants no more."""
        known = self._recalled(array)
        if not known.issuperset(indices):
            self._store.write(f"arrays/{array}/recalled.json", _text({"indices": sorted(known.union(indices))}))

    def _recalled(self, array: str) -> set[int]:
        content = self._load(f"arrays/{array}/recalled.json")
        return set(content["indices"]) if content else set()

    def close(self, array: str, failed: Mapping[str, tuple[Failure, ...]], why: str) -> None:
        """Nothing more is expected of it."""
        content = {"why": why, "failed": {name: _failures(failures) for name, failures in failed.items()}}
        self._store.write(f"arrays/{array}/closed.json", _text(content))

    def give_up(self, job: JobState, text: str) -> None:
        """A job that is not tried again, by this engine or the next, until somebody says so."""
        content = {**_job(job), "text": text}
        self._store.write(f"given_up/{_file(job.wish.name)}", _text(content))

    def forgive(self, names: Iterable[str]) -> None:
        """Let jobs be tried again; by whoever, beside a living engine or without one."""
        for name in names:
            if mark := self._load(f"given_up/{_file(name)}"):
                # First, or an engine that finds the array of its failure still open would judge by that once more.
                self._store.write(f"forgiven/{_file(name)}", _text(mark))
            self._store.remove(f"given_up/{_file(name)}")

    def forgiven(self, given_up: Iterable[str]) -> list[str]:
        """Which of the jobs that were given up are to be tried again: those without a mark."""
        names = list(given_up)
        marks = set(self._store.names("given_up")) if names else set()
        return [name for name in names if _file(name) not in marks]

    def given_up(self) -> list[JobState]:
        """The jobs that are not tried again."""
        found = []
        for file in self._store.names("given_up"):
            content = self._load(f"given_up/{file}")
            if content:
                found.append(_job_state(content, Phase.GIVEN_UP, text=content["text"]))
        return found

    def open_arrays(self) -> tuple[list[ArrayState], list[JobState]]:
        """The arrays that are not closed, the oldest first, and their jobs.

        A job stands in the newest array that holds it: in an older one it has failed. What closed arrays say of a job's failures
        is in the intent of the array that came after. One that was given up, or was and is to be tried again, stands in none.
        """
        judged = {file: folder for folder in ("forgiven", "given_up") for file in self._store.names(folder)}
        arrays: dict[str, ArrayState] = {}
        jobs: dict[str, JobState] = {}
        for intent in sorted(self._intents(), key=lambda intent: (intent["generation"], intent["name"])):
            for name in intent["jobs"]:
                if name in jobs:
                    _leave(arrays, jobs.pop(name), intent["jobs"][name]["failures"])
            submitted = self._load(f"arrays/{intent['name']}/submitted.json")
            held = None if submitted else self._load(f"arrays/{intent['name']}/held.json")
            array = _array(intent, submitted["job"] if submitted else None, self._recalled(intent["name"]))
            arrays[intent["name"]] = replace(array, refusal=held["why"]) if held else array
            jobs |= {job.wish.name: job for job in _jobs(intent)}
            for name in intent["jobs"] if judged else ():
                failures = self._failures_of(f"{folder}/{_file(name)}") if (folder := judged.get(_file(name))) else None
                if failures is not None and _is_of(failures, intent["name"]):
                    _leave(arrays, jobs.pop(name), failures)
        return list(arrays.values()), list(jobs.values())

    def open_names(self) -> list[str]:
        """The names of the arrays that are not closed."""
        held = {name: self._store.names(f"arrays/{name}") for name in self._store.names("arrays")}
        return [name for name, files in held.items() if "closed.json" not in files and "intent.json" in files]

    def closed_arrays(self) -> list[str]:
        """The names of the arrays of which nothing more is expected: no engine reads their folders any more."""
        return [name for name in self._store.names("arrays") if "closed.json" in self._store.names(f"arrays/{name}")]

    def _failures_of(self, mark: str) -> list[dict[str, str]]:
        content = self._load(mark)
        return content["failures"] if content else []

    def _intents(self) -> list[dict[str, Any]]:
        intents = (self._load(f"arrays/{name}/intent.json") for name in self.open_names())
        return [intent for intent in intents if intent]

    def _load(self, path: str) -> dict[str, Any] | None:
        try:
            content = json.loads(self._store.read(path))
        except (FileNotFoundError, ValueError):
            return None
        return content if isinstance(content, dict) else None


def _text(content: Mapping[str, Any]) -> str:
    return line_of(content, _opened).decode()


def _opened(value: Wish | Asked) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in fields(value)}


def _file(job: str) -> str:
    return f"{digest(job)[:24]}.json"


def _is_of(failures: list[dict[str, str]], array: str) -> bool:
    """Whether it was this array that a job was given up for, or one that came after it."""
    return _order(array) <= _order(failures[-1]["where"] if failures else "")


def _order(name: str) -> tuple[int, ...]:
    """Sorts arrays, and places of failures in them, by when they were made: generation, then number."""
    found = _NUMBERED.search(name)
    return (int(found[1]), int(found[2])) if found else ()


def _job(job: JobState) -> dict[str, Any]:
    return {"wish": job.wish, "asked": job.asked, "failures": _failures(job.failures)}


def _failures(failures: Iterable[Failure]) -> list[dict[str, str]]:
    return [{"cause": str(failure.cause), "text": failure.text, "where": failure.where} for failure in failures]


def _job_state(content: Mapping[str, Any], phase: Phase, **more: Any) -> JobState:
    wish = {**content["wish"], "asked": Asked(**content["wish"]["asked"])}
    if configured := wish.get("configured"):
        wish["configured"] = Asked(**configured)
    for name in ("after", "riders"):
        wish[name] = tuple(wish[name])
    failures = tuple(Failure(Cause(f["cause"]), f["text"], f["where"]) for f in content["failures"])
    return JobState(Wish(**wish), phase, Asked(**content["asked"]), failures=failures, wanted=False, **more)


def _jobs(intent: Mapping[str, Any]) -> list[JobState]:
    places = {name: int(index) for index, names in intent["elements"].items() for name in names}
    return [
        _job_state(content, Phase.PLACED, array=intent["name"], index=places[name])
        for name, content in intent["jobs"].items()
    ]


def _array(intent: Mapping[str, Any], job: int | None, recalled: Collection[int]) -> ArrayState:
    elements = {
        int(index): Element(tuple(names), tuple(names), recalled_at=0.0 if int(index) in recalled else None)
        for index, names in intent["elements"].items()
    }
    return ArrayState(
        name=intent["name"],
        group=intent["group"],
        stage=intent["stage"],
        asked=Asked(**intent["asked"]),
        elements=elements,
        link=Link.LOST if job is None else Link.QUEUED,
        job=job,
    )


def _leave(arrays: dict[str, ArrayState], job: JobState, failures: Iterable[Mapping[str, str]]) -> None:
    """Take a job that stands in a newer array, or in none, out of the older one; by its failures it may have ended its element."""
    array = arrays[job.array]
    element = array.elements[job.index]
    open_ = tuple(name for name in element.open if name != job.wish.name)
    here = f"{array.name}_{job.index}"
    charged = element.charged or any(one["where"] == here and one["cause"] in ENDING for one in failures)
    elements = {**array.elements, job.index: replace(element, open=open_, charged=charged)}
    arrays[array.name] = replace(array, elements=elements)
