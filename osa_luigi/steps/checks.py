"""Opening products and judging them: what all steps' ``verify`` have in common.

Everything here raises `VerificationError`, which names the file, what is wrong with it, and what to do next.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from osa_luigi.errors import VerificationError

AGAIN = "read the attempt's log, then run the step again"
"""The next action where the tool left a wrong product without saying so."""

DAMAGED = "check the disk's space and quota, then run the step again"
"""The next action where a file is cut short or does not match its checksums."""

_BLOCK_BYTES = 32 * 1024 * 1024


def refuse(path: Path, what: str, action: str = AGAIN) -> VerificationError:
    """The error to raise: file, what is wrong, what to do next."""
    return VerificationError(f"{path}: {what}: {action}")


class Hdf5:
    """An HDF5 file that is open, and was read to its end.

    Columns that were named beforehand are kept from that one pass: PyTables reads whole rows for any column.
    """

    def __init__(self, path: Path, file: Any, keep: Mapping[str, Sequence[str]]) -> None:
        self.path = path
        self._file = file
        self._kept: dict[tuple[str, str], Any] = {}
        self._keep = keep
        self.rows: Mapping[str, int] = {
            leaf._v_pathname: self._read_to_end(leaf) for leaf in file.walk_nodes("/", "Leaf")
        }
        """Every table and array in it → its rows."""

    def _read_to_end(self, leaf: Any) -> int:
        """Rows of a table or an array, each of which was read: only so its checksums are looked at."""
        if not leaf.shape:
            # PyTables has no type for strings of variable length, as lstchain's provenance; nothing depends on them.
            if hasattr(leaf, "read"):
                leaf.read()
            return 1
        node, rows = leaf._v_pathname, int(leaf.shape[0])
        step = max(1, _BLOCK_BYTES // max(1, leaf.size_in_memory // max(1, rows)))
        names = [name for name in self._keep.get(node, ()) if name in getattr(leaf, "colnames", ())]
        kept: dict[str, list[Any]] = {name: [] for name in names}
        for start in range(0, rows, step):
            block = leaf.read(start, min(start + step, rows))
            for name, blocks in kept.items():
                blocks.append(block[name].copy())
        self._kept |= {(node, name): _joined(blocks) for name, blocks in kept.items() if blocks}
        return rows

    def require(self, *nodes: str) -> None:
        """All of these tables are there.

        Raises
        ------
        VerificationError
            Some are missing; the message names them all.
        """
        if missing := [node for node in nodes if node not in self.rows]:
            raise refuse(self.path, f"lacks {', '.join(missing)}")

    def require_rows(self, node: str, expected: int, why: str) -> int:
        """A table has this many rows; `why` says where the number comes from.

        Raises
        ------
        VerificationError
            It is missing, or has more or fewer.
        """
        self.require(node)
        if (rows := self.rows[node]) != expected:
            raise refuse(self.path, f"{node} has {rows} rows, not the {expected} {why}")
        return rows

    def columns(self, node: str) -> tuple[str, ...]:
        """Names of a table's columns."""
        self.require(node)
        return tuple(getattr(self._file.get_node(node), "colnames", ()))

    def column(self, node: str, name: str) -> Any:
        """A column of a table, as an array of shape (rows, ...).

        Raises
        ------
        VerificationError
            It is missing.
        """
        if name not in self.columns(node):
            raise refuse(self.path, f"{node} lacks the column {name}")
        kept = self._kept.get((node, name))
        return self._file.get_node(node).col(name) if kept is None else kept

    def array(self, node: str) -> Any:
        """An array as a whole."""
        self.require(node)
        return self._file.get_node(node).read()

    def attribute(self, node: str, name: str) -> Any:
        """An attribute of a node, ``None`` if it has none of that name."""
        return getattr(self._file.get_node(node)._v_attrs, name, None)

    def require_finite(self, node: str, *names: str) -> None:
        """Every value of these columns is a number.

        Raises
        ------
        VerificationError
            Some are not; the message says how many.
        """
        import numpy as np

        for name in names:
            values = self.column(node, name)
            if bad := int(np.count_nonzero(~np.isfinite(values))):
                raise refuse(self.path, f"{bad} of {values.size} values of {name} in {node} are not finite")

    def require_shape(self, node: str, shape: tuple[int, ...], *names: str) -> None:
        """The rows of these columns have this shape.

        Raises
        ------
        VerificationError
            A column is missing, or its rows have another shape.
        """
        for name in names:
            if name not in self.columns(node):
                raise refuse(self.path, f"{node} lacks the column {name}")
            found = tuple(self._file.get_node(node).coldescrs[name].shape)
            if found != shape:
                raise refuse(self.path, f"{name} in {node} has the shape {found} per row, not {shape}")


