"""The journal's files on a real disk."""

from __future__ import annotations

import os
from pathlib import Path

from osa_luigi.products.production import write_durably


class FileStore:
    """Files under one folder; see `journal.Store`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, path: str, text: str) -> None:
        """Write a file durably, whole or not at all."""
        write_durably(self._folder / path, text)

    def read(self, path: str) -> str:
        """A file's text."""
        return (self._folder / path).read_text(encoding="utf-8", errors="surrogateescape")

    def names(self, folder: str) -> list[str]:
        """What a folder holds, but for files that are being written."""
        try:
            return sorted(name for name in os.listdir(self._folder / folder) if not name.startswith("."))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def remove(self, path: str) -> None:
        """Remove a file, if it is there."""
        (self._folder / path).unlink(missing_ok=True)
