"""Put a product at another place: a hard link where that can be, else a copy that is read back and compared with the receipt.

A file appears under its name whole or not at all. Nothing is replaced but what the caller has judged to be its own.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import secrets
import time
from pathlib import Path

from osa_luigi.errors import VerificationError
from osa_luigi.process import Process, host
from osa_luigi.products.digest import BLOCK, sha256
from osa_luigi.products.published import State, file_state

NO_LINK = frozenset({errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP, errno.EACCES})
"""Another file system; a file of another user's; too many links; a file system without links."""

PART = re.compile(r"\..+\.(?P<host>[^.]+)-(?P<pid>\d+)-[0-9a-f]{8}\.part")
OLD_S = 86_400.0
"""From when on a half made copy of another machine's is nobody's."""


def put(source: Path, target: Path, digest: str, *, instead_of: State | None = None) -> str:
    """Put a file at a place that nobody has, or that holds a file of our own.

    Parameters
    ----------
    digest
        sha256 that the file must have; a link is not read, for it is the same file.
    instead_of
        State of the file that is to be replaced.

    Returns
    -------
    str
        ``link`` or ``copy``.

    Raises
    ------
    FileExistsError
        Somebody was first, or changed what was to be replaced.
    VerificationError
        The source has other bytes than it should, or the copy has.
    OSError
        The disk is full, or away; nothing is left but the copy's unnamed part, which the next `sweep` removes if this process dies.
    """
    part = target.with_name(f".{target.name[:180]}.{host()}-{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        how = _half(source, part, digest)
        if instead_of is None:
            _name_exclusively(part, target)
        elif file_state(target) == instead_of:
            part.replace(target)
        else:
            raise FileExistsError(errno.EEXIST, "was changed meanwhile", str(target))
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
    return how


def sweep(folder: Path) -> None:
    """Remove what copies that were killed have left in a folder."""
    with contextlib.suppress(OSError):
        for entry in list(os.scandir(folder)):
            if (match := PART.fullmatch(entry.name)) and _is_nobodys(match, entry.stat(follow_symlinks=False)):
                Path(entry.path).unlink()


def _is_nobodys(match: re.Match[str], status: os.stat_result) -> bool:
    alive = Process(match["host"], int(match["pid"])).alive()
    return not alive and (alive is False or time.time() - status.st_mtime > OLD_S)


def _half(source: Path, part: Path, digest: str) -> str:
    try:
        part.hardlink_to(source)
    except OSError as error:
        if error.errno not in NO_LINK:
            raise
        _copy(source, part, digest)
        return "copy"
    return "link"


def _copy(source: Path, part: Path, digest: str) -> None:
    read = hashlib.sha256()
    with source.open("rb") as file, part.open("xb") as copy:
        while block := file.read(BLOCK):
            read.update(block)
            copy.write(block)
        copy.flush()
        os.fsync(copy.fileno())
    if read.hexdigest() != digest:
        raise VerificationError(
            f"{source}: has other bytes than when it was made (sha256 {read.hexdigest()[:12]}…, not {digest[:12]}…). It was not copied. "
            "Set it aside (`osa verify --set-aside`), run the night again, then publish again."
        )
    part.chmod(source.stat().st_mode & 0o444)
    if sha256(part) != digest:
        raise VerificationError(
            f"{part}: is not what was written there. Look at the disk that holds it, then publish again."
        )


def _name_exclusively(part: Path, target: Path) -> None:
    try:
        target.hardlink_to(part)
    except FileExistsError:
        if not part.samefile(target):  # a network file system may say so of a link that it made
            raise
    except OSError as error:
        if error.errno not in NO_LINK:
            raise
        # A file system without links cannot say who was first; this look is the best there is.
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, "is there", str(target)) from error
        part.replace(target)