def _joined(blocks: list[Any]) -> Any:
    import numpy as np

    return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)


@contextmanager
def hdf5(path: Path, keep: Mapping[str, Sequence[str]] | None = None) -> Iterator[Hdf5]:
    """An HDF5 file, after it was read to its end.

    Parameters
    ----------
    keep
        Table → columns that will be asked for; others cost another pass.

    Raises
    ------
    VerificationError
        It cannot be opened, or a part of it cannot be read.
    """
    import tables

    # A `VerificationError` of the block is not an error of reading, and passes.
    try:
        with warnings.catch_warnings(), tables.open_file(str(path)) as file:
            warnings.simplefilter("ignore")
            yield Hdf5(path, file, keep or {})
    except (OSError, RuntimeError, ValueError, tables.HDF5ExtError) as error:
        raise refuse(path, f"cannot be read to its end ({first_line(error)})", DAMAGED) from error


def hdf5_rows(path: Path, node: str) -> int:
    """Rows of one table of a file that was judged before: not read, only counted; 0 if it lacks the table.

    Raises
    ------
    VerificationError
        The file cannot be opened.
    """
    with _opened(path) as file:
        return int(file.get_node(node).nrows) if node in file else 0


def hdf5_columns(path: Path, node: str) -> tuple[str, ...]:
    """Names of the columns of such a table; none if the file lacks it.

    Raises
    ------
    VerificationError
        The file cannot be opened.
    """
    with _opened(path) as file:
        return tuple(file.get_node(node).colnames) if node in file else ()


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    import tables

    try:
        with warnings.catch_warnings(), tables.open_file(str(path)) as file:
            warnings.simplefilter("ignore")
            yield file
    except (OSError, tables.HDF5ExtError) as error:
        raise refuse(path, f"cannot be opened ({first_line(error)})", "make this input again") from error


def fits_rows(path: Path, columns: Iterable[str] = ()) -> int:
    """Rows of a FITS file's first table, each of which was read.

    Raises
    ------
    VerificationError
        It cannot be read to its end, holds no table, or lacks one of these columns.
    """
    from astropy.io import fits

    try:
        with warnings.catch_warnings(), fits.open(path, memmap=False) as hdus:
            warnings.simplefilter("ignore")
            tables = [hdu for hdu in hdus if isinstance(hdu, fits.BinTableHDU)]
            if not tables:
                raise refuse(path, "holds no table")
            data, names = tables[0].data, set(tables[0].columns.names)
            rows = 0 if data is None else len(data.tobytes()) // data.itemsize
            declared = int(tables[0].header["NAXIS2"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise refuse(path, f"cannot be read to its end ({first_line(error)})", DAMAGED) from error
    if rows != declared:
        raise refuse(path, f"has {rows} of the {declared} rows that its header declares", DAMAGED)
    if missing := [name for name in columns if name not in names]:
        raise refuse(path, f"lacks the columns {', '.join(missing)}")
    return rows


def pdf_pages(path: Path) -> int:
    """Pages of a PDF file that was written to its end.

    Raises
    ------
    VerificationError
        It is not a PDF file, cut short, or has no page.
    """
    content = path.read_bytes()
    if not content.startswith(b"%PDF-"):
        raise refuse(path, "is not a PDF file")
    if b"%%EOF" not in content[-1024:]:
        raise refuse(path, "is cut short, it does not end as PDF", DAMAGED)
    pages = len(re.findall(rb"/Type\s*/Page\b", content))
    if not pages:
        raise refuse(path, "has no page")
    return pages


def json_object(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises
    ------
    VerificationError
        It is not JSON, or holds something else.
    """
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise refuse(path, f"is not JSON ({first_line(error)})", DAMAGED) from error
    if not isinstance(content, dict):
        raise refuse(path, f"holds a {type(content).__name__}, not an object")
    return content


def text(path: Path, end: str = "") -> str:
    """The text of a file that is not empty and, white space aside, ends so.

    Raises
    ------
    VerificationError
        It is empty, not text, or ends otherwise.
    """
    try:
        content = path.read_text(encoding="utf-8")
    except ValueError as error:
        raise refuse(path, f"is not text ({first_line(error)})", DAMAGED) from error
    if not content.strip():
        raise refuse(path, "is empty")
    if not content.rstrip().endswith(end):
        raise refuse(path, f"is cut short, it does not end in {end}", DAMAGED)
    return content


def first_line(error: BaseException) -> str:
    """What an exception says, without the pages of HDF5's own call stack."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    message = lines[-1] if lines and lines[0].startswith("HDF5 error") else (lines or [""])[0]
    return message[:160] or type(error).__name__
