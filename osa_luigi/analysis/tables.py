"""Reading tables of products, and merging those of several files: columns that differ are refused, by their names."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from osa_luigi.errors import ProductError

HDF5 = (".h5", ".hdf5")
BLOCK_ROWS = 100_000
"""Rows that merging holds in memory at a time."""


def read_rows(path: Path, node: str, start: int | None = None, stop: int | None = None) -> Any:
    """Rows of a table of an HDF5 or FITS file, as an astropy table.

    Raises
    ------
    ProductError
        The file cannot be read, or lacks the table; the message names those that it has.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _read(path, node, start, stop)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ProductError(
            f"{path}: its rows cannot be read ({type(error).__name__}: {error}): `osa verify` says whether it is whole"
        ) from error


def _read(path: Path, node: str, start: int | None, stop: int | None) -> Any:
    from astropy.table import QTable

    if path.suffix not in HDF5:
        return QTable.read(path)[start:stop]
    from ctapipe.io import read_table

    with _open(path) as file:
        return read_table(file, _node(path, file, node), start=start, stop=stop)


def rows_of(path: Path, node: str) -> int:
    """How many rows a table has.

    Raises
    ------
    ProductError
        As `read_rows`.
    """
    if path.suffix not in HDF5:
        return len(read_rows(path, node))
    with _open(path) as file:
        return int(file.get_node(_node(path, file, node)).nrows)


def table_names(path: Path) -> tuple[str, ...]:
    """The tables of an HDF5 file.

    Raises
    ------
    ProductError
        It cannot be opened.
    """
    with _open(path) as file:
        return tuple(leaf._v_pathname for leaf in file.walk_nodes("/", "Table"))


def _node(path: Path, file: Any, node: str) -> str:
    """The table's path; where none is named, the only one that there is."""
    known = [leaf._v_pathname for leaf in file.walk_nodes("/", "Table")]
    if node and node in known:
        return node
    if not node and len(known) == 1:
        return str(known[0])
    what = f"has no table {node}" if node else "has several tables"
    raise ProductError(f"{path}: {what}: name one of {', '.join(known) or 'none'}")


@contextlib.contextmanager
def _open(path: Path, mode: str = "r") -> Iterator[Any]:
    import tables

    try:
        with warnings.catch_warnings(), tables.open_file(str(path), mode) as file:
            warnings.simplefilter("ignore")
            yield file
    except (OSError, tables.HDF5ExtError) as error:
        raise ProductError(f"{path}: cannot be opened as HDF5 ({str(error).strip().splitlines()[-1]})") from error


def stacked(parts: Sequence[tuple[Path, Any]]) -> Any:
    """One astropy table out of several.

    Raises
    ------
    ProductError
        Their columns differ; the message names the first file that does, and the columns.
    """
    from astropy.table import vstack

    first, table = parts[0]
    for path, other in parts[1:]:
        if difference := _difference(table.colnames, other.colnames):
            raise ProductError(f"{path}: its columns are not those of {first}: {difference}")
    return vstack([part for _, part in parts], join_type="exact", metadata_conflicts="silent")


def merge_hdf5(sources: Sequence[Path], target: Path) -> dict[str, int]:
    """One HDF5 file with all rows of all tables, in the order of the files.

    What is no table (the description of columns that astropy writes, say) is copied where it is the same in all files.

    Returns
    -------
    dict
        Table → rows.

    Raises
    ------
    ProductError
        A table is missing in a file, or its columns have other names, types or shapes there: nothing is merged then.
    """
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(_open(sources[0]))
        layout = _layout(first)
        for path in sources[1:]:
            with _open(path) as other:
                _require_same(sources[0], first, layout, path, other)
        merged = stack.enter_context(_open(target, "w"))
        first.copy_children("/", merged.root, recursive=True)
        for path in sources[1:]:
            with _open(path) as other:
                for node in layout:
                    _append(merged.get_node(node), other.get_node(node))
        return {node: int(merged.get_node(node).nrows) for node in layout}


def _layout(file: Any) -> dict[str, dict[str, str]]:
    """Table → column → its type and shape."""
    return {table._v_pathname: _columns(table) for table in file.walk_nodes("/", "Table")}


def _columns(table: Any) -> dict[str, str]:
    return {name: str(table.coldescrs[name].dtype) for name in table.colnames}


def _require_same(first: Path, kept: Any, layout: Mapping[str, Mapping[str, str]], path: Path, other: Any) -> None:
    found = _layout(other)
    if difference := _difference(list(layout), list(found)):
        raise ProductError(f"{path}: its tables are not those of {first}: {difference}")
    for node, columns in layout.items():
        changed = [
            f"{name} is {found[node][name]}, not {kind}"
            for name, kind in columns.items()
            if found[node].get(name, kind) != kind
        ]
        difference = "; ".join(filter(None, [_difference(list(columns), list(found[node])), *changed]))
        if difference:
            raise ProductError(f"{path}: the columns of {node} are not those of {first}: {difference}")
    _require_same_arrays(first, kept, path, other)


def _require_same_arrays(first: Path, kept: Any, path: Path, other: Any) -> None:
    before, now = (
        {leaf._v_pathname: leaf for leaf in file.walk_nodes("/", "Leaf") if not hasattr(leaf, "colnames")}
        for file in (kept, other)
    )
    for node in sorted({*before, *now}):
        if node not in before or node not in now or not _same_content(before[node], now[node]):
            raise ProductError(f"{path}: {node} is no table, and not the same as in {first}: it cannot be merged")


def _same_content(one: Any, other: Any) -> bool:
    import numpy as np

    readable = hasattr(one, "read") and hasattr(other, "read")  # PyTables knows of types that it cannot read
    return readable and np.array_equal(np.asarray(one.read()), np.asarray(other.read()))


def _difference(before: Sequence[str], now: Sequence[str]) -> str:
    """In words; empty where the names are the same in the same order."""
    parts = [
        f"{word} {', '.join(names)}"
        for word, names in (
            ("lacks", [name for name in before if name not in now]),
            ("has besides", [name for name in now if name not in before]),
        )
        if names
    ]
    return "; ".join(parts) or ("" if list(before) == list(now) else f"in another order: {', '.join(now)}")


def _append(target: Any, source: Any) -> None:
    for start in range(0, source.nrows, BLOCK_ROWS):
        target.append(source.read(start, min(start + BLOCK_ROWS, source.nrows)))
    target.flush()
