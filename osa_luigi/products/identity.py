"""Hashes that say what a product is: canonical JSON and the step key."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date, time
from enum import Enum
from numbers import Integral, Real
from pathlib import PurePath
from typing import Any

KEY_LENGTH = 40
"""Hexadecimal digits of a step key: 160 bits of a SHA-256, short enough for a table and a file name."""


def plain(value: Any) -> Any:
    """The same value in JSON's own types: mappings as dict, sequences and sets as list, paths and dates as str.

    Raises
    ------
    TypeError
        For a value that has no text of its own: what `str` makes of an object or of a large array may differ in the next
        process, or be equal for two that are not, and with it the step key.
    """
    kind = type(value)  # asked first: a night's plan passes here half a million times, nearly always with these
    if kind in _PLAIN:
        return value
    if kind is dict and _TEXT.issuperset(map(type, value)):
        if _PLAIN.issuperset(map(type, value.values())):
            return value.copy()
        return {key: plain(item) for key, item in value.items()}
    if kind is list or kind is tuple:
        return list(value) if _PLAIN.issuperset(map(type, value)) else [plain(item) for item in value]
    return _plain_other(value)


_PLAIN = frozenset({str, int, float, bool, type(None)})
_TEXT = frozenset({str})


def _plain_other(value: Any) -> Any:
    if isinstance(value, Enum):
        return plain(value.value)
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, Mapping):
        return _plain_mapping(value)
    if isinstance(value, AbstractSet):
        return sorted((plain(item) for item in value), key=canonical_json)
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [plain(item) for item in value]
    if isinstance(value, Integral | Real):  # numpy's, which JSON does not know
        return int(value) if isinstance(value, Integral) else float(value)
    if isinstance(value, PurePath | date | time | bytes):
        return str(value)
    raise TypeError(f"{value!r:.80} ({type(value).__name__}) cannot be part of an identity: give text or a number")


def _plain_mapping(value: Mapping[Any, Any]) -> dict[str, Any]:
    result = {str(key): plain(item) for key, item in value.items()}
    if len(result) != len(value):
        raise TypeError(f"keys that are the same text cannot be told apart: {sorted(map(repr, value))}")
    return result


def canonical_json(value: Any) -> str:
    """One text for one value: sorted keys, no white space, floats in their shortest form."""
    return _encode(plain(value))


_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode


quoted = json.encoder.encode_basestring_ascii
"""Canonical JSON of a text."""


def digest(value: Any) -> str:
    """SHA-256 of the canonical JSON of a value, as hexadecimal digits."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def step_key(step: str, version: int, settings: str, software: str, inputs: str) -> str:
    """The identity of a step's products: same key, same product.

    The last three are canonical JSON: thousands of keys have the same settings and software, written once.

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
    whole = (
        f'{{"inputs":{inputs},"settings":{settings},"software":{software},"step":{_encode(step)},"version":{version}}}'
    )
    return hashlib.sha256(whole.encode()).hexdigest()[:KEY_LENGTH]
