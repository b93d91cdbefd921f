"""Make a run's archive out of its loose paperwork and of the job arrays that are through.

What was archived before and what is loose is written together as a new archive, brought to the disk, read back, and only then given its
name. After that the older archives go, and the loose files that lie in the new one with the very same bytes. So whatever is killed or
fails on the way, each file is at one place at least; and of two processes that do it at once each takes away only what its own archive
holds: both archives stay until the next one joins them. A file that comes meanwhile stays loose until then.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from osa_luigi.errors import ProductError
from osa_luigi.products.archive import SUFFIX, Archive, archives, open_archive
from osa_luigi.products.paperwork import KINDS, LOGS, Paperwork, listed
from osa_luigi.products.production import Production, sync_folder
from osa_luigi.products.scratch import new_scratch

ARRAYS = "arrays"
INTENT, CLOSED = "intent.json", "closed.json"
"""Of an array's folder: what makes it one that an engine may take up, and what says that none does."""

_BLOCK = 1 << 16
_TRIES = 5
_FIRST = (1980, 1, 1, 0, 0, 0)
"""Of the times that a ZIP file can hold."""


@dataclass(frozen=True, slots=True)
class _Loose:
    """A file that is not archived, or that lies there still."""

    path: Path

    def blocks(self) -> Iterator[bytes]:
        with self.path.open("rb") as file:
            while block := file.read(_BLOCK):
                yield block

    def date(self) -> tuple[int, int, int, int, int, int]:
        moment = time.gmtime(self.path.stat().st_mtime)
        return max(
            _FIRST, (moment.tm_year, moment.tm_mon, moment.tm_mday, moment.tm_hour, moment.tm_min, moment.tm_sec)
        )


@dataclass(frozen=True, slots=True)
class _Archived:
    """A member of an archive."""

    archive: Archive
    member: str

    def blocks(self) -> Iterator[bytes]:
        return self.archive.blocks(self.member)

    def date(self) -> tuple[int, int, int, int, int, int]:
        return self.archive.date(self.member)


def archive_run(production: Production, run: str, arrays: Iterable[Path] = ()) -> int:
    """Put what is loose of a run into its archive; repeatable, by anybody, at once.

    Parameters
    ----------
    run
        ``Run02008``, with all its subruns, or ``night``.
    arrays
        Folders of job arrays of which nothing more is expected, nor read by an engine.

    Returns
    -------
    int
        How many files went.

    Raises
    ------
    OSError
        The disk is full, or away. Nothing is lost.
    ProductError
        An archive is damaged.
    """
    folders = list(arrays)
    for _ in range(_TRIES):
        # Somebody else took a file away, a folder, or an archive: look again.
        with contextlib.suppress(FileNotFoundError):
            # The files first: what is archived while we look is then found at one place or the other.
            loose = {**_papers(production, run), **_array_files(folders)}
            if not loose and len(archives(production, run)) <= 1:
                return 0
            return _remove(loose, _joined(production, run, loose), folders)
    return 0  # others are at it


def is_loose(production: Production, run: str) -> bool:
    """Whether something of a run is not archived, or in several archives."""
    return bool(_papers(production, run)) or len(archives(production, run)) > 1


def _joined(production: Production, run: str, loose: Mapping[str, Path]) -> Archive:
    """The one archive that holds all that is archived and all that is loose."""
    old = archives(production, run)
    sources: dict[str, _Loose | _Archived] = {member: _Loose(path) for member, path in loose.items()}
    sources |= {member: _Archived(held, member) for held in reversed(old) for member in held}
    if len(old) == 1 and len(sources) == len(old[0]):
        return old[0]
    new = _write(production, run, sources)
    for held in old:
        if held.path != new.path:
            held.path.unlink(missing_ok=True)
    return new


def _write(production: Production, run: str, sources: Mapping[str, _Loose | _Archived]) -> Archive:
    scratch = new_scratch(production, f"archive.{run}")
    try:
        draft = scratch / f"{run}{SUFFIX}"
        digests = _fill(draft, sources)
        _check(draft, digests)
        name = hashlib.sha256("".join(f"{member}\0{digests[member]}\n" for member in sorted(digests)).encode())
        target = production.archives / f"{run}.{name.hexdigest()[:16]}{SUFFIX}"
        target.parent.mkdir(parents=True, exist_ok=True)
        draft.replace(target)
        sync_folder(target.parent)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return open_archive(target)


def _fill(draft: Path, sources: Mapping[str, _Loose | _Archived]) -> dict[str, str]:
    """Write all members; returns the hash of each as it was read."""
    digests = {}
    with draft.open("xb") as file:
        with ZipFile(file, "w", ZIP_DEFLATED) as bundle:
            for member in sorted(sources):
                info = ZipInfo(member, sources[member].date())
                info.compress_type, info.external_attr = ZIP_DEFLATED, 0o444 << 16
                digest = hashlib.sha256()
                with bundle.open(info, "w", force_zip64=True) as content:
                    for block in sources[member].blocks():
                        digest.update(block)
                        content.write(block)
                digests[member] = digest.hexdigest()
        file.flush()
        os.fsync(file.fileno())
    return digests


def _check(draft: Path, digests: Mapping[str, str]) -> None:
    """Read back what was written.

    Raises
    ------
    ProductError
        It is not what was to be written. Nothing was removed.
    """
    written = Archive(draft)
    for member, digest in digests.items():
        if member not in written or _digest(written.blocks(member)) != digest:
            raise ProductError(
                f"{draft}: {member} is not what was written there. Nothing was removed; look at this disk."
            )


def _remove(loose: Mapping[str, Path], held: Archive, folders: Iterable[Path]) -> int:
    """Remove the files that the archive holds byte by byte, then the arrays' folders that are empty."""
    removed = 0
    for member in sorted(loose, key=_last):
        with contextlib.suppress(FileNotFoundError):
            if _digest(_Loose(loose[member]).blocks()) == _digest(held.blocks(member)):
                loose[member].unlink()
                removed += 1
    for folder in folders:
        for inside in (*(path for path in folder.glob("*") if path.is_dir()), folder):
            with contextlib.suppress(OSError):
                inside.rmdir()
    return removed


def _last(member: str) -> tuple[bool, bool]:
    """An array's intent goes first, and last that it is closed: without the one no engine takes it up, nor with the other."""
    name = member.rpartition("/")[2] if member.startswith(f"{ARRAYS}/") else ""
    return (name == CLOSED, name != INTENT)


def _papers(production: Production, run: str) -> dict[str, Path]:
    """Member → file, of all paperwork that is written to its end."""
    papers = Paperwork(production, run)
    found = {(kind, name) for kind in KINDS for name in listed(papers.folder(kind))}
    # Listed after the logs, whose attempts made their working folders before: those that are not there have ended.
    working = set(listed(production.scratch))
    return {
        f"{kind}/{name}": papers.folder(kind) / name
        for kind, name in found
        if kind != LOGS or name.removesuffix(".log") not in working
    }


def _array_files(folders: Iterable[Path]) -> dict[str, Path]:
    return {
        f"{ARRAYS}/{folder.name}/{path.relative_to(folder)}": path
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


def _digest(blocks: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for block in blocks:
        digest.update(block)
    return digest.hexdigest()
