"""Take a product over from another production of the same night: same key, same product, so a hard link will do."""

from __future__ import annotations

import secrets
import shutil
from dataclasses import replace
from pathlib import Path

from osa_luigi.products.commit import RECEIPT, commit
from osa_luigi.products.production import Production
from osa_luigi.products.receipt import Presence, Receipt, ReceiptBook, presence


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
        receipt = book.receipt(name)
        if receipt and receipt.key == key and book.presence(receipt) is Presence.COMPLETE:
            return production, receipt
    return None


def link_product(source: Production, receipt: Receipt, target: Production, generation: int = 1) -> bool:
    """Commit another production's product here, without making it again.

    Returns
    -------
    bool
        False if it cannot be linked (another file system, too many links), was lost meanwhile, or somebody else was first.
    """
    scratch = target.scratch / f"{receipt.name}.link-{secrets.token_hex(4)}"
    scratch.mkdir(parents=True)
    try:
        outputs = []
        for made in receipt.outputs:
            place = scratch / made.path.name
            place.hardlink_to(source.root / made.path)
            outputs.append(replace(made, scratch=place.relative_to(target.root)))
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
