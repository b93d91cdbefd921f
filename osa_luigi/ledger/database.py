"""From a setting to a database: where it is, how it is opened, and what is said when it cannot be.

SQLAlchemy does the work; here is what differs between SQLite, PostgreSQL and MariaDB.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import URL, Engine, NullPool, create_engine, event, exc, make_url

from osa_luigi.config import MainConfig
from osa_luigi.config.paths import PathError, expand
from osa_luigi.errors import LedgerError
from osa_luigi.ledger.place import default_file, file_system, is_network

PASSWORD = "OSA_LEDGER_PASSWORD"
"""In the environment: the database's password, as it is."""

WAIT_S = 60
"""For another writer; for a server that does not answer a sixth of it."""

DRIVERS = {
    "sqlite": "sqlite",
    "postgresql": "postgresql+psycopg",
    "mysql": "mariadb+pymysql",
    "mariadb": "mariadb+pymysql",
}
EXTRAS = {"postgresql": "postgresql", "mariadb": "mariadb"}


def address(main: MainConfig) -> URL:
    """The database that the configuration names, with the password that the environment holds.

    Raises
    ------
    LedgerError
        It cannot be understood, or there is no place for a file.
    """
    if main.ledger.url is None:
        return URL.create("sqlite", database=str(default_file(main)))
    try:
        url = make_url(expand(main.ledger.url))
    except (PathError, exc.ArgumentError, ValueError) as error:
        said = str(error) if isinstance(error, PathError) else "it cannot be understood"
        raise LedgerError(
            f"{main.path}: ledger.url: {said}. Write sqlite:////folder/ledger.sqlite, postgresql://user@host/name or "
            "mariadb://user@host/name."
        ) from error
    kind = url.get_backend_name()
    if kind not in DRIVERS:
        raise LedgerError(f"{main.path}: ledger.url: {kind} is none of sqlite, postgresql and mariadb.")
    if kind == "sqlite":
        return _file(main, url)
    return url.set(drivername=DRIVERS[kind], password=url.password or os.environ.get(PASSWORD) or None)


def _file(main: MainConfig, url: URL) -> URL:
    if not url.database or url.database == ":memory:" or url.query:
        raise LedgerError(f"{main.path}: ledger.url: name a file, as sqlite:////folder/ledger.sqlite.")
    return URL.create("sqlite", database=os.path.normpath(main.site.base / url.database))


def shown(url: URL) -> str:
    """For people: without the password, a file by its path alone."""
    return str(url.database) if url.get_backend_name() == "sqlite" else url.render_as_string(hide_password=True)


def place_warning(url: URL) -> str:
    """What is to be said of where a SQLite file lies; empty if nothing is."""
    if url.get_backend_name() != "sqlite" or not is_network(kind := file_system(Path(str(url.database)))):
        return ""
    return (
        f"{url.database} lies on a network file system ({kind}), where SQLite's locks cannot be relied on: "
        "name a file on a local disk, or a server, in ledger.url."
    )


def open_engine(url: URL, *, to_write: bool) -> Engine:
    """An engine for the database; nothing is connected yet.

    Raises
    ------
    LedgerError
        Its driver is not installed, or the folder of a file cannot be made.
    """
    kind = url.get_backend_name()
    try:
        if kind == "sqlite":
            return _writable(url) if to_write else _readable(url)
        arguments = _POSTGRESQL if kind == "postgresql" else _MARIADB
        return create_engine(url, poolclass=NullPool, isolation_level="READ COMMITTED", connect_args=arguments)
    except ModuleNotFoundError as error:
        raise LedgerError(
            f"{shown(url)}: the driver is not installed ({error.name}): pip install 'osa_luigi[{EXTRAS[kind]}]'."
        ) from error
    except OSError as error:
        raise LedgerError(
            f"{shown(url)}: the folder cannot be made ({error.strerror}): name another place in ledger.url."
        ) from error


