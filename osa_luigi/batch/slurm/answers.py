"""What SLURM's commands say, and how it is read.

`squeue` and `sacct` are told to end every field with `MARK`, and they end every record with a new line. So neither a separator nor a
line break in somebody's job name shifts a field, and a record without its end is half of one.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import sys
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import itemgetter
from typing import TypeVar

from osa_luigi.batch.slurm.indices import expand_indices
from osa_luigi.batch.slurm.seen import NO_INDEX, Sighting
from osa_luigi.errors import SlurmAway

MARK = "\x1f"
"""Ends each field. ASCII's own unit separator: no job is called so."""

_END = f"{MARK}\n"
"""Of a record."""

QUEUE_FIELDS = ("ArrayJobID", "ArrayTaskID", "State", "Reason", "exit_code", "NodeList", "Name")
"""For ``squeue -O``, whose short ``-o`` has no exit code. Times take it a quarter of its own."""

ACCOUNT_FIELDS = ("JobID", "State", "ExitCode", "Reason", "NodeList", "Submit", "Partition", "JobName")
"""For ``sacct -o``. Of a job whose end came before its beginning the accounting at first has no partition, no name and no index."""

_AT_ONCE = 500
"""So many records are taken out of an answer at a time: all fields of thousands would be megabytes, at every look."""

Row = TypeVar("Row")

