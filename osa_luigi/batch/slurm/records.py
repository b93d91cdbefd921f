"""How an element of an array tells its engine what became of its jobs: by files in the array's folder.

    <array>/jobs.jsonl                                       what each element is for, a line for each job
    <array>/intent.json                                      what the engine meant by the array
    <array>/out/<index>.log                                  what the element itself printed
    <array>/records/<index>.<position>.<restart>.done.json   a job's end (or ``.failed.json``)
    <array>/records/<index>.<restart>.ended.json             the element's end, riders included

A record is written whole or not at all, and never changed. Its name tells the outcome, so a look at the folder opens only what is new.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from osa_luigi.batch.job import Job
from osa_luigi.errors import ExecutorError
from osa_luigi.jsontext import line_of, parsed
from osa_luigi.products.production import write_durably

FORMAT = 1

_LAST_WORDS = 8192
"""So much of an output's end is looked at. Unit: bytes."""

_LINE = 300
"""Characters of its last line that a message holds."""

INTENT = "intent.json"
JOBS = "jobs.jsonl"
SCRIPT = "script.sh"
OUT = "out"
RECORDS = "records"

Outcome = Literal["done", "failed", "ended"]

_NAME = re.compile(r"(\d{1,9})(?:\.(\d{1,9}))?\.(\d{1,9})\.(done|failed|ended)\.json", re.ASCII)


@dataclass(frozen=True, slots=True)
class Record:
    """The end of a job, or (`outcome` ``ended``) of an element as a whole.

    Parameters
    ----------
    index, position, restart
        Element of the array, job in the element, and how often SLURM had requeued the element. An element as a whole has position -1.
    outcome
        ``done``: every call's products are there; ``failed``; ``ended``: the element is through, and says what became of `riders`.
    job
        The job's name; of an element as a whole empty.
    cause
        Of a failure: a value of `states.Cause`.
    call, text
        Of a failure: the call (``<step>.<unit>``), and what to tell people.
    log
        The path of the last attempt's log.
    made
        Calls whose products are there, with their step keys, in order.
    riders
        ``<step>.<unit>`` → ``made``, or ``failed: `` and why.
    host, slurm_job
        Where it ran, and the array's id in SLURM.
    at
        When it ended; ISO 8601, UTC.
    cpu_s, peak_memory_mb
        CPU time of all attempts together (s), and the largest memory of one (MiB).
    """

    index: int
    position: int
    restart: int
    outcome: Outcome
    job: str = ""
    cause: str = ""
    call: str = ""
    text: str = ""
    log: str = ""
    made: tuple[tuple[str, str], ...] = ()
    riders: Mapping[str, str] = field(default_factory=dict)
    host: str = ""
    slurm_job: int = 0
    at: str = ""
    cpu_s: float = 0.0
    peak_memory_mb: float = 0.0

    @property
    def name(self) -> str:
        """Of its file."""
        place = [self.index, *([self.position] if self.outcome != "ended" else []), self.restart]
        return f"{'.'.join(map(str, place))}.{self.outcome}.json"


def write_record(array: Path, record: Record) -> None:
    """Leave a record in an array's folder, durably.

    Raises
    ------
    OSError
        The disk is full, or away.
    """
    write_durably(array / RECORDS / record.name, json.dumps({"format": FORMAT, **asdict(record)}) + "\n")


class RecordReader:
    """What an array's elements have told.

    Parameters
    ----------
    folder
        The array's folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / RECORDS
        self._seen: set[str] = set()

    def new(self) -> list[Record]:
        """The records since the last call, in the order of elements and their jobs.

        What cannot be read is passed over, and looked at again the next time: on a shared file system a name may be there before its
        content is.
        """
        found = [record for name in self._unseen() if (record := self._read(name))]
        self._seen.update(record.name for record in found)
        return sorted(
            found, key=lambda record: (record.index, record.restart, record.outcome == "ended", record.position)
        )

    def _unseen(self) -> list[str]:
        try:
            with os.scandir(self._folder) as entries:
                return [entry.name for entry in entries if entry.name not in self._seen and _NAME.fullmatch(entry.name)]
        except (FileNotFoundError, PermissionError):  # not made yet; another account's, which keeps it to itself
            return []

    def _read(self, name: str) -> Record | None:
        try:
            record = _record(parsed((self._folder / name).read_bytes()))
        except (OSError, ValueError, TypeError, KeyError):
            return None
        return record if record.name == name else None


def _record(content: dict[str, Any]) -> Record:
    if content.pop("format") != FORMAT:
        raise ValueError("a record of another version")
    content["made"] = tuple((str(call), str(key)) for call, key in content["made"])
    content["riders"] = dict(content["riders"])
    return Record(**content)


def job_line(index: int, position: int, job: Job) -> bytes:
    """A job as a line of `JOBS`. The element's index comes first: an element finds its lines without reading the others."""
    return b'%b"position": %d, "job": %b}\n' % (_head(index), position, line_of(job.as_json()).rstrip())


def write_jobs(array: Path, jobs: Iterable[tuple[int, int, Job]]) -> None:
    """Write `JOBS`, durably: element, position in it, job. One after the other: the merge of a large run takes as much as its inputs."""
    write_durably(array / JOBS, (job_line(*entry) for entry in jobs))


def jobs_of(array: Path, index: int) -> list[tuple[int, Job]]:
    """The jobs of an element with their positions, in order.

    Raises
    ------
    ExecutorError
        There are none, or they cannot be read.
    """
    try:
        found = sorted(_lines_of(array / JOBS, index), key=lambda entry: entry[0])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ExecutorError(f"{array / JOBS}: cannot be read ({error}). Run the night again.") from error
    if not found:
        raise ExecutorError(f"{array / JOBS}: names no job of element {index}. Run the night again.")
    return found


def _lines_of(file: Path, index: int) -> Iterator[tuple[int, Job]]:
    head = _head(index)
    with file.open("rb") as lines:
        for line in lines:
            if line.startswith(head):
                entry = json.loads(line)
                yield int(entry["position"]), Job.from_json(entry["job"])


def _head(index: int) -> bytes:
    return b'{"index": %d, ' % index


def output_of(array: Path, index: int) -> Path:
    """Where an element's output goes."""
    return array / OUT / f"{index}.log"


def says_memory(array: Path, index: int) -> bool:
    """Whether SLURM wrote into an element's output that it killed it for its memory."""
    return b"exceeded memory limit" in _end_of(output_of(array, index)).lower()


def output_said(array: Path, index: int) -> str:
    """Where an element's output is, and its last line; nothing if there is none."""
    file = output_of(array, index)
    lines = _end_of(file).decode(errors="replace").splitlines()
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return f"Its output ends with: {last[-_LINE:]} Read {file}." if last else ""


def _end_of(file: Path) -> bytes:
    try:
        with file.open("rb") as output:
            output.seek(-min(_LAST_WORDS, output.seek(0, os.SEEK_END)), os.SEEK_END)
            return output.read()
    except OSError:
        return b""
