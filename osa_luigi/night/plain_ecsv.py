"""Reading the ECSV tables that need no more than plain cells, or cells in quotes, without gaps: nearly all of the monitoring's.

Importing astropy for them would take half a second and 33 MB of an engine that reads two small tables a night. What is not as plain as
that is left to astropy, also to say what is wrong with it. Format: Astropy Proposal for Enhancement 6.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from osa_luigi.night.model import Json

_MAGIC = re.compile(r"# %ECSV \d+\.\d+")
_INTEGER = re.compile(r"(u?)int(8|16|32|64)")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|nan")
_QUOTES = "\"'"


class _NotPlainError(Exception):
    """It takes astropy to read this."""


@dataclass(frozen=True)
class Ecsv:
    """The rows of a table, in the order of the file, with its metadata and the units of its columns."""

    columns: tuple[str, ...]
    rows: tuple[Mapping[str, Json], ...]
    meta: Mapping[str, object]
    units: Mapping[str, str]


def read_plain_ecsv(path: Path) -> Ecsv | None:
    """The table, or `None` where it takes astropy to read it, or to say why it cannot be read."""
    try:
        lines = path.read_text(encoding="ascii").split("\n")
        return _read(lines[:-1] if not lines[-1] else lines)
    except (OSError, ValueError, _NotPlainError):
        return None


def _read(lines: Sequence[str]) -> Ecsv:
    comments = [line for line in lines if line.startswith("#")]
    header = _header(comments)
    columns, units = header["datatype"], {}
    names = [_text(column.get("name")) for column in columns]
    converters = [_converter(_text(column.get("datatype"))) for column in columns]
    for name, column in zip(names, columns, strict=True):
        _require(column.keys() <= {"name", "datatype", "unit", "description"})
        if "unit" in column:
            units[name] = _text(column["unit"])
    delimiter = header.get("delimiter", " ")
    _require(delimiter in (" ", ",") and len(set(names)) == len(names))
    table = [_cells(line, delimiter, len(names)) for line in lines[len(comments) :]]
    _require(table[:1] == [names])
    rows = (dict(zip(names, _converted(converters, cells), strict=True)) for cells in table[1:])
    return Ecsv(tuple(names), tuple(rows), header.get("meta") or {}, units)


def _header(comments: Sequence[str]) -> Mapping[str, Any]:
    _require(len(comments) > 2 and _MAGIC.fullmatch(comments[0]) and comments[1] == "# ---")
    header = _yaml("\n".join(line[2:] for line in comments[2:]))
    _require(isinstance(header, dict) and header.keys() <= {"datatype", "delimiter", "meta", "schema"})
    columns, meta = header.get("datatype"), header.get("meta")
    _require(isinstance(columns, list) and all(isinstance(column, dict) for column in columns))
    # Columns that astropy puts together from several of these are described there.
    _require(meta is None or (isinstance(meta, dict) and not any(str(key).startswith("__") for key in meta)))
    return header


def _yaml(text: str) -> dict[str, Any]:
    # Here, because what runs on a node reads no tables, and is given no more packages than it needs.
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        content: dict[str, Any] = YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        raise _NotPlainError from error
    return content


def _cells(line: str, delimiter: str, expected: int) -> list[str]:
    """The cells of a line; comments, blank lines and gaps (which stand for unknown values) are not plain."""
    cells = _quoted(line, delimiter) if '"' in line else line.split(delimiter)
    _require(len(cells) == expected and not line.startswith("#"))
    _require(all(cell and cell == cell.strip() and not any(mark in cell for mark in _QUOTES) for cell in cells))
    return cells


def _quoted(line: str, delimiter: str) -> list[str]:
    """Names of sources have blanks, and stand in quotes then."""
    try:
        (cells,) = csv.reader([line], delimiter=delimiter, strict=True)
    except csv.Error as error:
        raise _NotPlainError from error
    return cells


def _converted(converters: Iterable[Callable[[str], Json]], cells: Iterable[str]) -> list[Json]:
    return [convert(cell) for convert, cell in zip(converters, cells, strict=True)]


def _converter(datatype: str) -> Callable[[str], Json]:
    if datatype == "string":
        return str
    if datatype == "float64":
        return _float
    if datatype == "bool":
        return lambda cell: _known({"True": True, "False": False}, cell)
    match = _INTEGER.fullmatch(datatype)
    _require(match)
    assert match
    bits, lowest = int(match[2]), 0 if match[1] else -(2 ** (int(match[2]) - 1))
    return lambda cell: _integer(cell, lowest, lowest + 2**bits)


def _integer(cell: str, lowest: int, end: int) -> int:
    _require(re.fullmatch(r"[+-]?\d+", cell))
    value = int(cell)
    _require(lowest <= value < end)
    return value


def _float(cell: str) -> float | None:
    _require(_NUMBER.fullmatch(cell))
    value = float(cell)
    return value if math.isfinite(value) else None


_Value = TypeVar("_Value")


def _known(values: Mapping[str, _Value], cell: str) -> _Value:
    _require(cell in values)
    return values[cell]


def _text(value: object) -> str:
    _require(isinstance(value, str) and value)
    return str(value)


def _require(condition: object) -> None:
    if not condition:
        raise _NotPlainError
