"""What the ledger is asked by `osa nights` and `osa ledger status`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import URL, Connection, func, select

from osa_luigi.config import MainConfig
from osa_luigi.ledger.database import address, open_engine, said_plainly
from osa_luigi.ledger.models import CONTENT, Attempt, Base, Decision, Job, Night, Product, Reading
from osa_luigi.ledger.schema import Version, require_current, version


@dataclass(frozen=True, slots=True)
class NightLine:
    """A night under one production id, in short.

    Parameters
    ----------
    state, closed
        ``closed``, ``complete`` (all is made, but it is not closed) or ``open``, and when it was closed (UTC).
    declared, made
        Steps of units that the plan declared, and that are made; `None` where there is no plan yet.
    runs, subruns
        Of DATA.
    failed
        Attempts that failed.
    cpu_h
        CPU hours of all attempts.
    bytes
        Of all products.
    seen_at
        Since when the files may have changed without the ledger's knowing (UTC).
    """

    date: date
    production: str
    state: str
    closed: datetime | None
    declared: int | None
    made: int | None
    runs: int
    subruns: int
    attempts: int
    failed: int
    cpu_h: float
    bytes: int
    decisions: int
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class Contents:
    """What a ledger holds.

    Parameters
    ----------
    rows
        Of each table; empty where the tables are of another version.
    unreadable
        Files that could not be read when their productions were.
    seen_at
        The time up to which all that it says is so; `None` of an empty one.
    """

    version: Version
    rows: dict[str, int]
    unreadable: int
    seen: datetime | None


def last_nights(main: MainConfig, last: int) -> list[NightLine]:
    """The productions of the newest so many dates in the ledger, the newest first.

    Raises
    ------
    LedgerError
        The database cannot be read, or there is no ledger.
    """
    with _reading(main) as (connection, url):
        require_current(connection, url)
        dates = (
            connection.execute(select(Night.date).distinct().order_by(Night.date.desc()).limit(last)).scalars().all()
        )
        if not dates:
            return []
        asked = (
            select(*_COLUMNS, Reading.seen_at)
            .join(Reading, (Night.date == Reading.date) & (Night.production == Reading.production))
            .where(Night.date >= dates[-1])
            .order_by(Night.date.desc(), Night.production)
        )
        return [_line(dict(row._mapping)) for row in connection.execute(asked)]


_COLUMNS = (
    *(Night.date, Night.production, Night.state, Night.closed, Night.declared, Night.made, Night.runs, Night.subruns),
    *(Night.attempts, Night.failed, Night.cpu_s, Night.bytes, Night.decisions),
)


def _line(row: dict[str, object]) -> NightLine:
    cpu_s = row.pop("cpu_s")
    assert isinstance(cpu_s, float)
    return NightLine(**row, cpu_h=round(cpu_s / 3600, 2))  # type: ignore[arg-type]


def contents(main: MainConfig) -> Contents:
    """What the ledger holds.

    Raises
    ------
    LedgerError
        The database cannot be read, or there is none.
    """
    with _reading(main) as (connection, _):
        found = version(connection)
        if found is not Version.CURRENT:
            return Contents(found, {}, 0, None)
        rows = {table.__tablename__: _count(connection, table) for table in CONTENT}
        unreadable, seen = connection.execute(select(func.sum(Reading.unreadable), func.min(Reading.seen_at))).one()
        return Contents(found, rows, int(unreadable or 0), seen)


_SUMMED = (Attempt, Job, Product, Decision)
"""Tables whose rows each night has counted: to count millions takes a minute."""


def _count(connection: Connection, table: type[Base]) -> int:
    if table in _SUMMED:
        return int(connection.execute(select(func.sum(Night.__table__.c[table.__tablename__]))).scalar() or 0)
    return connection.execute(select(func.count()).select_from(table)).scalar_one()


@contextmanager
def _reading(main: MainConfig) -> Iterator[tuple[Connection, URL]]:
    url = address(main)
    with said_plainly(url), open_engine(url, to_write=False).connect() as connection:
        yield connection, url
