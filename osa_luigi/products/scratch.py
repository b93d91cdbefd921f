"""Working folders of attempts, and whose they are: ``.osa/scratch/<step>.<unit>.<time>-<host>-<pid>-<random>/``.

A file in the folder names the process; where it is missing (an older folder, or one that was made this very moment) the folder's name does.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from osa_luigi.errors import ProductError
from osa_luigi.process import Process, host
from osa_luigi.products.paperwork import ATTEMPTS, Paperwork
from osa_luigi.products.production import Production

OWNER = "owner.json"


@dataclass(frozen=True, slots=True)
class Scratch:
    """The working folder of an attempt that is under way, or was killed.

    Parameters
    ----------
    name
        ``<step>.<unit>``.
    owner
        The process that made it.
    """

    production: Production
    folder: Path
    name: str
    owner: Process

    def alive(self) -> bool | None:
        """Whether the attempt is under way; `None` where that cannot be known from here. Its exit record is what it writes last."""
        with contextlib.suppress(ProductError):  # an archive is damaged: whoever reads it for its receipts says so
            if Paperwork(self.production, self._unit).holds(ATTEMPTS, f"{self.folder.name}.json"):
                return False
        return self.owner.alive()

    def last_sign(self) -> float:
        """When something last changed in the folder or in the log: seconds since 1970, by the file system's clock."""
        log = self.production.logs(self._unit) / f"{self.folder.name}.log"
        times = [0.0]
        for path in (log, self.folder, *self.folder.glob("*"), *self.folder.glob("*/*")):
            with contextlib.suppress(OSError):  # gone since it was listed
                times.append(path.stat().st_mtime)
        return max(times)

    @property
    def _unit(self) -> str:
        return self.name.partition(".")[2]


def new_scratch(production: Production, name: str) -> Path:
    """A working folder of this process for work that is no attempt, named as one of an attempt: what a dead one left can be swept.

    Parameters
    ----------
    name
        What the work is, as ``<step>.<unit>``.
    """
    folder = production.scratch / f"{name}.work-{host()}-{os.getpid()}-{secrets.token_hex(4)}"
    folder.mkdir(parents=True)
    try:
        claim(folder)
    except OSError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder


def claim(folder: Path) -> None:
    """Say in a new working folder that it is this process's."""
    (folder / OWNER).write_text(Process.me().text())


def scratches(production: Production) -> Iterator[Scratch]:
    """Working folders of attempts; what else lies there is passed over."""
    try:
        folders = sorted(Path(entry.path) for entry in os.scandir(production.scratch))
    except FileNotFoundError:
        return
    for folder in folders:
        if owner := _owner(folder):
            yield Scratch(production, folder, folder.name.rpartition(".")[0], owner)


def _owner(folder: Path) -> Process | None:
    _, _, attempt = folder.name.rpartition(".")
    host, _, pid = attempt.partition("-")[2].rpartition("-")[0].rpartition("-")  # a host's name may hold dashes
    if not pid.isdecimal():
        return None
    try:
        return Process.from_json(json.loads((folder / OWNER).read_text()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Process(host, int(pid))
