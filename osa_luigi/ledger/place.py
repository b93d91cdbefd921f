"""Where the ledger lies if nobody says: a file of the user's, which SQLite wants on a disk of this machine."""

from __future__ import annotations

import os
from pathlib import Path

import psutil

from osa_luigi.config import MainConfig
from osa_luigi.errors import LedgerError
from osa_luigi.products.identity import digest

FILE = "ledger.sqlite"

NETWORK = (
    "nfs",
    "cifs",
    "smb",
    "lustre",
    "gpfs",
    "beegfs",
    "ceph",
    "afs",
    "gluster",
    "fuse.sshfs",
    "9p",
    "pvfs",
    "orangefs",
)
"""How kinds of file systems begin that several machines share."""


def default_file(main: MainConfig) -> Path:
    """``<state>/osa_luigi/<site>-<hash>/ledger.sqlite``; the hash is of the folder of productions, so two sites never share a file.

    `<state>` is XDG_STATE_HOME, or ``~/.local/state``.

    Raises
    ------
    LedgerError
        The user has no home.
    """
    state = os.environ.get("XDG_STATE_HOME", "")
    try:
        root = Path(state) if state.startswith("/") else Path.home() / ".local" / "state"
    except RuntimeError as error:
        raise LedgerError("The user has no home for the ledger: name its place in ledger.url.") from error
    site = f"{main.site.name}-{digest(str(main.site.paths.running_analysis))[:8]}"
    return root / "osa_luigi" / site / FILE


def file_system(path: Path) -> str:
    """The kind of file system on which a path lies, or would; empty if nobody knows."""
    place = os.path.realpath(path)
    best = ("", "")
    for mount in psutil.disk_partitions(all=True):
        point = mount.mountpoint.rstrip("/") + "/"
        if f"{place}/".startswith(point) and len(point) >= len(best[0]):
            best = point, mount.fstype
    return best[1]


def is_network(kind: str) -> bool:
    """Whether several machines share such a file system."""
    return kind.lower().startswith(NETWORK)
