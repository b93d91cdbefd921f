"""Reading the small ECSV tables of the monitoring as plain Python values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from osa_luigi.errors import NightError
from osa_luigi.night.model import Json
from osa_luigi.night.plain_ecsv import Ecsv, read_plain_ecsv


def read_ecsv(path: Path, required: Sequence[str], *, what: str, remedy: str, absent: str = "") -> Ecsv:
    """Read a table, whatever its delimiter.

    Parameters
    ----------
    required
        Columns that must be there.
    what
        The name of such a file in messages.
    remedy
        What to do about a file that cannot be used, after "…: ".
    absent
        The same about one that is not there, if that is another thing.

    Raises
    ------
    NightError
        The file is missing, empty, not ECSV, or lacks columns.
    """
    table = read_plain_ecsv(path) or _read_with_astropy(path, what, remedy, absent)
    missing = [name for name in required if name not in table.columns]
    if missing:
        raise NightError(
            f"{path}: the {what} lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)} "
            f"(it has {', '.join(table.columns) or 'none'}): {remedy}"
        )
    return table


def _read_with_astropy(path: Path, what: str, remedy: str, absent: str = "") -> Ecsv:
    table = _table(path, what, remedy, absent)
    columns = {name: [_plain(value) for value in table[name]] for name in table.colnames}
    rows = tuple(dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True))
    units = {name: str(table[name].unit) for name in table.colnames if getattr(table[name], "unit", None)}
    return Ecsv(tuple(columns), rows, dict(table.meta), units)


def _table(path: Path, what: str, remedy: str, absent: str) -> Any:
    try:
        empty = path.stat().st_size == 0
    except FileNotFoundError:
        raise NightError(f"{path}: there is no {what} yet: {absent or remedy}") from None
    except OSError as error:
        raise NightError(f"{path}: cannot read the {what} ({error.strerror or error}): {remedy}") from error
    if empty:
        raise NightError(f"{path}: the {what} is empty: {remedy}")
    # Here, because astropy takes half a second to import.
    from astropy.table import Table

    try:
        return Table.read(path, format="ascii.ecsv")
    except Exception as error:  # astropy, yaml and numpy raise whatever their parsers stumble over
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise NightError(f"{path}: the {what} is not a readable ECSV table ({reason}): {remedy}") from error


def _plain(value: Any) -> Json:
    """A table's cell as a JSON type; masked cells and NaN are None."""
    from numpy.ma import masked

    if value is masked:
        return None
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)


def integer(row: Mapping[str, Json], column: str, *, path: Path, what: str, remedy: str) -> int:
    """The cell as a whole number.

    Raises
    ------
    NightError
        It is something else.
    """
    value = row[column]
    if isinstance(value, bool) or not isinstance(value, int):
        raise NightError(f"{path}: {column} of the {what} must be a whole number, not {value!r}: {remedy}")
    return value
