from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from ledger_nights import LedgerSite
from sqlalchemy import text

from osa_luigi.config import MainConfig
from osa_luigi.errors import ConfigurationError, LedgerError
from osa_luigi.ledger import database, place, schema
from osa_luigi.ledger.database import PASSWORD, address, open_engine, place_warning, shown
from osa_luigi.ledger.history import contents, last_nights
from osa_luigi.ledger.models import REVISION, Base
from osa_luigi.ledger.schema import Version, known_revisions, upgrade
from osa_luigi.ledger.update import rebuild_ledger, update_ledger


@pytest.fixture
def site(tmp_path: Path) -> LedgerSite:
    site = LedgerSite(tmp_path)
    site.configure()
    site.night()
    return site


def with_url(site: LedgerSite, url: str | None) -> MainConfig:
    return site.configure(ledger={"url": url})


def stamp(site: LedgerSite, revision: str) -> None:
    with sqlite3.connect(site.base / "ledger.sqlite") as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))


def test_models_and_migrations_agree(site: LedgerSite) -> None:
    url = address(site.main)
    engine = open_engine(url, to_write=True)
    assert upgrade(engine, url) is Version.NONE
    assert upgrade(engine, url) is Version.CURRENT
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
        indices = "SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        assert connection.execute(text(indices)).scalars().all() == ["ix_runs_run"]
    assert known_revisions()[0] == REVISION


def test_making_the_tables_is_one_transaction(site: LedgerSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "TRIES", 1)
    (site.base / "ledger.sqlite").parent.mkdir(exist_ok=True)
    with sqlite3.connect(site.base / "ledger.sqlite") as connection:
        connection.execute("CREATE TABLE subruns (a)")  # the last table cannot be made
    with pytest.raises(LedgerError, match="already exists"):
        update_ledger(site.main)
    with sqlite3.connect(site.base / "ledger.sqlite") as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    assert tables == [("subruns",)]


def test_there_is_no_ledger_yet(site: LedgerSite) -> None:
    for ask in (lambda: last_nights(site.main, 3), lambda: contents(site.main)):
        with pytest.raises(LedgerError, match=r"there is no ledger yet. Make it with `osa ledger update`"):
            ask()
    assert not (site.base / "ledger.sqlite").exists()


@pytest.mark.parametrize(("revision", "said"), [("0000", "newer osa_luigi"), ("9999", "newer osa_luigi")])
def test_tables_of_a_version_that_nobody_knows_are_left_alone(site: LedgerSite, revision: str, said: str) -> None:
    update_ledger(site.main)
    stamp(site, revision)
    for ask in (lambda: last_nights(site.main, 3), lambda: update_ledger(site.main), lambda: rebuild_ledger(site.main)):
        with pytest.raises(LedgerError, match=said):
            ask()
    assert contents(site.main).version is Version.NEWER


def test_older_tables_are_to_be_upgraded_by_a_person(site: LedgerSite, monkeypatch: pytest.MonkeyPatch) -> None:
    update_ledger(site.main)
    monkeypatch.setattr(schema, "REVISION", "0002")
    with pytest.raises(LedgerError, match="`osa ledger upgrade`"):
        update_ledger(site.main)
    assert contents(site.main).version is Version.OLDER


def test_a_file_that_is_no_database(site: LedgerSite) -> None:
    (site.base / "ledger.sqlite").write_text("x" * 4096)
    for ask in (lambda: last_nights(site.main, 3), lambda: update_ledger(site.main)):
        with pytest.raises(LedgerError, match=r"not a database\. Move the file aside"):
            ask()