_POSTGRESQL = {"connect_timeout": WAIT_S // 6, "options": f"-c lock_timeout={WAIT_S}s"}
_MARIADB = {
    "connect_timeout": WAIT_S // 6,
    "charset": "utf8mb4",
    "init_command": f"SET time_zone='+00:00', innodb_lock_wait_timeout={WAIT_S}, lock_wait_timeout={WAIT_S}",
}


def _writable(url: URL) -> Engine:
    Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, poolclass=NullPool, connect_args={"timeout": WAIT_S})
    # Write-ahead logging needs memory that all users of the file share.
    journal = "DELETE" if place_warning(url) else "WAL"

    @event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # sqlite3 would begin on its own, and too late
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute(f"PRAGMA journal_mode={journal}")
        connection.execute("PRAGMA synchronous=NORMAL")

    @event.listens_for(engine, "begin")
    def _begin(connection: object) -> None:
        # The lock is taken at once: two that both read first would both fail when they write.
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # type: ignore[attr-defined]

    return engine


def _readable(url: URL) -> Engine:
    path = Path(str(url.database))
    if not path.exists():
        raise LedgerError(f"{path}: there is no ledger yet. Make it with `osa ledger update`.")
    return create_engine("sqlite://", creator=lambda: _read_only(path), poolclass=NullPool)


def _read_only(path: Path) -> sqlite3.Connection:
    """A connection that needs no right to write; in a folder where nobody may write, as a file that nobody changes."""
    where = f"file:{quote(str(path))}?mode=ro"
    connection = sqlite3.connect(where, uri=True, timeout=WAIT_S / 6)
    try:
        connection.execute("PRAGMA schema_version").fetchone()
    except sqlite3.OperationalError:
        connection.close()
        if os.access(path.parent, os.W_OK):
            raise
        connection = sqlite3.connect(f"{where}&immutable=1", uri=True)
    return connection


@contextmanager
def said_plainly(url: URL) -> Iterator[None]:
    """Turn what a database complains of into one line.

    Raises
    ------
    LedgerError
        Whatever the database raised.
    """
    try:
        yield
    except (exc.SQLAlchemyError, sqlite3.Error) as error:
        raise LedgerError(f"{shown(url)}: {_complaint(url, error)}") from error


def words_of(error: Exception) -> str:
    """What the database itself said, in one line, without the statement and its values."""
    cause = error.orig if isinstance(error, exc.DBAPIError) and error.orig else error
    return " ".join(str(cause.args[-1] if cause.args else cause).split())[:300].rstrip(".")


def _complaint(url: URL, error: Exception) -> str:
    words = words_of(error)
    return f"{words}. {_remedy(url, words.lower())}"


_REMEDIES = (
    (
        ("locked", "lock timeout", "lock wait"),
        "Another process writes into it: wait until that has ended, and try again.",
    ),
    (("password", "access denied", "authentication"), f"Correct the user in ledger.url, or the password ({PASSWORD})."),
    (("full", "no space"), "Make room on that disk, then try again: what was begun was taken back."),
    (
        ("readonly", "read-only", "permission denied"),
        "You have no right to write there: ask who has, or name another in ledger.url.",
    ),
    (("not a database", "malformed", "unable to open"), "Move the file aside and make it again: `osa ledger rebuild`."),
    (
        ("does not exist", "unknown database"),
        "Let the server's administrator make the database, then `osa ledger update`.",
    ),
    (
        ("no such table", "no such column", "doesn't exist", "undefined", "already exists"),
        "Its tables are not as they should be: `osa ledger rebuild`.",
    ),
)


def _remedy(url: URL, words: str) -> str:
    found = next((remedy for signs, remedy in _REMEDIES if any(sign in words for sign in signs)), None)
    if found:
        return found
    where = "the file" if url.get_backend_name() == "sqlite" else "the server, and ledger.url"
    return f"Look at {where}. The files of the nights are not concerned, and `osa status` goes by them."
