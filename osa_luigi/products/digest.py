"""Two hashes of a file: of its bytes (integrity) and of its tables (equality).

The same lstchain command run twice gives equal tables in different bytes: HDF5 files carry creation times, FITS files dates.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

BLOCK = 1 << 20

VOLATILE_NODES = ("/source_filenames",)
"""Nodes of lstchain's files that hold where the inputs lay, not what was in them."""


def sha256(path: Path, *, sync: bool = False) -> str:
    """Hash of a file's bytes; with `sync`, the file is brought to the disk while it is at hand."""
    with path.open("rb") as file:
        if sync:
            os.fsync(file.fileno())
        return hashlib.file_digest(file, "sha256").hexdigest()


def tables_digest(path: Path) -> str:
    """Hash of the content of a file's tables; empty for files that hold none (plots, logs).

    Equal for equal names, shapes, types and values, down to the bit. What only says how a file is stored does not count: chunks,
    compression, byte order, times of creation; nor do attributes and headers, which name files and dates.
    """
    suffix = path.suffix
    if suffix in (".h5", ".hdf5"):
        return _hdf5(path)
    if suffix in (".fits", ".fz") or path.name.endswith(".fits.gz"):
        return _fits(path)
    if suffix in (".ecsv", ".json", ".txt"):
        return sha256(path)
    return ""


def _hdf5(path: Path) -> str:
    import tables

    total = hashlib.sha256()
    with tables.open_file(str(path)) as file:
        nodes = (node for node in file.walk_nodes("/", "Leaf") if not node._v_pathname.startswith(VOLATILE_NODES))
        for node in sorted(nodes, key=lambda node: str(node._v_pathname)):
            total.update(f"{node._v_pathname} {tuple(map(int, node.shape))}".encode())
            # PyTables cannot read strings of variable length (lstchain's provenance, which holds times).
            if not isinstance(node, tables.UnImplemented):
                total.update(_leaf(node))
    return total.hexdigest()


def _leaf(node: Any) -> bytes:
    """Read a leaf to its end, a block of rows at a time; the size of a block, which follows the chunks, leaves no trace."""
    import numpy as np

    content = _Content()
    if not node.shape:
        content.add(node.read())
        return content.digest()
    rows, step, axis = int(node.nrows), max(1, int(node.nrowsinbuf)), max(0, int(node.maindim))
    for start in range(0, max(1, rows), step):  # of no rows, too: an empty table has columns
        block = node.read(start, min(start + step, rows))
        content.add(np.moveaxis(block, axis, 0) if axis else block)
    return content.digest()


class _Content:
    """Hash of rows that come in blocks: one for each column, so that the padding between columns does not count."""

    def __init__(self) -> None:
        self._columns: dict[str, Any] = {}

    def add(self, values: Any, prefix: str = "") -> None:
        """The next rows, as an array or as a list of rows of varying length."""
        import numpy as np

        if isinstance(values, list):
            for value in values:
                self._update(f"{prefix}#", f"{len(value)}:".encode())
                self.add(np.asarray(value), prefix)
            return
        array = np.asarray(values)
        if array.dtype.names:
            for name in array.dtype.names:
                self.add(array[name], f"{prefix}/{name}")
        elif array.dtype.hasobject:
            self.add([_row(value) for value in array.ravel()], prefix)
        else:
            array = array.astype(array.dtype.newbyteorder("<"), copy=False)
            self._update(f"{prefix} {array.dtype.str} {array.shape[1:]}", np.ascontiguousarray(array).tobytes())

    def _update(self, column: str, data: bytes) -> None:
        self._columns.setdefault(column, hashlib.sha256()).update(data)

    def digest(self) -> bytes:
        """Of all columns, in the order in which they lie."""
        total = hashlib.sha256()
        for column, content in self._columns.items():
            total.update(column.encode() + content.digest())
        return total.digest()


def _row(value: Any) -> Any:
    """A cell that numpy keeps as an object: an array, or text."""
    return value if hasattr(value, "dtype") or isinstance(value, bytes) else str(value).encode()


def _fits(path: Path) -> str:
    from astropy.io import fits

    total = hashlib.sha256()
    with fits.open(path, memmap=False) as hdus:
        for hdu in hdus:
            if hdu.data is None:
                continue
            content = _Content()
            for name in hdu.data.dtype.names or ():
                content.add(hdu.data[name], f"/{name}")  # by column: a row only points to values of varying length
            if not hdu.data.dtype.names:
                content.add(hdu.data)
            total.update(f"{hdu.name} {hdu.data.shape}".encode() + content.digest())
    return total.hexdigest()
