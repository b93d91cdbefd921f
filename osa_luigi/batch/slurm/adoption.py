"""Whether an engine can tell what became of the arrays that it finds open, where another account submitted them."""

from __future__ import annotations

import os

from osa_luigi.batch.slurm.accounts import account_name, known_accounts, other_accounts
from osa_luigi.batch.slurm.answers import Limits
from osa_luigi.batch.slurm.desk import Desk
from osa_luigi.errors import ExecutorError
from osa_luigi.products.production import Production


def adopted_accounts(production: Production, limits: Limits) -> frozenset[int]:
    """The other accounts whose jobs SLURM must be asked for, beside this one's: their user ids.

    Raises
    ------
    ExecutorError
        Some of them may still run, and SLURM does not show them to this account: they would count as vanished, and be submitted twice.
    """
    others = other_accounts(production)
    if not others:
        return frozenset()
    known = known_accounts(others)
    all_hidden = limits.private_jobs and os.getuid() != 0
    hidden = {account: arrays for account, arrays in others.items() if all_hidden or account not in known}
    if hidden:
        stands = Desk(production, None, None).stands.values()
        alive = {
            stand.array for stand in stands if stand.where.may_run
        }  # by its records an element is over, whoever asks
        for account, arrays in hidden.items():
            if left := [array for array in arrays if array in alive]:
                raise ExecutorError(_refusal(production, account, left, is_known=account in known))
    return known


def _refusal(production: Production, account: int, arrays: list[str], *, is_known: bool) -> str:
    name = account_name(account)
    why = (
        "this cluster shows jobs to nobody but their owner (PrivateData)"
        if is_known
        else "this machine does not know that account, so SLURM's commands do not tell of it"
    )
    several = f"{len(arrays)} arrays" if len(arrays) > 1 else "1 array"
    return (
        f"{production.root}: {several} of the account {name} may still run ({arrays[0]}, for one), and {why}: "
        f"they would be submitted a second time. Run it again when they have ended, or have {name} run it, "
        f"or have `osa cancel --all` done by {name}; then run it, `osa retry --all`, and run it again."
    )
