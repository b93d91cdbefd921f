"""Whether what a product was made from elsewhere (raw files, models, logs) still is what its step key took of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from osa_luigi.errors import NightError
from osa_luigi.ledger.making import Source
from osa_luigi.night import RUN_SUMMARY, DriveLog, foreign_identity, read_run_summary


class Origins:
    """Compares foreign files with their identities; a log or a summary that many read is read once."""

    def __init__(self) -> None:
        self._log: Callable[[Path], DriveLog] = cache(DriveLog.read)
        self._rows: Callable[[Path], Mapping[int, Mapping[str, Any]]] = cache(_rows)
        self._foreign: Callable[[Path], Mapping[str, Any]] = cache(foreign_identity)

    def trouble(self, source: Source) -> str:
        """What is wrong with a foreign file; empty if nothing is, or its identity says nothing that could be compared."""
        identity, path = source.identity, Path(source.path)
        if not isinstance(identity, Mapping) or not identity:
            return ""
        try:
            return self._compare(identity, path)
        except NightError as error:
            return str(error)
        except OSError as error:
            return f"{path}: cannot be read ({error.strerror or error})"

    def _compare(self, identity: Mapping[str, Any], path: Path) -> str:
        if "sha256" in identity and "interval" in identity:
            begin, end = identity["interval"]
            same = self._log(path).goes_on_from(begin, end, identity["sha256"])
            return "" if same else f"{path}: its lines of the interval are others than when it was read"
        if "sha256" in identity or "files" in identity:
            same = all(identity.get(name) == value for name, value in self._foreign(path).items())
            return "" if same else f"{path}: is another file than when it was read"
        if "run_id" in identity:
            row = self._rows(path).get(int(identity["run_id"]))
            return (
                ""
                if row == identity
                else f"{path}: the row of run {identity['run_id']} is another than when it was read"
            )
        size = path.stat().st_size
        if "size" in identity and size != identity["size"]:
            return f"{path}: has {size} bytes, and had {identity['size']} when it was read"
        return ""


def _rows(path: Path) -> Mapping[int, Mapping[str, Any]]:
    """Run → its row as step keys have it: without the number of subruns, which grows."""
    day = RUN_SUMMARY.parse(path.name)
    if day is None:
        raise NightError(f"{path}: is not the name of a run summary")
    rows = read_run_summary(path, day)
    return {row.run_id: {name: value for name, value in row.row.items() if name != "n_subruns"} for row in rows}
