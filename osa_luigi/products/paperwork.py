"""A run's paperwork: its receipts, exit records and logs, wherever they lie: each as a file, or in the run's archive.

Everything that reads them does it here. A file is archived before it goes, so whoever looks for files first and into the archives after
that misses nothing. Where both hold a name, the archive counts: what it holds was committed first.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Container, Iterator
from pathlib import Path

from osa_luigi.products.archive import Archive, archived_runs, archives, open_archive
from osa_luigi.products.production import Production

RECEIPTS, ATTEMPTS, LOGS = KINDS = ("receipts", "attempts", "logs")


class Paperwork:
    """The paperwork of one run and its subruns.

    Parameters
    ----------
    run
        ``Run02008``, ``night``, or any unit of the run.
    keep
        The indexes of its archives stay in memory as long as this object.
    """

    def __init__(self, production: Production, run: str, *, keep: bool = False) -> None:
        self._production = production
        self.run = run.partition(".")[0]
        self._archives: tuple[Path, ...] | None = None
        self._keep = keep
        self._kept: tuple[Archive, ...] = ()

    def names(self, kind: str) -> set[str]:
        """The files' names, as they are now.

        Raises
        ------
        ProductError
            An archive is damaged.
        """
        loose = set(listed(self.folder(kind)))
        head = f"{kind}/"
        return loose | {member[len(head) :] for held in self._look() for member in held if member.startswith(head)}

    def read(self, kind: str, name: str) -> bytes:
        """The bytes of a file.

        Raises
        ------
        FileNotFoundError
            There is none.
        ProductError
            An archive is damaged.
        """
        try:
            return self._read(kind, name)
        except FileNotFoundError:
            self._look()  # archived since, or its archive was replaced
            return self._read(kind, name)

    def contents(self, kind: str, without: Container[str] = ()) -> dict[str, bytes]:
        """Name → bytes of all files of a kind, as they are now, read in one pass; a file that cannot be read is left out.

        Parameters
        ----------
        without
            Names that nobody asks for.

        Raises
        ------
        ProductError
            An archive is damaged.
        """
        folder = str(self.folder(kind))
        loose = listed(folder)
        found: dict[str, bytes] = {}
        for held in reversed(self._look()):
            found |= self._of_archive(held, kind, without)
        for name in loose:
            if name not in found and name not in without:
                with contextlib.suppress(OSError):
                    found[name] = self._of_folder(folder, kind, name)
        return found

    def loose(self, kind: str) -> list[str]:
        """The names of those that are files, as they are now."""
        return listed(self.folder(kind))

    def _of_archive(self, held: Archive, kind: str, without: Container[str]) -> dict[str, bytes]:
        try:
            return held.contents(kind, without)
        except FileNotFoundError:  # replaced since, by one that holds the same and more
            return {name: self.read(kind, name) for name in self.names(kind) if name not in without}

    def _of_folder(self, folder: str, kind: str, name: str) -> bytes:
        try:
            with open(f"{folder}/{name}", "rb") as file:  # noqa: PTH123 (of thousands; a `Path` of each takes longer than to read it)
                return file.read()
        except FileNotFoundError:
            return self.read(kind, name)

    def _read(self, kind: str, name: str) -> bytes:
        held = self.archive_of(kind, name)
        return (self.folder(kind) / name).read_bytes() if held is None else held.read(f"{kind}/{name}")

    def archive_of(self, kind: str, name: str) -> Archive | None:
        """The archive that holds a file."""
        for held in self._known():
            if f"{kind}/{name}" in held:
                return held
        return None

    def holds(self, kind: str, name: str) -> bool:
        """Whether there is such a file."""
        return (self.folder(kind) / name).exists() or any(f"{kind}/{name}" in held for held in self._look())

    def place(self, kind: str, name: str) -> str:
        """Where a file lies, for people; in an archive: as ``unzip -p`` takes it."""
        held = self.archive_of(kind, name)
        return str(self.folder(kind) / name) if held is None else f"{held.path} {kind}/{name}"

    def folder(self, kind: str) -> Path:
        """Where files lie that are not archived."""
        return self._production.state / kind / self.run

    def _known(self) -> Iterator[Archive]:
        """The archives of the last look; those that were replaced since are looked for again."""
        try:
            return iter(self._look() if self._archives is None else [open_archive(path) for path in self._archives])
        except FileNotFoundError:
            return iter(self._look())

    def _look(self) -> tuple[Archive, ...]:
        found = archives(self._production, self.run)
        if self._keep:
            self._kept = found
        self._archives = tuple(held.path for held in found)
        return found


def runs_with(production: Production, *kinds: str) -> list[str]:
    """The runs (and ``night``) that have paperwork of these kinds, or an archive."""
    loose = {name for kind in kinds for name in listed(production.state / kind)}
    return sorted(loose | archived_runs(production))


def listed(folder: Path | str) -> list[str]:
    """What a folder holds, but for files that are being written."""
    try:
        return [name for name in os.listdir(folder) if not name.startswith(".")]
    except (FileNotFoundError, NotADirectoryError):
        return []
