from __future__ import annotations

import re
from pathlib import Path

from ledger_nights import PAGE, LedgerSite, questions
from sqlalchemy import text

from osa_luigi.ledger.database import address, open_engine
from osa_luigi.ledger.models import Base
from osa_luigi.ledger.update import update_ledger

SHARED = {"date", "production", "run", "subrun"}


def test_the_page_names_every_table_and_column() -> None:
    told = {
        table: set(re.findall(r"`(\w+)`", rest))
        for table, rest in re.findall(r"^\| `(\w+)` \| (.*)$", PAGE.read_text(), re.M)
    }
    for table in Base.metadata.sorted_tables:
        assert set(table.columns.keys()) - SHARED <= told[table.name], table.name
    assert set(told) == set(Base.metadata.tables)


def test_the_questions_have_answers(tmp_path: Path) -> None:
    site = LedgerSite(tmp_path)
    site.configure()
    site.night()
    update_ledger(site.main)
    with open_engine(address(site.main), to_write=False).connect() as connection:
        failures, needs, run = (connection.execute(text(one)).all() for one in questions())
    assert failures == [("dl1ab", "node1", 1, "ü — because")]
    assert sorted((row.step, row.attempts) for row in needs) == [
        *(("close", 1), ("dl1ab", 3), ("merge_dl1", 1), ("r0_to_dl1", 3)),
    ]
    assert [(row.production, row.source, row.subruns) for row in run] == [("v1", "Crab Nebula", 3)]
