"""Whose the arrays are that nobody has closed: what another account's engine submitted, SLURM may not show to this one."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterable
from pathlib import Path

from osa_luigi.batch.slurm.journal import Journal
from osa_luigi.batch.slurm.store import FileStore
from osa_luigi.products.production import Production


def other_accounts(production: Production) -> dict[int, list[str]]:
    """Another account's user id → its arrays that are not closed, the names in order."""
    folder = production.state / "engine"
    store = FileStore(folder)
    owners = {array: other_account(folder / "arrays" / array) for array in store.names("arrays")}
    found: dict[int, list[str]] = {}
    if all(owner is None for owner in owners.values()):
        return found  # as in most nights, and no folder was looked into
    for array in Journal(store).open_names():
        if (owner := owners.get(array)) is not None:
            found.setdefault(owner, []).append(array)
    return found


def other_account(array: Path) -> int | None:
    """Whose an array is, if it is not this account's: of whose engine the folder is that was made before its submission."""
    try:
        owner = array.stat().st_uid
    except OSError:
        return None
    return None if owner == os.getuid() else owner


def account_name(account: int) -> str:
    """What a person calls an account; its number if this machine does not know it."""
    try:
        return pwd.getpwuid(account).pw_name
    except KeyError:
        return str(account)


def known_accounts(accounts: Iterable[int]) -> frozenset[int]:
    """Those that this machine knows: of no other do SLURM's commands tell."""
    return frozenset(account for account in accounts if account_name(account) != str(account))
