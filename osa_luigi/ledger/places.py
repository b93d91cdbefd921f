"""Where productions are, told from the disk alone."""

from __future__ import annotations

import os
from pathlib import Path

from osa_luigi.products.production import Production

KEPT = ("receipts", "archives")
"""Folders of ``.osa`` that hold receipts: as files, or those of a run that is through in one archive."""


def is_production(root: Path) -> bool:
    """Whether a folder is a production: something was committed in it."""
    return any((root / ".osa" / name).is_dir() for name in KEPT)


def holds_run(production: Production, run: str) -> bool:
    """Whether a production may have receipts of a run; a look, no reading."""
    return production.receipts(run).is_dir() or any((production.state / "archives").glob(f"{run}.*"))


def productions(running_analysis: Path, night: str = "") -> list[Production]:
    """All productions of a site, or of one night (``20241115``)."""
    nights = [running_analysis / night] if night else _folders(running_analysis)
    return [Production(root) for folder in nights for root in _folders(folder) if is_production(root)]


def _folders(root: Path) -> list[Path]:
    """The folders in a folder; of one that may not be read, none."""
    try:
        return sorted(Path(entry.path) for entry in os.scandir(root) if entry.is_dir() and entry.name[0] != ".")
    except OSError:
        return []
