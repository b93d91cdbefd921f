"""The data that an analysis is given: products of whole nights, as paths and as tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from osa_luigi.analysis.kinds import KINDS
from osa_luigi.analysis.tables import read_rows, rows_of, stacked, table_names
from osa_luigi.errors import ProductError


@dataclass(frozen=True, slots=True)
class File:
    """A product.

    Parameters
    ----------
    kind
        One of `KINDS`.
    date
        The night's; `None` for what another analysis made of many nights.
    production, procedure
        What it belongs to, and which procedure made that.
    key
        Its step key.
    run, subrun
        `None` for what a whole night, or a whole run, has.
    """

    kind: str
    path: Path
    date: date | None
    production: str
    procedure: str
    key: str
    run: int | None = None
    subrun: int | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """A DATA run, with what the run catalog says of its source; coordinates are ICRS, in degrees, `None` where unknown."""

    number: int
    date: date
    source: str = ""
    source_ra: float | None = None
    source_dec: float | None = None


@dataclass(frozen=True)
class Data:
    """Products that an analysis reads: all of its runs and nights, or a part of them.

    Parameters
    ----------
    files
        In the order of nights and runs.
    chunk_rows
        Of how many rows `chunks` makes its tables; `None`: a table for each file.
    """

    files: tuple[File, ...]
    runs: tuple[Run, ...]
    chunk_rows: int | None = None

    @property
    def dates(self) -> tuple[date, ...]:
        """The nights, in order."""
        return tuple(sorted({file.date for file in self.files if file.date}))

    def select(self, kind: str = "", *, day: date | None = None, run: int | None = None, procedure: str = "") -> Data:
        """The part of a kind, a night, a run or a procedure; what a whole night has belongs to each of its runs."""
        files = tuple(
            file
            for file in self.files
            if (not kind or file.kind == kind)
            and (day is None or file.date in (None, day))
            and (run is None or file.run in (None, run))
            and procedure in ("", file.procedure)
        )
        runs = tuple(one for one in self.runs if day in (None, one.date) and run in (None, one.number))
        return replace(self, files=files, runs=runs)

    def by_night(self) -> Iterator[tuple[date, Data]]:
        """Night by night."""
        return ((day, self.select(day=day)) for day in self.dates)

    def by_run(self) -> Iterator[tuple[Run, Data]]:
        """Run by run."""
        return ((run, self.select(day=run.date, run=run.number)) for run in self.runs)

    def paths(self, kind: str) -> tuple[Path, ...]:
        """The files of a kind."""
        return tuple(file.path for file in self.files if file.kind == kind)

    def read_table(self, kind: str, table: str = "") -> Any:
        """One table out of all files of a kind.

        Parameters
        ----------
        table
            Its path in the HDF5 file; default: the one that `KINDS` names.

        Returns
        -------
        astropy.table.Table
            Units as the file says.

        Raises
        ------
        ProductError
            There is no file of this kind, one lacks the table, or their columns differ.
        """
        tables = [(path, read_rows(path, table or _table(kind))) for path in self._needed(kind)]
        return stacked(tables)

    def has_table(self, kind: str, table: str) -> bool:
        """Whether every file of a kind has a table.

        Raises
        ------
        ProductError
            There is no file of this kind, or one cannot be opened.
        """
        return all(table in table_names(path) for path in self._needed(kind))

    def chunks(self, kind: str, table: str = "") -> Iterator[Any]:
        """The same, some rows at a time: with ``mode: chunks`` never more than ``chunk_rows``, else file by file.

        Raises
        ------
        ProductError
            As `read_table`.
        """
        node = table or _table(kind)
        for path in self._needed(kind):
            rows = rows_of(path, node)
            size = self.chunk_rows or max(rows, 1)
            for start in range(0, rows, size):
                yield read_rows(path, node, start, min(start + size, rows))

    def _needed(self, kind: str) -> tuple[Path, ...]:
        if paths := self.paths(kind):
            return paths
        kinds = sorted({file.kind for file in self.files})
        raise ProductError(
            f"no {kind} among the data of this analysis ({', '.join(kinds) or 'nothing'}): name it in `reads` of the procedure, "
            "and see that the reconstruction makes it"
        )

    def as_json(self) -> dict[str, Any]:
        """In JSON's own types."""
        return {
            "files": [
                {**asdict(file), "path": str(file.path), "date": file.date and file.date.isoformat()}
                for file in self.files
            ],
            "runs": [{**asdict(run), "date": run.date.isoformat()} for run in self.runs],
            "chunk_rows": self.chunk_rows,
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Data:
        """What `as_json` described."""
        return cls(
            files=tuple(
                File(**{**item, "path": Path(item["path"]), "date": item["date"] and date.fromisoformat(item["date"])})
                for item in content["files"]
            ),
            runs=tuple(Run(**{**item, "date": date.fromisoformat(item["date"])}) for item in content["runs"]),
            chunk_rows=content["chunk_rows"],
        )


def _table(kind: str) -> str:
    return KINDS[kind].table if kind in KINDS else ""
