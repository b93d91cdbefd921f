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
    """Hash of the content of a file's tables; empty for files that hold none (plots, logs)."""
    suffix = path.suffix
    if suffix in (".h5", ".hdf5"):
        return _hdf5(path)
    if suffix in (".fits", ".fz"):
        return _fits(path)
    if suffix in (".ecsv", ".json", ".txt", ".fake"):
        return hashlib.sha256(path.read_bytes()).hexdigest()
    return ""


def _hdf5(path: Path) -> str:
    import tables

    total = hashlib.sha256()
    with tables.open_file(str(path)) as file:
        nodes = (node for node in file.walk_nodes("/", "Leaf") if not node._v_pathname.startswith(VOLATILE_NODES))
        for node in sorted(nodes, key=lambda node: str(node._v_pathname)):
            total.update(f"{node._v_pathname} {node.shape}".encode())
            _leaf(node, total)
    return total.hexdigest()


def _leaf(node: Any, total: Any) -> None:
    """Read a leaf to its end, a block of rows at a time."""
    rows = int(node.shape[0]) if node.shape else 0
    if not node.shape:
        _array(node.read(), total)
        return
    step = max(1, int(node.nrowsinbuf))
    for start in range(0, rows, step):
        _array(node.read(start, min(start + step, rows)), total)


def _array(values: Any, total: Any) -> None:
    import numpy as np

    if isinstance(values, list):  # rows of varying length
        for value in values:
            total.update(f"{len(value)}:".encode())
            _array(value, total)
        return
    array = np.asarray(values)
    total.update(f"{array.dtype.descr}".encode())
    total.update(repr(array.tolist()).encode() if array.dtype.hasobject else np.ascontiguousarray(array).tobytes())


def _fits(path: Path) -> str:
    from astropy.io import fits

    total = hashlib.sha256()
    with fits.open(path, memmap=False) as hdus:
        for hdu in hdus:
            if hdu.data is None:
                continue
            total.update(f"{hdu.name} {hdu.data.dtype.descr} {hdu.data.shape}".encode())
            total.update(hdu.data.tobytes())
    return total.hexdigest()
