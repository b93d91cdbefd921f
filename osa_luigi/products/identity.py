"""Hashes that say what a product is: canonical JSON and the step key."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

KEY_LENGTH = 40
"""Hexadecimal digits of a step key: 160 bits of a SHA-256, short enough for a table and a file name."""


def plain(value: Any) -> Any:
    """The same value in JSON's own types: mappings as dict, sequences as list, paths and dates as str."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [plain(item) for item in value]
    if value is None or isinstance(value, str | bool | int | float):
        return value
    return str(value)


def canonical_json(value: Any) -> str:
    """One text for one value: sorted keys, no white space, floats in their shortest form."""
    return json.dumps(plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def digest(value: Any) -> str:
    """SHA-256 of the canonical JSON of a value, as hexadecimal digits."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def step_key(
    step: str,
    version: int,
    settings: Mapping[str, Any],
    software: Mapping[str, str],
    inputs: Mapping[str, Any],
) -> str:
    """The identity of a step's products: same key, same product.

    Parameters
    ----------
    step, version
        Name and version of the step; the version grows when our own handling of the tool changes its results.
    settings
        The scientific settings that the step uses; operational ones stay out.
    software
        Versions of the packages that make the product.
    inputs
        Role of each input → its identity: the step key that made it, or what identifies a foreign file.
    """
    whole = {"step": step, "version": version, "settings": settings, "software": software, "inputs": inputs}
    return digest(whole)[:KEY_LENGTH]
