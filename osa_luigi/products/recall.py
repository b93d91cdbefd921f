"""Bring a product back to its own place that lies only where it was published."""

from __future__ import annotations

import contextlib
from pathlib import Path

from osa_luigi.products.placing import put
from osa_luigi.products.production import Production
from osa_luigi.products.published import place_of, publications
from osa_luigi.products.receipt import current_receipt


def bring_back(path: Path) -> bool:
    """Put a product to its own place again from where it was published; False if it is no product, or lies nowhere.

    Raises
    ------
    ProductError
        The published file has other bytes than when it was made.
    OSError
        It cannot be linked, nor copied.
    """
    root = next((folder for folder in path.parents if (folder / ".osa").is_dir()), None)
    if root is None:
        return False
    production, inside = Production(root), str(path.relative_to(root))
    found = next((one for one in publications(production).values() if one.path == inside), None)
    if found is None:
        return False
    step, _, unit = found.name.partition(".")
    receipt = current_receipt(production, step, unit)
    made = receipt.made(found.role) if receipt else None
    if made is None or (place := place_of(production, made)) is None:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):  # somebody else brought it back
        put(place, path, made.sha256)
    return True
