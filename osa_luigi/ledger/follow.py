"""For whoever has just changed a night: the ledger follows, and never stands in the way."""

from __future__ import annotations

from datetime import date

from osa_luigi.config import MainConfig
from osa_luigi.errors import OsaError


def follow(main: MainConfig, day: date) -> str:
    """Bring the ledger up to date with a night; a line about what went wrong, empty if nothing did. Raises nothing."""
    try:
        from osa_luigi.ledger.site import Choice
        from osa_luigi.ledger.update import update_ledger

        outcome = update_ledger(main, Choice(frozenset({day})))
    except (OsaError, OSError) as error:
        return f"The ledger was not brought up to date: {error} Later: `osa ledger update`."
    trouble = [*outcome.failed, *outcome.unreadable]
    return f"The ledger: not everything could be read: {trouble[0]}" if trouble else ""
