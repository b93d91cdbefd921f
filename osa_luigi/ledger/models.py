"""The tables of the ledger, each keyed by (date, production). All but `Reading` hold what the production's files say, and nothing else.

Times are UTC, dates those of the evening. No column's name is a reserved word of SQLite, PostgreSQL or MariaDB, so that queries need no
quotes.
docs/how-to/ask-the-ledger.md describes the tables.
"""

from __future__ import annotations

import datetime as dt
from datetime import UTC, datetime
from typing import Annotated, Any

from sqlalchemy import BigInteger, Date, DateTime, Dialect, Double, ForeignKeyConstraint, Integer, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, declared_attr, mapped_column
from sqlalchemy.types import TypeDecorator

REVISION = "0001"
"""The schema that these models describe: the newest of migrations/versions."""

NAME = 64
UNIT = 64
PATH = 512

SERVERS = {
    f"{name}_{option}": value
    for name in ("mysql", "mariadb")
    for option, value in (("engine", "InnoDB"), ("charset", "utf8mb4"), ("collate", "utf8mb4_bin"))
}
"""MariaDB would otherwise take the production ids `V1` and `v1` for the same."""

OPTIONS: dict[str, Any] = {**SERVERS, "sqlite_with_rowid": False}


class Utc(TypeDecorator[datetime]):
    """A moment, to the microsecond: aware in Python, in UTC and without a zone in the database."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        if dialect.name not in ("mysql", "mariadb"):
            return dialect.type_descriptor(DateTime())
        from sqlalchemy.dialects.mysql import DATETIME

        return dialect.type_descriptor(DATETIME(fsp=6))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.astimezone(UTC).replace(tzinfo=None) if value else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.replace(tzinfo=UTC) if value else None


class Base(DeclarativeBase):
    """All tables."""

    type_annotation_map = {  # noqa: RUF012 (as SQLAlchemy wants it)
        datetime: Utc(),
        dt.date: Date(),
        float: Double(),
        int: Integer(),
        str: String(NAME),
    }


Day = Annotated[dt.date, mapped_column(Date, primary_key=True)]
Id = Annotated[str, mapped_column(String(NAME), primary_key=True)]
Number = Annotated[int, mapped_column(Integer, primary_key=True, autoincrement=False)]
Unit = Annotated[str, mapped_column(String(UNIT), primary_key=True)]
Hash = Annotated[str, mapped_column(String(64))]
Prose = Annotated[str, mapped_column(Text)]
Long = Annotated[str, mapped_column(String(PATH))]
Bytes = Annotated[int, mapped_column(BigInteger)]


class Night(Base):
    """A night under one production id, with its sums.

    Parameters
    ----------
    state
        ``closed``: the marker is there, and all that was declared is made; ``complete``: the latter only; ``open``: neither.
    declared, made
        Steps of units that the newest plan declared, and those of them that have a receipt with the declared key.
        `None` where there is no plan yet.
    runs, subruns
        Of DATA.
    failed
        Attempts that failed.
    cpu_s
        Of all attempts, verification included.
    bytes
        Of all products; those that were linked from another production count as well.
    """

    __tablename__ = "nights"
    __table_args__ = OPTIONS

    date: Mapped[Day]
    production: Mapped[Id]
    folder: Mapped[Long]
    state: Mapped[str] = mapped_column(String(16))
    closed: Mapped[datetime | None]
    declared: Mapped[int | None]
    made: Mapped[int | None]
    calibration_date: Mapped[dt.date | None]
    drs4_run: Mapped[int | None]
    pedcal_run: Mapped[int | None]
    lstchain: Mapped[str]
    runs: Mapped[int]
    subruns: Mapped[int]
    attempts: Mapped[int]
    failed: Mapped[int]
    cpu_s: Mapped[float]
    jobs: Mapped[int]
    products: Mapped[int]
    bytes: Mapped[Bytes]
    decisions: Mapped[int]


class OfNight:
    """What belongs to a night, and goes with it."""

    date: Mapped[dt.date] = mapped_column(Date, primary_key=True, sort_order=-2)
    production: Mapped[str] = mapped_column(String(NAME), primary_key=True, sort_order=-1)

    @declared_attr.directive
    def __table_args__(cls) -> Any:  # noqa: N805 (SQLAlchemy gives the class)
        night = ForeignKeyConstraint(["date", "production"], ["nights.date", "nights.production"], ondelete="CASCADE")
        return (night, OPTIONS)


class Run(OfNight, Base):
    """A run: of the run summary, and others that the books name. `run_type` and `source` are `None` where nobody says."""

    __tablename__ = "runs"

    run: Mapped[Number] = mapped_column(index=True)
    run_type: Mapped[str | None] = mapped_column(String(16))
    source: Mapped[str | None]
    subruns: Mapped[int]


class Subrun(OfNight, Base):
    """A subrun that was planned, tried, made or decided on; `declared` and `made` count its steps."""

    __tablename__ = "subruns"

    run: Mapped[Number]
    subrun: Mapped[Number]
    declared: Mapped[int]
    made: Mapped[int]
    attempts: Mapped[int]
    failed: Mapped[int]
    cpu_s: Mapped[float]


class Attempt(OfNight, Base):
    """One execution of a step, good or bad: its exit record. Times in s, memory in MiB."""

    __tablename__ = "attempts"

    step: Mapped[Id]
    unit: Mapped[Unit]
    id: Mapped[str] = mapped_column(String(128), primary_key=True)
    run: Mapped[int | None]
    subrun: Mapped[int | None]
    outcome: Mapped[str] = mapped_column(String(16))
    reason: Mapped[Prose]
    exit_code: Mapped[int | None]
    signal_number: Mapped[int | None]
    timed_out: Mapped[bool]
    started: Mapped[datetime | None]
    ended: Mapped[datetime | None]
    wall_s: Mapped[float | None]
    cpu_s: Mapped[float | None]
    verify_wall_s: Mapped[float | None]
    verify_cpu_s: Mapped[float | None]
    peak_memory_mb: Mapped[float | None]
    host: Mapped[str] = mapped_column(String(255))
    log: Mapped[Long]
    step_key: Mapped[Hash]


class Job(OfNight, Base):
    """A job that an executor with a journal was given: what an element of an array did, each time that it was started.

    Parameters
    ----------
    place
        Of the job in its element.
    restarts
        How often the executor had started the element again.
    state
        ``done``, ``failed``; without a record ``submitted`` or ``intended``, and ``ended`` once the array is closed.
    job_id
        As the executor names the element: ``123_17``.
    memory_asked_mb, time_asked_s, cores_asked
        What the element asked for.
    """

    __tablename__ = "jobs"

    array_name: Mapped[str] = mapped_column(String(255), primary_key=True)
    element: Mapped[Number]
    place: Mapped[Number]
    restarts: Mapped[Number]
    executor: Mapped[str] = mapped_column(String(16))
    name: Mapped[str] = mapped_column(String(255))
    stage: Mapped[str]
    state: Mapped[str] = mapped_column(String(16))
    cause: Mapped[str]
    reason: Mapped[Prose]
    job_id: Mapped[str]
    host: Mapped[str] = mapped_column(String(255))
    ended: Mapped[datetime | None]
    memory_asked_mb: Mapped[int | None]
    time_asked_s: Mapped[float | None]
    cores_asked: Mapped[int | None]
    peak_memory_mb: Mapped[float | None]
    cpu_s: Mapped[float | None]


class Product(OfNight, Base):
    """A file that the receipt that counts names. That it was made is said, not that it still lies there."""

    __tablename__ = "products"

    step: Mapped[Id]
    unit: Mapped[Unit]
    path: Mapped[str] = mapped_column(String(PATH), primary_key=True)
    run: Mapped[int | None]
    subrun: Mapped[int | None]
    role: Mapped[str]
    generation: Mapped[int]
    bytes: Mapped[Bytes]
    sha256: Mapped[Hash]
    tables_hash: Mapped[Hash]
    step_key: Mapped[Hash]
    made: Mapped[datetime | None]
    attempt: Mapped[str] = mapped_column(String(128))
    linked_from: Mapped[Long]


class Decision(OfNight, Base):
    """What was decided by a ``person`` or a policy (`decided_by`), and who typed it or ran the engine.

    Parameters
    ----------
    undoes
        Numbers of the decisions that it takes back, with spaces between.
    undone
        Whether a later one takes it back.
    """

    __tablename__ = "decisions"

    number: Mapped[Number]
    kind: Mapped[str]
    unit: Mapped[str] = mapped_column(String(UNIT))
    run: Mapped[int | None]
    subrun: Mapped[int | None]
    reason: Mapped[Prose]
    decided_by: Mapped[str] = mapped_column(String(255))
    who: Mapped[str] = mapped_column(String(255))
    host: Mapped[str] = mapped_column(String(255))
    decided: Mapped[datetime | None]
    undoes: Mapped[str] = mapped_column(String(255))
    undone: Mapped[bool]


class Reading(OfNight, Base):
    """When a production's files were read: the ledger's own notes, the only table that is not a view of files.

    Parameters
    ----------
    fingerprint
        Of the files as they were then; empty if they may have been changing.
    read_at, seen_at
        When the rows were made, and when the files were last found to be the same still.
    unreadable
        Files that could not be read, and are not in the tables.
    """

    __tablename__ = "readings"

    fingerprint: Mapped[Hash]
    read_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    unreadable: Mapped[int]


CONTENT: tuple[type[Base], ...] = (Night, Run, Subrun, Attempt, Job, Product, Decision)
"""The view of the files, a night before what belongs to it."""
