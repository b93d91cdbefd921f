"""The software that makes the products, as it enters step keys and receipts."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version

SCIENTIFIC = ("lstchain", "ctapipe", "ctapipe_io_lst")
"""Packages whose version is part of a product's identity."""

RECORDED = (*SCIENTIFIC, "protozfits", "numpy", "tables", "scikit-learn", "osa_luigi")
"""Packages whose version a receipt records."""


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


@cache
def scientific_software() -> dict[str, str]:
    """The software set of a step key."""
    return {package: _version(package) for package in SCIENTIFIC}


def other_software(before: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """Packages of a step key that are here in another version than before: name, version before, version here.

    What is not named counts as unchanged.
    """
    return [
        (package, before[package], version)
        for package, version in scientific_software().items()
        if before.get(package, version) != version
    ]


@cache
def software() -> dict[str, str]:
    """What a receipt records of the software."""
    return {"python": platform.python_version(), **{package: _version(package) for package in RECORDED}}
