"""What was published of a production: where a product lies in the site's tree, beside or instead of its own place.

Each publication appends to a file of its own, ``.osa/published/<time>-<host>-<pid>-<random>.jsonl``, a line for each file that it placed or
withdrew; none is ever changed or removed. Of one place, and of one product, the last line counts. A line that a kill cut short is
passed over: the file that it was about is known again by its content.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from osa_luigi.process import host
from osa_luigi.products.production import Production, sync_folder

if TYPE_CHECKING:
    from osa_luigi.products.receipt import Made

FOLDER = "published"
PLACED, WITHDRAWN = "placed", "withdrawn"

State = tuple[int, ...]
"""Inode, size and time of change of a file."""


@dataclass(frozen=True, slots=True)
class Publication:
    """A file that was placed in the site's tree, or withdrawn from it.

    Parameters
    ----------
    what
        ``placed`` or ``withdrawn``.
    name, generation, role
        Of the receipt that tells of the product.
    path
        Of the product, relative to the production.
    place
        Of the published file, absolute.
    how
        ``link``, ``copy``, or ``there`` for what was found there.
    state
        Of the published file when that was written.
    """

    what: str
    name: str
    generation: int
    role: str
    path: str
    place: str
    size: int
    sha256: str
    how: str
    state: State
    when: str = ""


@dataclass(frozen=True, slots=True)
class _Read:
    """The publications that count."""

    by_place: Mapping[str, Publication]
    by_path: Mapping[str, Publication]


def publications(production: Production) -> Mapping[str, Publication]:
    """What was published of a production and not withdrawn: place → the last publication there."""
    return _read(production).by_place


def place_of(production: Production, made: Made) -> Path | None:
    """Where a product was published and still is, by its size; `None` if it was not, or only an earlier generation of it."""
    found = _read(production).by_path.get(made.place)
    if found is None or (found.size, found.sha256) != (made.size, made.sha256):
        return None
    place = Path(found.place)
    state = file_state(place)
    return place if state and state[1] == made.size else None


def file_state(path: Path) -> State | None:
    """The state of a file; `None` if it is not there.

    Raises
    ------
    OSError
        The disk does not answer.
    """
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return (status.st_ino, status.st_size, status.st_mtime_ns)


class Journal:
    """Notes what one process publishes; its file is made with the first note."""

    def __init__(self, production: Production) -> None:
        name = f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{host()}-{os.getpid()}-{secrets.token_hex(3)}.jsonl"
        self.path = production.state / FOLDER / name
        self._descriptor: int | None = None

    def note(self, publication: Publication) -> None:
        """Append a line; it is on the disk when the journal is left."""
        if self._descriptor is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o666)
        said = {**asdict(publication), "when": datetime.now(UTC).isoformat(timespec="seconds")}
        line = f"{json.dumps(said)}\n".encode()
        if os.write(self._descriptor, line) != len(line):  # half a line must be the last one
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._descriptor is not None:
            os.fsync(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = None
            sync_folder(self.path.parent)


def _read(production: Production) -> _Read:
    folder = production.state / FOLDER
    try:
        files = sorted(
            (entry.name, entry.stat().st_size) for entry in os.scandir(folder) if entry.name.endswith(".jsonl")
        )
    except (FileNotFoundError, NotADirectoryError):
        files = []
    return _parsed(folder, tuple(files))


@lru_cache(maxsize=8)
def _parsed(folder: Path, files: tuple[tuple[str, int], ...]) -> _Read:
    """Cached by the files' sizes, for they only grow: planning asks of each product that is missing."""
    by_place: dict[str, Publication] = {}
    by_path: dict[str, Publication] = {}
    for publication in (one for name, _ in files for one in _lines(folder / name)):
        if publication.what == PLACED:
            by_place[publication.place] = by_path[publication.path] = publication
        else:
            by_place.pop(publication.place, None)
            now = by_path.get(publication.path)
            if now and now.place == publication.place:  # else it was put elsewhere before
                del by_path[publication.path]
    return _Read(by_place, by_path)


def _lines(path: Path) -> Iterator[Publication]:
    for line in path.read_bytes().splitlines():
        try:
            data: dict[str, Any] = json.loads(line)
            yield Publication(**{**data, "state": tuple(data["state"])})
        except (ValueError, KeyError, TypeError):
            continue