_NOTHING = frozenset({"", "None", "N/A", "(null)", "Unknown", "None assigned"})
_STATE = re.compile(r"([A-Z_]+)(?: by (\S+))?")
_EXIT_CODE = re.compile(r"(\d{1,9}):(\d{1,9})", re.ASCII)
_JOB = re.compile(r"(\d{1,11})(?:_(\d{1,11}|\[[^]]+\]))?", re.ASCII)
_JOINED = re.compile(r",[A-Z]\w*$", re.ASCII)
"""What elements wait for ends so where others of them wait for something else, a word that squeue puts there. In a reason itself commas
have a space after them, or stand between nodes."""
_NUMBER = re.compile(r"\d{1,11}", re.ASCII)
_NO_STATUS = 1 << 31
_BEFORE_ALL = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a cluster's configuration allows.

    Parameters
    ----------
    max_array_size
        One more than the highest index of an array.
    max_jobs
        Jobs and array elements that slurmctld keeps at a time.
    min_job_age_s
        For so long after its end a job is still in the queue. Unit: s.
    accounting
        Whether ``sacct`` answers.
    version
        Of SLURM, as ``22.05.8``.
    private_jobs
        Whether jobs are shown to nobody but their owners, SLURM's operators excepted.
    """

    max_array_size: int
    max_jobs: int
    min_job_age_s: float
    accounting: bool
    version: str
    private_jobs: bool


def read_queue(text: str) -> list[Sighting]:
    """The sightings in what ``squeue`` printed, one of each element.

    All elements of an array that wait may stand in one line; what is said of an element alone counts more, and what is said last.

    Raises
    ------
    SlurmAway
        It is not the whole of an answer, or none at all.
    """
    ranges_first: list[list[Sighting]] = sorted(_last_look.read(text), key=len, reverse=True)
    found = list(itertools.chain.from_iterable(ranges_first))
    return list({(seen.job, seen.index): seen for seen in found}.values()) if unclear_arrays(text) else found


def unclear_arrays(text: str) -> list[int]:
    """The arrays of whose waiting elements ``squeue`` told in one line although not all wait for the same: the reasons stand side by side.

    Raises
    ------
    SlurmAway
        As of `read_queue`.
    """
    return sorted({seen[0].job for seen in _last_look.read(text) if len(seen) > 1 and _is_unclear(seen[0])})


class _LastLook:
    """The records of the last two answers. In the next one nearly all of them are as they were, and are not read again."""

    def __init__(self) -> None:
        self._text = ""
        self._known: dict[str, list[Sighting]] = {}
        self._before: dict[str, list[Sighting]] = {}
        """Of the answer before: a look may take two questions, and the second answer alone tells of single elements."""

    def read(self, text: str) -> Collection[list[Sighting]]:
        """What is said in each record; errors as of `read_queue`."""
        if text == self._text:
            return self._known.values()
        *records, rest = text.split(_END)
        with contextlib.suppress(ValueError):
            known, before = self._known.get, self._before.get
            found = {record: known(record) or before(record) or _queue_line(record) for record in records}
            if not rest:
                self._text, self._known, self._before = text, found, self._known
                return found.values()
        # A field that begins with a line break; or half an answer, and then it is said what is wrong with it.
        return _read("squeue", text, len(QUEUE_FIELDS), _queue_record)


_last_look = _LastLook()


def read_accounting(text: str) -> list[Sighting]:
    """The sightings in what ``sacct`` printed, one of each element: of the attempts of a requeued job the latest.

    Raises
    ------
    SlurmAway
        It is not the whole of an answer, or none at all.
    """
    rows = _read("sacct", text, len(ACCOUNT_FIELDS), _account_record)
    found: dict[tuple[str, int, int], Sighting] = {}
    # A range of elements that wait comes first: what is said of an element alone is newer.
    for sighting in itertools.chain(*(seen for _, seen in sorted(rows, key=itemgetter(0)))):
        key = (sighting.name, sighting.job, sighting.index)
        if key not in found or _submitted(found[key]) <= _submitted(sighting):
            found[key] = sighting
    return list(found.values())


def read_job_id(text: str) -> int:
    """The job id in what ``sbatch --parsable`` printed, with or without the cluster's name.

    Raises
    ------
    SlurmAway
        There is none.
    """
    found = re.fullmatch(r"([1-9]\d{0,17})(?:;[^\n]*)?\n", text, re.ASCII)
    if not found:
        raise _unreadable("sbatch", text)
    return int(found[1])


def read_limits(text: str) -> Limits:
    """The limits in what ``scontrol show config`` printed.

    Raises
    ------
    SlurmAway
        One of them is not there.
    """
    values = dict(re.findall(r"^(\w+) += (.*)\n", text, re.MULTILINE))
    try:
        return Limits(
            max_array_size=_number(values["MaxArraySize"]),
            max_jobs=_number(values["MaxJobCount"]),
            min_job_age_s=float(_number(values["MinJobAge"].removesuffix(" sec"))),
            accounting=values["AccountingStorageType"].endswith("/slurmdbd"),
            version=values["SLURM_VERSION"],
            private_jobs=not {"jobs", "all"}.isdisjoint(values.get("PrivateData", "").strip().split(",")),
        )
    except (KeyError, ValueError) as error:
        raise _unreadable("scontrol show config", str(error)) from error


def _read(command: str, text: str, count: int, reader: Callable[..., Row]) -> list[Row]:
    try:
        return [reader(*fields) for fields in _records(text, count)]
    except ValueError as error:
        raise _unreadable(command, str(error)) from error


def _records(text: str, count: int) -> Iterator[list[str]]:
    rest = f"\n{text}"
    while rest != "\n":
        *fields, rest = rest.split(MARK, count * _AT_ONCE)
        if not fields or len(fields) % count:
            raise ValueError(f"it ends with {text[-80:]!r}")
        for at in range(0, len(fields), count):
            first, *others = fields[at : at + count]
            if not first.startswith("\n"):
                raise ValueError(f"{first[:80]!r} does not begin a line")
            yield [first[1:], *others]


def _queue_line(record: str) -> list[Sighting]:
    fields = record.split(MARK)
    if len(fields) != len(QUEUE_FIELDS):
        raise ValueError(f"{record!r:.80} has {len(fields)} fields")
    job, index, *others = fields
    # One text for what thousands say alike: states, reasons, nodes, the array's name. Not for indices: there are new ones at each look, and
    # Python 3.12 never lets such a text go.
    return _queue_record(job, index, *map(sys.intern, others))


def _queue_record(job: str, index: str, state: str, reason: str, status: str, node: str, name: str) -> list[Sighting]:
    long_name, by = _state(state)
    what = (long_name, _word(reason), *_wait_status(_number(status)), by, _word(node), None)
    indices = [NO_INDEX] if index == "N/A" else expand_indices(index)
    return [Sighting(name, _number(job), element, *what) for element in indices]


def _is_unclear(seen: Sighting) -> bool:
    return seen.state == "PENDING" and bool(_JOINED.search(seen.reason))


def _account_record(
    ident: str, state: str, codes: str, reason: str, node: str, submitted: str, partition: str, name: str
) -> tuple[bool, list[Sighting]]:
    """Whether it is of an element alone, and what it says."""
    job, indices = _elements(ident)
    long_name, by = _state(state)
    code, signal = map(int, _match(_EXIT_CODE, codes).groups())
    seen = [
        Sighting(name, job, index, long_name, _word(reason), code, signal, by, _word(node), _moment(submitted))
        for index in indices
    ]
    return "[" not in ident, seen if partition else []


def _elements(ident: str) -> tuple[int, list[int]]:
    """The job and the elements of it that ``12``, ``12_3`` or ``12_[3-9%2]`` means."""
    job, element = _match(_JOB, ident).groups()
    if element is None:
        return int(job), [NO_INDEX]
    return int(job), expand_indices(element.strip("[]")) if element.startswith("[") else [int(element)]


def _state(text: str) -> tuple[str, str]:
    state, by = _match(_STATE, text).groups()
    return state, by or ""


def _wait_status(status: int) -> tuple[int, int]:
    """Exit code and signal in what `wait` gave; SLURM's own mark for none is above them all."""
    if status >= _NO_STATUS:
        return 0, 0
    signal = status & 0x7F
    return (0, signal) if signal else (status >> 8 & 0xFF, 0)


def _moment(text: str) -> datetime | None:
    return None if text in _NOTHING else datetime.fromtimestamp(_number(text), UTC)


def _submitted(sighting: Sighting) -> datetime:
    return sighting.submitted or _BEFORE_ALL


def _word(text: str) -> str:
    return "" if text in _NOTHING else text


def _number(text: str) -> int:
    return int(_match(_NUMBER, text)[0])


def _match(pattern: re.Pattern[str], text: str) -> re.Match[str]:
    found = pattern.fullmatch(text)
    if not found:
        raise ValueError(f"{text[:80]!r} is not what stands there")
    return found


def _unreadable(command: str, what: str) -> SlurmAway:
    return SlurmAway(
        f"{command}: its answer cannot be read ({what[:200]}). Nothing is known from it; it will be asked again."
    )
