"""A run's paperwork: its receipts, exit records and logs, wherever they lie: each as a file, or in the run's archive.

Everything that reads them does it here. A file is archived before it goes, so whoever looks for files first and into the archives after
that misses nothing. Where both hold a name, the archive counts: what it holds was committed first.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
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
    """

    def __init__(self, production: Production, run: str) -> None:
        self._production = production
        self.run = run.partition(".")[0]
        self._archives: tuple[Path, ...] | None = None

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
        self._archives = tuple(held.path for held in found)
        return found


def runs_with(production: Production, *kinds: str) -> list[str]:
    """The runs (and ``night``) that have paperwork of these kinds, or an archive."""
    loose = {name for kind in kinds for name in listed(production.state / kind)}
    return sorted(loose | archived_runs(production))


def listed(folder: Path) -> list[str]:
    """What a folder holds, but for files that are being written."""
    try:
        return [name for name in os.listdir(folder) if not name.startswith(".")]
    except (FileNotFoundError, NotADirectoryError):
        return []