def test_a_writer_that_does_not_end(site: LedgerSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "WAIT_S", 0.1)
    update_ledger(site.main)
    other = sqlite3.connect(site.base / "ledger.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(LedgerError, match=r"locked\. Another process writes into it"):
        update_ledger(site.main)
    assert len(last_nights(site.main, 3)) == 1  # readers go on
    other.close()


def test_a_writer_is_waited_for(site: LedgerSite) -> None:
    update_ledger(site.main)
    other = sqlite3.connect(site.base / "ledger.sqlite", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    threading.Timer(0.3, other.close).start()
    assert len(update_ledger(site.main, again=True).read) == 1


def test_a_full_disk(site: LedgerSite, monkeypatch: pytest.MonkeyPatch) -> None:
    update_ledger(site.main)
    real = database.open_engine

    def small(url: object, *, to_write: bool) -> object:
        from sqlalchemy import event

        engine = real(url, to_write=to_write)  # type: ignore[arg-type]
        event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA max_page_count=1"))
        return engine

    monkeypatch.setattr("osa_luigi.ledger.update.open_engine", small)
    site.night(name="long", subruns=20)
    with pytest.raises(LedgerError, match=r"full\. Make room on that disk"):
        update_ledger(site.main)
    monkeypatch.undo()
    assert len(last_nights(site.main, 3)) == 1


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("oracle://osa@db/osa", "oracle is none of sqlite, postgresql and mariadb"),
        ("what", "it cannot be understood"),
        ("sqlite://", "name a file"),
        ("sqlite:///:memory:", "name a file"),
        ("postgresql://osa@${NO_SUCH_VARIABLE}/osa", "NO_SUCH_VARIABLE is not set"),
    ],
)
def test_a_url_that_is_none(site: LedgerSite, url: str, said: str) -> None:
    with pytest.raises(LedgerError, match=said):
        address(with_url(site, url))


def test_the_password_comes_from_the_environment_and_is_never_shown(
    site: LedgerSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PASSWORD, "s3cret:/@")
    for kind, driver in (
        ("postgresql", "postgresql+psycopg"),
        ("mariadb", "mariadb+pymysql"),
        ("mysql", "mariadb+pymysql"),
    ):
        main = with_url(site, f"{kind}://osa@127.0.0.1:1/osa")
        url = address(main)
        assert (url.drivername, url.password) == (driver, "s3cret:/@")
        assert "s3cret" not in shown(url)
        assert "s3cret" not in repr(main)
        with pytest.raises(LedgerError) as told:
            update_ledger(main)
        assert "s3cret" not in str(told.value)
        assert "\n" not in str(told.value)
        assert "`osa status` goes by them" in str(told.value)


def test_a_password_in_the_configuration_is_refused(site: LedgerSite, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match=r"ledger\.url: must not hold a password") as told:
        with_url(site, "postgresql://osa:s3cret@db/osa")
    assert "s3cret" not in str(told.value)
    monkeypatch.setenv("SECRET", "s3cret")
    main = with_url(site, "postgresql://osa:${SECRET}@db/osa")
    assert address(main).password == "s3cret"
    assert "s3cret" not in repr(main)


def test_the_default_place_is_the_users_and_the_sites(
    site: LedgerSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    main = with_url(site, None)
    file = Path(str(address(main).database))
    assert file.parent.parent == tmp_path / "state" / "osa_luigi"
    assert file.parent.name.startswith("test-")
    elsewhere = LedgerSite(tmp_path / "elsewhere").configure(ledger={"url": None})
    assert address(elsewhere) != address(main)
    update_ledger(main)
    assert file.exists()


def test_a_network_file_system_is_warned_of(site: LedgerSite, monkeypatch: pytest.MonkeyPatch) -> None:
    url = address(site.main)
    assert place_warning(url) == ""
    monkeypatch.setattr(database, "file_system", lambda path: "nfs4")
    assert "network file system (nfs4)" in place_warning(url)
    update_ledger(site.main)
    with sqlite3.connect(site.base / "ledger.sqlite") as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)


def test_kinds_of_file_systems() -> None:
    assert place.file_system(Path("/proc/self")) == "proc"
    assert place.is_network("lustre")
    assert place.is_network("nfs4")
    assert not place.is_network("ext4")
    assert not place.is_network("")
