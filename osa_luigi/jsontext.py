"""JSON, fast: looking at a night parses thousands of receipts and exit records, and an engine tells of thousands of jobs in a line."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import orjson


def parsed(text: bytes | str) -> Any:
    """The value of a JSON text; of NaN and Infinity, too, which are no JSON and which Python writes all the same.

    An integer of more than 64 bits becomes a float.

    Raises
    ------
    ValueError
        It is not JSON.
    """
    try:
        return orjson.loads(text)
    except ValueError:
        try:
            return json.loads(text)
        except RecursionError:
            raise ValueError("nested too deeply") from None


def line_of(value: Mapping[str, Any], default: Callable[[Any], Any] | None = None) -> bytes:
    """A JSON text in a line; NaN and Infinity become null.

    Parameters
    ----------
    default
        What an object that JSON does not know, dataclasses and times among them, is written as.

    Raises
    ------
    TypeError
        It holds what JSON does not know.
    """
    try:
        return orjson.dumps(value, default, _OPTIONS)
    except TypeError:  # of a text with half a surrogate, too: a file's name may have one
        return (json.dumps(value, default=default) + "\n").encode()


_OPTIONS = (
    orjson.OPT_APPEND_NEWLINE
    | orjson.OPT_NON_STR_KEYS
    | orjson.OPT_PASSTHROUGH_DATACLASS
    | orjson.OPT_PASSTHROUGH_DATETIME
)
