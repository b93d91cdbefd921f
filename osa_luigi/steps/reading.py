"""Open a product as its readers will, and read it to its end: what is wrong with it, in the words of the library that reads it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from osa_luigi.errors import VerificationError
from osa_luigi.products.digest import tables_digest
from osa_luigi.steps import checks


def _hdf5(path: Path) -> object:
    with checks.hdf5(path) as file:
        return file.rows


READERS: Mapping[str, Callable[[Path], object]] = {
    ".h5": _hdf5,
    ".hdf5": _hdf5,
    ".fits": checks.fits_rows,
    ".pdf": checks.pdf_pages,
    ".json": checks.json_object,
    ".txt": checks.text,
    ".ecsv": checks.text,
    ".html": checks.text,
}
"""How a file is read, by the end of its name; others have no reader."""


def read_to_end(path: Path, tables: str) -> str:
    """What is wrong with a file beyond its bytes.

    Parameters
    ----------
    tables
        Digest of its tables in the receipt; empty for files without tables.

    Returns
    -------
    str
        Empty if it can be read to its end and, where it has tables, they are those of the receipt.
    """
    try:
        if _is_fake(path):
            return ""
        if reader := READERS.get(path.suffix):
            reader(path)
        if tables and tables_digest(path) != tables:
            return "it can be read, and its tables hold other values than when it was made"
    except VerificationError as error:
        return str(error).removeprefix(f"{path}: ").partition(": ")[0]
    except Exception as error:  # what a library stumbles over is for it to say
        return f"it cannot be read to its end ({checks.first_line(error)})"
    return ""


def _is_fake(path: Path) -> bool:
    """A fake step's file only has the name of a table."""
    with path.open("rb") as file:
        return file.read(8) == b'{"fake":'


def main() -> None:
    """``python -m osa_luigi.steps.reading FILE``: in a process of its own, for a damaged file may crash the library that reads it."""
    parser = argparse.ArgumentParser(description="Read a product to its end")
    parser.add_argument("file", type=Path)
    parser.add_argument("--tables", default="", help="digest of its tables in the receipt")
    asked = parser.parse_args()
    sys.stdout.write(read_to_end(asked.file, asked.tables))


if __name__ == "__main__":
    main()
