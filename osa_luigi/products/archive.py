"""A run's archive: its receipts, exit records and logs, and the job arrays that are through, as members of one ZIP file.

    <root>/.osa/archives/<run>.<hash>.zip
        receipts/<file>, attempts/<file>, logs/<file>, arrays/<array>/<file>

The hash is of the members' names and bytes, and an archive never changes: the name stands for the content. There may be several of a
run for a while (two processes archived at once); what is in any of them counts. archiving.py makes them.
"""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Container, Iterator
from contextlib import contextmanager
from functools import lru_cache
from operator import attrgetter
from pathlib import Path
from threading import Lock
from typing import BinaryIO
from weakref import WeakValueDictionary
from zipfile import ZIP_DEFLATED, BadZipFile, ZipFile, ZipInfo

from osa_luigi.errors import ProductError
from osa_luigi.products.production import Production

SUFFIX = ".zip"

_KEPT_OPEN = 4
"""Archives whose index stays in memory. Whoever goes through a night does it run by run; an index takes about a MB."""

_BLOCK = 1 << 16
_AT_ONCE = 1 << 20
"""So much is read at a time where all members of a folder are: each reading is a round trip on a parallel file system. Unit: bytes."""
_HEADER = struct.Struct("<4s22xHH")
"""What stands before a member's bytes: a mark, and how long its name and the rest are that come in between."""
_OFFSET = attrgetter("header_offset")
_MARK = b"PK\x03\x04"
_LOOKS = 100
_HELD: WeakValueDictionary[Path, Archive] = WeakValueDictionary()
"""Those that somebody keeps."""
_DAMAGED = (BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError, struct.error, zlib.error)
"""What `zipfile` raises for bytes that are no archive, or not the one that they were."""


class Archive:
    """An archive, of which the index is read once, and members when they are asked for; in between it is not open.

    Raises
    ------
    FileNotFoundError
        It is not there (any more): a later one holds its members.
    ProductError
        It is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = _Positioned(path)
        with self._whole():
            self._zip = ZipFile(io.BufferedReader(self._file))
            self._members = {info.filename: info for info in self._zip.infolist()}

    def __contains__(self, member: str) -> bool:
        return member in self._members

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def read(self, member: str) -> bytes:
        """A member's bytes, checked against the archive's own check sum."""
        with self._whole():
            return self._zip.read(self._members[member])

    def contents(self, folder: str, without: Container[str] = ()) -> dict[str, bytes]:
        """Name → bytes of the members of a folder, each checked: `zipfile` takes longer to open one of thousands than to read it."""
        head = len(folder) + 1
        infos = (info for name, info in self._members.items() if name.startswith(f"{folder}/"))
        wanted = sorted((info for info in infos if info.filename[head:] not in without), key=_OFFSET)
        with self._whole(), self.path.open("rb", buffering=_AT_ONCE) as file:
            return {info.filename[head:]: self._content(file, info) for info in wanted}

    def _content(self, file: BinaryIO, info: ZipInfo) -> bytes:
        if info.compress_type != ZIP_DEFLATED:
            return self._zip.read(info)
        file.seek(info.header_offset)
        mark, *lengths = _HEADER.unpack(file.read(_HEADER.size))
        file.seek(sum(lengths), os.SEEK_CUR)
        content = zlib.decompress(file.read(info.compress_size), -zlib.MAX_WBITS)
        if mark != _MARK or zlib.crc32(content) != info.CRC:
            raise BadZipFile(f"bad CRC-32 for file {info.filename!r}")
        return content

    def blocks(self, member: str) -> Iterator[bytes]:
        """The same piece by piece, for what may be large."""
        with self._whole(), self._zip.open(self._members[member]) as content:
            while block := content.read(_BLOCK):
                yield block

    def date(self, member: str) -> tuple[int, int, int, int, int, int]:
        """When a member was written (UTC)."""
        return self._members[member].date_time

    @contextmanager
    def _whole(self) -> Iterator[None]:
        self._file.hold()
        try:
            yield
        except _DAMAGED as error:
            run = self.path.name.partition(".")[0]
            raise ProductError(
                f"{self.path}: this archive of the receipts and logs of {run} is damaged ({error}). Restore it from a backup. "
                f"Where there is none, move it aside, and the products of {run} with it, then run again: they are made anew."
            ) from error
        finally:
            self._file.release()


class _Positioned(io.RawIOBase):
    """A file that is opened when it is read, at a position which is this object's own.

    Processes that were forked share the place in an open file, and would move it for each other. Threads share this object: it stays
    open as long as one of them reads.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size = path.stat().st_size
        self._descriptor: int | None = None
        self._at = 0
        self._readers = 0
        self._lock = Lock()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError("before the file's beginning")
        self._at = base + offset
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        block = self.piece(self._at, len(buffer))
        buffer[: len(block)] = block
        self._at += len(block)
        return len(block)

    def piece(self, offset: int, length: int) -> bytes:
        """So many bytes of a place, or fewer at the file's end."""
        return os.pread(self._open(), length, offset)

    def _open(self) -> int:
        with self._lock:
            if self._descriptor is None:
                self._descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            return self._descriptor

    def hold(self) -> None:
        """Somebody begins to read."""
        with self._lock:
            self._readers += 1

    def release(self) -> None:
        """Somebody has read. After the last one the file is closed; the next reading opens it again."""
        with self._lock:
            self._readers -= 1
            if not self._readers and self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None


@lru_cache(maxsize=_KEPT_OPEN)
def open_archive(path: Path) -> Archive:
    """An archive; one that was opened before is not read again, since what bears its name has its content."""
    if (found := _HELD.get(path)) is None:
        found = _HELD[path] = Archive(path)
    return found


def archives(production: Production, run: str) -> tuple[Archive, ...]:
    """The archives of a run that hold all that was archived of it.

    The folder is looked at again after they are opened: a listing that is made while one archive replaces another may have neither.
    """
    before = _names(production, run)
    for _ in range(_LOOKS):
        try:
            found = tuple(open_archive(production.archives / name) for name in before)
        except FileNotFoundError:
            found = ()
        now = _names(production, run)
        if now == before and len(found) == len(now):
            return found
        before = now
    raise ProductError(
        f"{production.archives}: the archives of {run} do not keep still, or are links to nothing. Look there."
    )


def archived_runs(production: Production) -> set[str]:
    """The runs that have an archive."""
    return {name.partition(".")[0] for name in _listed(production.archives)}


def _names(production: Production, run: str) -> list[str]:
    return sorted(name for name in _listed(production.archives) if name.partition(".")[0] == run)


def _listed(folder: Path) -> list[str]:
    try:
        return [name for name in os.listdir(folder) if name.endswith(SUFFIX) and not name.startswith(".")]
    except FileNotFoundError:
        return []
