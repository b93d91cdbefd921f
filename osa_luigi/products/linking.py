"""Take a product over from another production of the same night: same key, same product, so a hard link will do."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

from osa_luigi.errors import ProductError
from osa_luigi.products.commit import RECEIPT, commit
from osa_luigi.products.production import Production
from osa_luigi.products.published import place_of
from osa_luigi.products.receipt import Presence, Receipt, ReceiptBook, presence
from osa_luigi.products.scratch import new_scratch


def find_equal(books: dict[Production, ReceiptBook], name: str, key: str) -> tuple[Production, Receipt] | None:
    """A committed product of the same key in one of these productions.

    Parameters
    ----------
    books
        The receipts of other productions.
    name, key
        ``<step>.<unit>`` and its step key.
    """
    for production, book in books.items():
        try:
            if book.key(name) != key or book.presence(name) is not Presence.COMPLETE:
                continue
            if receipt := book.receipt(name):
                return production, receipt
        except (ProductError, OSError):
            continue  # a broken receipt there, or a folder that may not be read, is no trouble here
    return None


def link_product(source: Production, receipt: Receipt, target: Production, generation: int = 1) -> bool:
    """Commit another production's product here, without making it again.

    Returns
    -------
    bool
        False if it cannot be linked (another file system, too many links), was lost meanwhile, somebody else was first, or a
        file that nobody made stands where it goes: the attempt then says so.
    """
    if generation == 1 and any(os.path.lexists(target.root / made.path) for made in receipt.outputs):
        return False
    try:
        scratch = new_scratch(target, receipt.name)
    except OSError:
        return False
    try:
        outputs = []
        for number, made in enumerate(receipt.outputs):
            place = scratch / f"{number}-{made.path.name}"
            own = source.root / made.path
            place.hardlink_to(own if own.exists() else place_of(source, made) or own)
            outputs.append(replace(made, left=str(place.relative_to(target.root))))
        linked = replace(receipt, generation=generation, outputs=tuple(outputs), linked_from=source.id)
        return presence(target, linked) is not Presence.LOST and commit(target, linked, scratch)
    except OSError:
        return False
    finally:
        if not _is_committed(scratch):
            shutil.rmtree(scratch, ignore_errors=True)


def _is_committed(scratch: Path) -> bool:
    """Whether a receipt counts whose files still lie here (an error between the link and the move)."""
    draft = scratch / RECEIPT
    return draft.exists() and draft.stat().st_nlink > 1
