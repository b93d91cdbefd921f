"""The tables' version: looked at, made, brought up to date (with Alembic, which is imported only then)."""

from __future__ import annotations

import time
from enum import StrEnum
from typing import TYPE_CHECKING

from sqlalchemy import URL, Connection, Engine, exc, inspect, text

from osa_luigi.errors import LedgerError
from osa_luigi.ledger.database import shown
from osa_luigi.ledger.models import REVISION, Base

if TYPE_CHECKING:
    from alembic.config import Config

VERSIONS = "alembic_version"
TRIES = 5
"""Two may make the tables at the same moment; one of them looks again."""


class Version(StrEnum):
    """How a database's tables stand to this software's."""

    NONE = "none"
    CURRENT = "current"
    OLDER = "older"
    NEWER = "newer"


def version(connection: Connection) -> Version:
    """How the tables stand."""
    if not inspect(connection).has_table(VERSIONS):
        return Version.NONE
    found = connection.execute(text(f"SELECT version_num FROM {VERSIONS}")).scalars().first()
    if found is None:
        return Version.NONE
    if found == REVISION:
        return Version.CURRENT
    return Version.OLDER if found in known_revisions() else Version.NEWER


def require_current(connection: Connection, url: URL) -> None:
    """Refuse tables of another version.

    Raises
    ------
    LedgerError
        There are none, or they are older or newer.
    """
    found = version(connection)
    if found is not Version.CURRENT:
        raise LedgerError(f"{shown(url)}: {TROUBLE[found]}")


TROUBLE = {
    Version.NONE: "there is no ledger yet. Make it with `osa ledger update`.",
    Version.OLDER: "its tables were made by an older osa_luigi. Bring them up to date with `osa ledger upgrade`.",
    Version.NEWER: "its tables were made by a newer osa_luigi. Use that one, or name another database in ledger.url.",
}


def upgrade(engine: Engine, url: URL) -> Version:
    """Make the tables, or bring them up to date; says how they stood before.

    Raises
    ------
    LedgerError
        They are newer.
    """
    for left in reversed(range(TRIES)):
        try:
            return _upgrade(engine, url)
        except exc.DBAPIError:
            if not left:
                raise
            time.sleep(0.2)
    raise AssertionError("unreachable")


def _upgrade(engine: Engine, url: URL) -> Version:
    with engine.begin() as connection:
        before = version(connection)
        if before is Version.NEWER:
            raise LedgerError(f"{shown(url)}: {TROUBLE[before]}")
        if before is not Version.CURRENT:
            from alembic import command

            command.upgrade(_configured(connection), "head")
    return before


def drop(engine: Engine, url: URL) -> None:
    """Take away the ledger's tables, of whichever older version, and nothing else that is in the database.

    Raises
    ------
    LedgerError
        They are newer.
    """
    with engine.begin() as connection:
        if version(connection) is Version.NEWER:
            raise LedgerError(f"{shown(url)}: {TROUBLE[Version.NEWER]}")
        Base.metadata.drop_all(connection)
        connection.execute(text(f"DROP TABLE IF EXISTS {VERSIONS}"))


def known_revisions() -> list[str]:
    """All versions of the schema that this software knows, the newest first."""
    from alembic.script import ScriptDirectory

    return [script.revision for script in ScriptDirectory.from_config(_configured(None)).walk_revisions()]


def _configured(connection: Connection | None) -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "osa_luigi.ledger:migrations")
    config.attributes["connection"] = connection
    return config
