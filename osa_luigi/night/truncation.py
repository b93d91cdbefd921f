"""Whether a raw file is whole, from its headers alone."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from osa_luigi.errors import NightError
from osa_luigi.night.model import Subrun
from osa_luigi.night.raw import RawScan

_BLOCK = 2880
"""Bytes; headers and data of a FITS file fill such blocks (FITS standard 4.0, section 3)."""

_EVENTS = "Events"
_REMEDY = "copy it again, then run again"


def check_raw_file(path: Path) -> int:
    """The number of events that a raw file (zfits) declares, after making sure that it is as long as it says.

    No data are read: two or three headers of some kB. The last block may lack its padding, which
    holds nothing.

    Raises
    ------
    NightError
        The file is missing, empty, truncated, not zfits, without a table of events, or was never
        closed by its writer.
    """
    try:
        with path.open("rb") as stream:
            return _check(path, stream, os.fstat(stream.fileno()).st_size)
    except OSError as error:
        raise NightError(f"{path}: cannot read this raw file ({error.strerror or error}): {_REMEDY}") from error


def leave_out_damaged(scan: RawScan) -> tuple[RawScan, tuple[str, ...]]:
    """A scan without the runs that lstchain's run summary cannot look at, and for each a sentence that says why.

    It opens all streams of subrun 0 of every run; one that is cut short ends it by SIGSEGV, and no other run gets its row. If that
    is so of every run, none is left out: the step itself says what is wrong.
    """
    reasons = {run: reason for run, subruns in scan.subruns.items() if (reason := _damage(subruns))}
    told = tuple(f"run {run} is left out of the run summary: {reason}" for run, reason in reasons.items())
    if len(reasons) == len(scan.subruns):
        return scan, ()
    return replace(scan, subruns={run: found for run, found in scan.subruns.items() if run not in reasons}), told


def _damage(subruns: Mapping[int, Subrun]) -> str | None:
    """What is wrong with the files of subrun 0 of a run."""
    for file in subruns[0].files if 0 in subruns else ():
        try:
            check_raw_file(file.path)
        except NightError as error:
            return str(error)
    return None


def _check(path: Path, stream: BinaryIO, size: int) -> int:
    if size == 0:
        raise NightError(f"{path}: this raw file is empty: {_REMEDY}")
    events: int | None = None
    start = 0
    while start < size:
        header = _header(path, stream, start, size)
        data = stream.tell()
        end = data + _data_bytes(header)
        if end > size:
            raise NightError(
                f"{path}: this raw file is truncated: its headers say {end} bytes, it has {size}: {_REMEDY}"
            )
        if header.get("EXTNAME") == _EVENTS:
            events = _rows(header)
        start = data + -(-_data_bytes(header) // _BLOCK) * _BLOCK
    if events is None:
        raise NightError(f"{path}: this raw file is truncated or not zfits, it has no table {_EVENTS}: {_REMEDY}")
    return events


def _header(path: Path, stream: BinaryIO, start: int, size: int) -> Any:
    """The header at an offset, the stream being left at its end."""
    stream.seek(start)
    word = stream.read(8)
    if start == 0 and word != b"SIMPLE  "[: len(word)]:
        raise NightError(f"{path}: this is not a raw file, it does not begin as FITS: {_REMEDY}")
    if start and word != b"XTENSION"[: len(word)]:
        raise NightError(
            f"{path}: this raw file was not closed by its writer, there are {size - start} bytes after "
            f"the data that its headers declare: {_REMEDY}"
        )
    stream.seek(start)
    # Here, because astropy takes some time to import.
    from astropy.io import fits

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            header = fits.Header.fromfile(stream, endcard=True, padding=True)
            _data_bytes(header), _rows(header)
    except Exception as error:  # astropy raises whatever a broken card makes it stumble over
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise NightError(
            f"{path}: this raw file is truncated or damaged in the header at byte {start} of {size} "
            f"({reason}): {_REMEDY}"
        ) from error
    return header


def _data_bytes(header: Any) -> int:
    """Bytes of data after a header: |BITPIX| / 8 × GCOUNT × (PCOUNT + product of NAXISn)."""
    axes = int(header["NAXIS"])
    if not axes:
        return 0
    elements = 1
    for axis in range(1, axes + 1):
        elements *= int(header[f"NAXIS{axis}"])
    return abs(int(header["BITPIX"])) // 8 * int(header.get("GCOUNT", 1)) * (int(header.get("PCOUNT", 0)) + elements)


def _rows(header: Any) -> int:
    """Rows of a table; compressed, NAXIS2 counts its tiles and ZNAXIS2 its rows."""
    return int(header.get("ZNAXIS2", header.get("NAXIS2", 0)))
