"""Brings the ledger up to date with a site's files: only what changed, each production in a transaction of its own.

Whenever it is cut short, each production's rows are either the old or the new ones, and the next update goes on. Two at once do the same
work twice.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

from sqlalchemy import URL, Connection, Delete, Engine, delete, exc, func, insert, select, update

from osa_luigi.config import MainConfig
from osa_luigi.errors import LedgerError, ProductError
from osa_luigi.ledger.database import address, open_engine, said_plainly, shown, words_of
from osa_luigi.ledger.fingerprint import SETTLED_S, fingerprint
from osa_luigi.ledger.models import CONTENT, Night
from osa_luigi.ledger.models import Reading as Note
from osa_luigi.ledger.rows import Observed, Reading, read_production
from osa_luigi.ledger.schema import drop, require_current, upgrade
from osa_luigi.ledger.site import Choice, productions
from osa_luigi.products.production import Production

Key = tuple[date, str]
Progress = Callable[[date, Production, Reading], None]

TRIES = 5
AT_ONCE = 5_000
"""Rows that are handed to the database in one go."""

ONE_OF_TWO = ("40001", "40P01", 1213, 1020, 1062, "23505")
"""What servers say to the one of two writers that is to try again: SQLSTATE of PostgreSQL, error numbers of MariaDB."""


@dataclass
class Outcome:
    """What an update did.

    Parameters
    ----------
    read, unchanged, gone
        Productions whose rows were made (again), that were as they had been, and whose files are not there any more.
    unreadable
        Files that could not be read; the rest of their production is in the ledger.
    failed
        Productions that could not be read at all, with the reason; the ledger has of them what it had.
    """

    read: list[Key] = field(default_factory=list)
    unchanged: list[Key] = field(default_factory=list)
    gone: list[Key] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


def update_ledger(
    main: MainConfig,
    choice: Choice | None = None,
    *,
    again: bool = False,
    settled_s: float = SETTLED_S,
    progress: Progress | None = None,
) -> Outcome:
    """Read the productions whose files changed since they were last read; the tables are made if there are none.

    Parameters
    ----------
    again
        Read all that are chosen, changed or not.

    Raises
    ------
    LedgerError
        The database cannot be used, or holds the nights of another site.
    NightError
        The folder of productions cannot be read.
    """
    url = address(main)
    with said_plainly(url):
        engine = open_engine(url, to_write=True)
        upgrade_if_new(engine, url)
        return _Update(main, engine, url, settled_s, progress).run(choice or Choice(), again)


def rebuild_ledger(main: MainConfig, *, settled_s: float = SETTLED_S, progress: Progress | None = None) -> Outcome:
    """Delete the ledger's tables and make them again from the files.

    Raises
    ------
    LedgerError
        The database cannot be used, or its tables are newer.
    NightError
        The folder of productions cannot be read; nothing was deleted.
    """
    url = address(main)
    productions(main, Choice())
    with said_plainly(url):
        drop(open_engine(url, to_write=True), url)
    return update_ledger(main, settled_s=settled_s, progress=progress)


def upgrade_if_new(engine: Engine, url: URL) -> None:
    """Make the tables where there are none; older ones are for a person to upgrade."""
    with engine.begin() as connection:
        try:
            require_current(connection, url)
            return
        except LedgerError:
            if not _is_empty(connection):
                raise
    upgrade(engine, url)


def _is_empty(connection: Connection) -> bool:
    from osa_luigi.ledger.schema import Version, version

    return version(connection) is Version.NONE


class _Update:
    """One update."""

    def __init__(self, main: MainConfig, engine: Engine, url: URL, settled_s: float, progress: Progress | None) -> None:
        self._main = main
        self._engine = engine
        self._url = url
        self._settled_s = settled_s
        self._progress = progress
        paths = main.site.paths
        self._observed = Observed(paths.run_summary, paths.run_catalog)
        self.outcome = Outcome()

    def run(self, choice: Choice, again: bool) -> Outcome:
        found = productions(self._main, choice)
        known = self._known()
        self._refuse_another_site(found, known)
        for (day, name), production in found.items():
            try:
                self._look(day, production, "" if again else known.get((day, name), ""))
            except OSError as error:
                self.outcome.failed.append(f"{error.filename or production.root}: {error.strerror or error}")
            except ProductError as error:
                self.outcome.failed.append(str(error))
            except (exc.DataError, exc.IntegrityError) as error:
                self.outcome.failed.append(f"{production.root}: the database does not take its rows: {words_of(error)}")
        self._forget(key for key in known if choice.covers(key[0], found) and key not in found)
        self._confirm()
        return self.outcome

    def _known(self) -> Mapping[Key, str]:
        with self._engine.begin() as connection:
            rows = connection.execute(select(Note.date, Note.production, Note.fingerprint)).all()
        return {(row.date, row.production): row.fingerprint for row in rows}

    def _refuse_another_site(self, found: Mapping[Key, Production], known: Mapping[Key, str]) -> None:
        root = self._main.site.paths.running_analysis
        if known and not found and not any(root.iterdir()):
            raise LedgerError(
                f"{root}: holds nothing, and the ledger holds {len(known)} productions: is it mounted? "
                "If they were all removed, `osa ledger rebuild`."
            )
        with self._engine.begin() as connection:
            folder = connection.execute(select(func.max(Night.folder))).scalar()
        if folder and Path(folder).parents[1] != root:
            raise LedgerError(
                f"{shown(self._url)}: holds the nights of {Path(folder).parents[1]}, not of {root}. Each site needs a database of "
                "its own (ledger.url); if the folder was moved, `osa ledger rebuild`."
            )

    def _look(self, day: date, production: Production, before: str) -> None:
        # Before the files are read: what comes while they are is seen the next time.
        now = fingerprint(production, self._observed.files(day), settled_s=self._settled_s)
        key = (day, production.id)
        if now and now == before:
            self.outcome.unchanged.append(key)
            return
        reading = read_production(production, day, self._observed)
        self._write(key, reading, now)
        self.outcome.read.append(key)
        self.outcome.unreadable += reading.unreadable
        if self._progress:
            self._progress(day, production, reading)

    def _write(self, key: Key, reading: Reading, print_: str) -> None:
        """The rows of a production in the place of those that there are; again where another writer was in the way."""
        for left in reversed(range(TRIES)):
            try:
                with self._engine.begin() as connection:
                    replace(connection, key, reading, print_)
                return
            except exc.DBAPIError as error:
                if not left or not _try_again(error):
                    raise
                time.sleep(random.uniform(0.05, 0.5))

    def _forget(self, keys: Iterable[Key]) -> None:
        for key in keys:
            with self._engine.begin() as connection:
                connection.execute(_delete(key))
            self.outcome.gone.append(key)

    def _confirm(self) -> None:
        """Those that are as they were, are so as of now."""
        with self._engine.begin() as connection:
            for day, name in self.outcome.unchanged:
                same = (Note.date == day) & (Note.production == name)
                connection.execute(update(Note).where(same).values(seen_at=datetime.now(UTC)))


def replace(connection: Connection, key: Key, reading: Reading, print_: str) -> None:
    """Put the rows of a production in the place of those that there are."""
    connection.execute(_delete(key))
    for table in CONTENT:
        rows = reading.rows[table]
        for first in range(0, len(rows), AT_ONCE):
            connection.execute(insert(table), rows[first : first + AT_ONCE])
    now = datetime.now(UTC)
    note = {"fingerprint": print_, "read_at": now, "seen_at": now, "unreadable": len(reading.unreadable)}
    connection.execute(insert(Note), [{"date": key[0], "production": key[1], **note}])


def _delete(key: Key) -> Delete:
    """Of a night; what belongs to it goes with it."""
    return delete(Night).where(Night.date == key[0], Night.production == key[1])


def _try_again(error: exc.DBAPIError) -> bool:
    cause = error.orig
    code = getattr(cause, "sqlstate", None) or (cause.args[0] if cause and cause.args else None)
    return code in ONE_OF_TWO
