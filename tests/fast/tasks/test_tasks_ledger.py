"""The ledger of nights that the engine itself has run, in fakes."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_nights import DAY, RUNS, FakeSite, run_night
from luigi.configuration import LuigiConfigParser

from osa_luigi.cli.main_file import luigi_files
from osa_luigi.config import MainConfig, load_main
from osa_luigi.ledger.history import NightLine, last_nights
from osa_luigi.ledger.update import update_ledger
from osa_luigi.products.receipt import ReceiptBook


def followed(site: FakeSite) -> NightLine:
    """The night after an update."""
    main = ledgered(site)
    outcome = update_ledger(main)
    assert (outcome.failed, outcome.unreadable) == ([], [])
    [line] = last_nights(main, 1)
    return line


def ledgered(site: FakeSite) -> MainConfig:
    site.set_main(ledger={"url": f"sqlite:///{site.folder}/ledger.sqlite"})
    return load_main(site.config, check_files=False)


def test_a_finished_night(finished: FakeSite) -> None:
    line = followed(finished)
    book = ReceiptBook(finished.production())
    files = [made for name in book.names() if (receipt := book.receipt(name)) for made in receipt.outputs]
    assert (line.date, line.production, line.state) == (DAY, "fake", "closed")
    assert line.declared == line.made == len(book.names()) - 1  # closing declares all but itself
    assert (line.runs, line.subruns) == (2, 3)
    assert (line.attempts, line.failed) == (len(finished.attempts()), 0)
    assert line.bytes == sum(made.size for made in files)
    assert line.closed is not None


@pytest.mark.usefixtures("borrowed")
def test_a_night_that_failed(fake_site: FakeSite) -> None:
    fake_site.set(fake={"fail": ["dl1ab:Run02003.0001"]})
    run_night(fake_site)
    line = followed(fake_site)
    assert (line.state, line.closed, line.failed) == ("open", None, 1)
    assert line.made is not None
    assert line.declared is not None
    assert 0 < line.made < line.declared


@pytest.mark.usefixtures("borrowed")
def test_a_night_that_grew_after_it_was_closed(finished: FakeSite) -> None:
    closed = followed(finished)
    finished.night(*RUNS[:3], (2004, "DATA", 2))
    finished.set(fake={"fail": ["r0_to_dl1:Run02004.0001"]})
    run_night(finished)
    grown = followed(finished)
    assert (grown.state, grown.subruns, grown.failed) == ("open", 4, 1)
    assert grown.closed == closed.closed


def test_a_ledger_that_is_away_is_no_night_s_concern(finished: FakeSite, tmp_path: Path) -> None:
    finished.set_main(ledger={"url": "postgresql://osa@127.0.0.1:1/osa"})
    result = run_night(finished)
    assert result.scheduling_succeeded
    assert finished.is_closed()


def test_luigi_s_files_are_looked_for_where_luigi_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LUIGI_CONFIG_PATH", str(tmp_path / "mine.cfg"))
    for name in ("luigi.cfg", "client.cfg", "mine.cfg"):
        Path(name).write_text("")
    known = [path for path in [*LuigiConfigParser._config_paths, str(tmp_path / "mine.cfg")] if Path(path).is_file()]
    assert luigi_files() == list(dict.fromkeys(known))
