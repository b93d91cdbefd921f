from __future__ import annotations

import multiprocessing
import signal
from datetime import date
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from ledger_nights import DAY, LedgerSite, dump, killed_in_update, questions, write_record_of
from servers import PASSWORD, Server
from sqlalchemy import text

from osa_luigi.errors import LedgerError
from osa_luigi.ledger.database import address, open_engine
from osa_luigi.ledger.history import contents, last_nights
from osa_luigi.ledger.models import Base
from osa_luigi.ledger.update import rebuild_ledger, update_ledger

NEXT = date(2024, 11, 16)


@pytest.fixture
def site(server: Server, tmp_path: Path) -> LedgerSite:
    """Three nights, two of one date whose ids differ by a capital alone, and a record with what databases mind."""
    site = LedgerSite(tmp_path, url=server.url)
    site.configure()
    for day, name in ((DAY, "v1"), (DAY, "V1"), (NEXT, "v1")):
        production = site.night(day, name)
        for number, reason in enumerate(("", "a\0b", "\N{TELESCOPE} ü ", "x" * 70_000)):
            write_record_of(production, "dl2", "Run02003", "failed", id_=f"z{number}", reason=reason, wall_s=1 / 3)
    site.settle()
    rebuild_ledger(site.main)
    return site


def test_equal_rows_as_in_sqlite(site: LedgerSite) -> None:
    sqlite = LedgerSite(site.base, url=f"sqlite:///{site.base}/ledger.sqlite")
    found = dump(site.main)
    main = sqlite.configure()
    update_ledger(main)
    assert dump(main) == found
    assert len(found["attempts"]) == 39
    assert len(found["nights"]) == 3


def test_updates_and_rebuilds_end_with_the_same(site: LedgerSite) -> None:
    assert len(update_ledger(site.main).unchanged) == 3
    write_record_of(site.production(), "dl2", "Run02003", "failed", id_="more")
    site.remove(NEXT)
    outcome = update_ledger(site.main)
    assert (outcome.read, outcome.gone) == ([(DAY, "v1")], [(NEXT, "v1")])
    updated = dump(site.main)
    rebuild_ledger(site.main)
    assert dump(site.main) == updated


def test_models_and_migrations_agree(site: LedgerSite) -> None:
    with open_engine(address(site.main), to_write=True).connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_what_osa_nights_asks(site: LedgerSite) -> None:
    assert [(line.date, line.production, line.state) for line in last_nights(site.main, 1)] == [(NEXT, "v1", "closed")]
    assert contents(site.main).rows["subruns"] == 9


def test_the_questions_of_the_page(site: LedgerSite) -> None:
    with open_engine(address(site.main), to_write=False).connect() as connection:
        failures, needs, run = (connection.execute(text(one)).all() for one in questions())
    assert [(row.step, int(row.failed)) for row in failures] == [("dl2", 12), ("dl1ab", 3)]
    assert len(needs) == 4
    assert sorted(row.production for row in run) == ["V1", "v1", "v1"]


def test_several_writers_at_once(site: LedgerSite) -> None:
    found = dump(site.main)
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=update_ledger, args=(site.main,), kwargs={"again": True}) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(200)
    assert [writer.exitcode for writer in writers] == [0, 0, 0, 0]
    assert dump(site.main) == found


def test_several_make_the_tables_at_once(server: Server, tmp_path: Path) -> None:
    site = LedgerSite(tmp_path, url=server.url)
    site.configure()
    site.night()
    url = address(site.main)
    engine = open_engine(url, to_write=True)
    from osa_luigi.ledger.schema import drop

    drop(engine, url)
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=update_ledger, args=(site.main,)) for _ in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(200)
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    assert len(dump(site.main)["nights"]) == 1


def test_killed_in_the_middle_of_an_update(site: LedgerSite) -> None:
    before = dump(site.main)
    process = multiprocessing.get_context("fork").Process(target=killed_in_update, args=(site, 4))
    process.start()
    process.join(100)
    assert process.exitcode == -signal.SIGKILL
    assert dump(site.main) == before
    update_ledger(site.main, again=True)
    assert dump(site.main) == before


def test_a_wrong_password(site: LedgerSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OSA_LEDGER_PASSWORD", "Wr0ng")
    with pytest.raises(LedgerError, match=r"or the password \(OSA_LEDGER_PASSWORD\)") as told:
        last_nights(site.main, 3)
    assert "Wr0ng" not in str(told.value)
    assert PASSWORD not in str(told.value)
    assert "\n" not in str(told.value)


def test_a_database_that_is_not_there(server: Server, tmp_path: Path) -> None:
    site = LedgerSite(tmp_path, url=server.url.removesuffix("/osa") + "/other")
    with pytest.raises(LedgerError, match=r"(?i)other|denied") as told:
        update_ledger(site.configure())
    assert "\n" not in str(told.value)


def test_a_server_that_went_away_and_came_back(site: LedgerSite, server: Server) -> None:
    found = dump(site.main)
    server.stop()
    try:
        with pytest.raises(LedgerError) as told:
            update_ledger(site.main)
        assert "\n" not in str(told.value)
        assert "`osa status` goes by them" in str(told.value)
    finally:
        server.start()
    update_ledger(site.main, again=True)
    assert dump(site.main) == found
