"""Delivering what was held back of a night: late files, and whole ones for those that were damaged or missing."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from osa_luigi.telescope.faults import Fault, FaultKind
from osa_luigi.telescope.manifest import Manifest


def deliver(base: Path, day: date, *, repair: bool = False) -> list[Path]:
    """Move files that were held back to where they belong, and return where they are now.

    A file appears as a whole. What was delivered before stays; killed in the middle, the same call goes on.

    Parameters
    ----------
    repair
        Not only late files: whole ones for those that are damaged or missing, too, as if they were copied again.

    Raises
    ------
    NightError
        The base does not hold the night.
    """
    delivered = []
    for held in Manifest(base).held(day):
        if (repair or Fault.parse(held.fault).kind is FaultKind.LATE) and held.whole.exists():
            held.file.parent.mkdir(parents=True, exist_ok=True)
            held.whole.replace(held.file)
            delivered.append(held.file)
    return delivered
