"""Whether a production's files are still those that were read: by the times of folders, without listing what is in them.

Files of the books are written once, whole, and never changed, so each new one shows in the time of its folder. A night of 100 runs has a
few hundred folders and tens of thousands of files.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from osa_luigi.products.production import Production

VERSION = 1
"""Raised when the same files give other rows: what was read before is then read again."""

SETTLED_S = 10.0
"""What changed a moment ago may change again within the same tick of the file system's clock."""

PASSED_OVER = ("scratch", "logs")
"""Folders of `.osa` of which the ledger says nothing, and in which there is much coming and going."""


def fingerprint(production: Production, beside: Iterable[Path] = (), *, settled_s: float = SETTLED_S) -> str:
    """Of all that the rows of a production are made from; empty while it may be changing.

    Parameters
    ----------
    beside
        Files elsewhere that they are made from, too.
    settled_s
        Age (s) from which the newest change counts as over.
    """
    print_ = hashlib.sha256(f"{VERSION}\n".encode())
    newest = 0.0
    for path in (*_folders(production.state), *_marks(production.root), *beside):
        try:
            stat = path.stat()
        except FileNotFoundError:
            print_.update(f"{path}\n".encode())
            continue
        newest = max(newest, stat.st_mtime)
        size = "" if path.is_dir() else stat.st_size
        print_.update(f"{path} {stat.st_mtime_ns} {size}\n".encode())
    return print_.hexdigest() if time.time() - newest >= settled_s else ""


def _folders(state: Path) -> Iterator[Path]:
    """The folders of the books: two levels, and the records of arrays."""
    for kind in (state, *_within(state)):
        if kind.name in PASSED_OVER:
            continue
        yield kind
        for folder in _within(kind) if kind != state else ():
            yield folder
            if folder.name == "arrays":
                for array in _within(folder):
                    yield from (array, array / "records")


def _marks(root: Path) -> Iterator[Path]:
    yield root / "NightFinished.txt"


def _within(folder: Path) -> list[Path]:
    try:
        return sorted(Path(entry.path) for entry in os.scandir(folder) if entry.is_dir())
    except FileNotFoundError:
        return []
