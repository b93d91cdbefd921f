from __future__ import annotations

from pathlib import Path

from ledger_nights import LedgerSite

from benchmarks.ledger import QUESTIONS, ask, fill
from osa_luigi.ledger.history import contents, last_nights


def test_the_synthetic_ledger_is_one(tmp_path: Path) -> None:
    main = LedgerSite(tmp_path).configure()
    file = tmp_path / "ledger.sqlite"
    fill(main, file, 1, 300)
    fill(main, file, 2, 300)  # it goes on where it was
    rows = contents(main).rows
    assert rows == {
        "nights": 2,
        "runs": 4,
        "subruns": 600,
        "attempts": 2400,
        "jobs": 600,
        "products": 3000,
        "decisions": 0,
    }
    for table, count in rows.items():
        assert ask(file, f"SELECT COUNT(*) FROM {table}") == [(count,)]
    assert [line.state for line in last_nights(main, 30)] == ["closed", "closed"]
    for question in QUESTIONS.values():
        assert ask(file, question.format(month="2022-01-01", run=1000))
