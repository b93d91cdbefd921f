"""The commit: the one moment from which a product counts.

Outputs wait in the attempt's scratch folder, verified and on the disk. The receipt that names them is hard-linked to its
final name: that either happens or not, and only once, however many copies of the attempt race (a batch system may run a job
twice, and a step may have three outputs, so renaming each by itself would not do). Then the outputs are moved; whoever comes later
finishes a move that was interrupted.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from pathlib import Path

from osa_luigi.products.paperwork import RECEIPTS, Paperwork
from osa_luigi.products.production import Production, sync_folder
from osa_luigi.products.receipt import Receipt

RECEIPT = "receipt.json"


def commit(production: Production, receipt: Receipt, scratch: Path) -> bool:
    """Make a receipt count, and move the outputs that it names to their places.

    Parameters
    ----------
    production
        Where the products go.
    receipt
        Names the outputs; they are complete and on the disk.
    scratch
        The attempt's folder, on the production's file system.

    Returns
    -------
    bool
        False if another attempt committed first; the caller's outputs are then of no use.
    """
    target = receipt_path(production, receipt)
    draft = scratch / RECEIPT
    with draft.open("w") as file:
        file.write(receipt.text())
        file.flush()
        os.fsync(file.fileno())
    _protect(production, receipt)
    sync_folder(scratch)
    target.parent.mkdir(parents=True, exist_ok=True)
    # Before the link: where a disk has no room for folders, nothing counts yet. A file in the way of one costs no work: the move says so.
    with contextlib.suppress(FileExistsError, NotADirectoryError):
        for folder in _folders(production, receipt):
            folder.mkdir(parents=True, exist_ok=True)
    if not link_exclusively(draft, target):
        return False
    if _was_archived(production, receipt, target):
        target.unlink()
        return False
    finish_move(production, receipt)
    return True


def _was_archived(production: Production, receipt: Receipt, target: Path) -> bool:
    """Whether somebody's receipt of this name counts already, though none lies there: it has gone into the run's archive.

    A file is archived before it goes; so a link that found the name free because of that is followed by a look that finds the archive.
    """
    papers = Paperwork(production, receipt.unit)
    archived = papers.archive_of(RECEIPTS, target.name) is not None
    return archived and papers.read(RECEIPTS, target.name) != receipt.text().encode()


def _protect(production: Production, receipt: Receipt) -> None:
    """Products are read-only from here on: other productions share the very files. Who may read them, the umask has said."""
    for made in receipt.outputs:
        path = production.root / made.scratch
        mode = path.stat().st_mode
        if mode & 0o222:
            path.chmod(stat.S_IRUSR | mode & 0o444)


def receipt_path(production: Production, receipt: Receipt) -> Path:
    """The final name of a receipt."""
    return production.receipts(receipt.unit) / f"{receipt.name}.{receipt.generation}.json"


def link_exclusively(draft: Path, target: Path) -> bool:
    """Hard-link a file to a name that nobody has yet; False if somebody has.

    A network file system may answer "exists" to a link that it made (the reply was lost and the call repeated); the link count tells.
    """
    try:
        target.hardlink_to(draft)
    except FileExistsError:
        return draft.samefile(target)
    sync_folder(target.parent)
    return True


def finish_move(production: Production, receipt: Receipt) -> None:
    """Move a committed receipt's outputs from the scratch folder to their places; repeatable, by anybody, at once."""
    folders = _folders(production, receipt)
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    for made in receipt.outputs:
        try:
            (production.root / made.scratch).replace(production.root / made.path)
        except FileNotFoundError:
            continue  # moved already
    for folder in folders:
        sync_folder(folder)
    for scratch in {_attempt_folder(production, made.scratch) for made in receipt.outputs}:
        shutil.rmtree(scratch, ignore_errors=True)


def _folders(production: Production, receipt: Receipt) -> set[Path]:
    """Where the outputs go."""
    return {production.root / made.path.parent for made in receipt.outputs}


def _attempt_folder(production: Production, inside: Path) -> Path:
    """The attempt's scratch folder that holds a file: the first part below the scratch root."""
    relative = (production.root / inside).relative_to(production.scratch)
    return production.scratch / relative.parts[0]
