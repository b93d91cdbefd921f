from __future__ import annotations

import multiprocessing
import signal
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from ledger_nights import DAY, RUN, LedgerSite, decide, dump, killed_in_update, write_record_of

from osa_luigi.errors import LedgerError, NightError
from osa_luigi.ledger import update as updating
from osa_luigi.ledger.fingerprint import fingerprint
from osa_luigi.ledger.site import Choice
from osa_luigi.ledger.update import rebuild_ledger, update_ledger
from osa_luigi.products.archive import open_archive
from osa_luigi.products.archiving import archive_run

NEXT = date(2024, 11, 16)


@pytest.fixture
def site(tmp_path: Path) -> LedgerSite:
    site = LedgerSite(tmp_path)
    site.configure()
    site.night()
    return site


def test_two_rebuilds_are_equal(site: LedgerSite) -> None:
    site.night(NEXT, "v2")
    rebuild_ledger(site.main)
    first = dump(site.main)
    assert [(table, len(rows)) for table, rows in first.items()] == [
        *(("nights", 2), ("runs", 6), ("subruns", 6), ("attempts", 18), ("jobs", 6), ("products", 16)),
        ("decisions", 4),
    ]
    rebuild_ledger(site.main)
    assert dump(site.main) == first


def test_an_update_reads_what_changed_only_and_equals_a_rebuild(site: LedgerSite) -> None:
    second = site.night(NEXT)
    site.night(DAY, "v2")
    assert len(update_ledger(site.main).read) == 3
    again = update_ledger(site.main)
    assert (again.read, len(again.unchanged)) == ([], 3)
    write_record_of(second, "dl2", "Run02003", "failed", id_="z")
    site.remove(DAY, "v2")
    outcome = update_ledger(site.main)
    assert (outcome.read, outcome.unchanged, outcome.gone) == ([(NEXT, "v1")], [(DAY, "v1")], [(DAY, "v2")])
    updated = dump(site.main)
    rebuild_ledger(site.main)
    assert dump(site.main) == updated


class Nights(RuleBasedStateMachine):
    """Whatever happens to nights between updates: the ledger has what a new one would have."""

    @initialize()
    def begin(self) -> None:
        from tempfile import mkdtemp

        self.site = LedgerSite(Path(mkdtemp(prefix="osa-ledger-")))
        self.site.configure()
        self.site.night()
        self.count = 0

    days = st.sampled_from((DAY, NEXT))
    names = st.sampled_from(("v1", "v2"))

    @rule(day=days, name=names, subruns=st.integers(0, 2))
    def a_night(self, day: date, name: str, subruns: int) -> None:
        self.site.night(day, name, subruns)

    @rule(day=days, name=names)
    def an_attempt(self, day: date, name: str) -> None:
        self.count += 1
        write_record_of(self.site.production(day, name), "dl2", "Run02003", "failed", id_=f"z{self.count}")

    @rule(name=names)
    def a_decision(self, name: str) -> None:
        self.count += 1
        decide(self.site.production(DAY, name), self.count + 10, kind="veto", unit="Run02004", undoes=[self.count + 9])

    @rule(day=days, name=names)
    def gone(self, day: date, name: str) -> None:
        if (
            len(list((self.site.base / "running_analysis").glob("*/*"))) > 1
            and self.site.production(day, name).root.is_dir()
        ):
            self.site.remove(day, name)

    @rule(last=st.none() | st.integers(1, 2))
    def updated(self, last: int | None) -> None:
        update_ledger(self.site.main, Choice(last=last))

    @invariant()
    def the_same(self) -> None:
        if hasattr(self, "site"):
            update_ledger(self.site.main)
            anew = LedgerSite(self.site.base, url=f"sqlite:///{self.site.base}/anew.sqlite")
            found = dump(self.site.main)
            main = anew.configure()
            update_ledger(main, again=True)
            assert dump(main) == found
            self.site.configure()

    def teardown(self) -> None:
        import shutil

        if hasattr(self, "site"):
            shutil.rmtree(self.site.base)


TestNights = Nights.TestCase
TestNights.settings = settings(max_examples=2, stateful_step_count=4)


def test_what_changed_a_moment_ago_is_read_again(site: LedgerSite) -> None:
    write_record_of(site.production(), "dl2", "Run02003", "failed", id_="z")
    assert len(update_ledger(site.main).read) == 1
    assert len(update_ledger(site.main).read) == 1
    assert len(update_ledger(site.main, settled_s=0).read) == 1
    assert len(update_ledger(site.main, settled_s=0).unchanged) == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda site: decide(site.production(), 3, kind="veto", unit="Run02003"),
        lambda site: write_record_of(site.production(), "dl2", "Run02003", "failed", id_="z"),
        lambda site: (site.production().root / "NightFinished.txt").unlink(),
        lambda site: (site.production().state / "archives").mkdir(),
        lambda site: (site.main.site.paths.run_catalog / "RunCatalog_20241115.ecsv").unlink(),
        lambda site: (site.production().state / "engine/arrays/osa.1.dl1/records/7.0.0.done.json").write_text("{}"),
        lambda site: (site.production().state / "engine/arrays/osa.1.dl1/closed.json").write_text("{}"),
    ],
)
def test_each_source_shows_in_the_fingerprint(site: LedgerSite, change: Any) -> None:
    paths = site.main.site.paths
    beside = [paths.run_catalog / "RunCatalog_20241115.ecsv"]
    before = fingerprint(site.production(), beside)
    assert before == fingerprint(site.production(), beside)
    change(site)
    assert fingerprint(site.production(), beside, settled_s=0) != before


def test_dates_and_the_newest_nights(site: LedgerSite) -> None:
    site.night(NEXT)
    assert update_ledger(site.main, Choice(last=1)).read == [(NEXT, "v1")]
    assert update_ledger(site.main, Choice(frozenset({DAY}))).read == [(DAY, "v1")]
    site.remove(DAY)
    assert update_ledger(site.main, Choice(last=1)).gone == []
    assert update_ledger(site.main, Choice(frozenset({DAY}))).gone == [(DAY, "v1")]


def test_a_production_that_cannot_be_read_holds_up_no_other(site: LedgerSite, monkeypatch: pytest.MonkeyPatch) -> None:
    site.night(NEXT)
    update_ledger(site.main)
    before = dump(site.main)
    real = updating.read_production

    def read(production: Any, day: date, observed: Any) -> Any:
        if day == DAY:
            raise PermissionError(13, "Permission denied", str(production.root))
        return real(production, day, observed)

    monkeypatch.setattr(updating, "read_production", read)
    outcome = update_ledger(site.main, again=True)
    assert outcome.failed == [f"{site.production().root}: Permission denied"]
    assert outcome.read == [(NEXT, "v1")]
    assert outcome.gone == []
    assert dump(site.main) == before


def test_archiving_changes_no_rows(site: LedgerSite) -> None:
    update_ledger(site.main, settled_s=0)
    before = dump(site.main)
    for run in (RUN, "night"):
        archive_run(site.production(), run)
    assert update_ledger(site.main, settled_s=0).read == [(DAY, "v1")]
    assert dump(site.main) == before


def test_of_a_production_with_a_damaged_archive_the_ledger_keeps_what_it_had(site: LedgerSite) -> None:
    production = site.production()
    archive_run(production, RUN)
    update_ledger(site.main)
    before = dump(site.main)
    [archive] = production.archives.iterdir()
    archive.chmod(0o644)
    archive.write_bytes(archive.read_bytes()[:-100])
    open_archive.cache_clear()
    [said] = update_ledger(site.main, again=True).failed
    assert str(archive) in said
    assert dump(site.main) == before


def test_rows_that_the_database_refuses_hold_up_no_other_production(
    site: LedgerSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.night(NEXT)
    real = updating.read_production

    def read(production: Any, day: date, observed: Any) -> Any:
        reading = real(production, day, observed)
        if day == DAY:
            reading.rows[updating.CONTENT[1]].append(reading.rows[updating.CONTENT[1]][0])
        return reading

    monkeypatch.setattr(updating, "read_production", read)
    monkeypatch.setattr(updating, "TRIES", 1)
    outcome = update_ledger(site.main)
    [said] = outcome.failed
    assert said.startswith(f"{site.production().root}: the database does not take its rows: UNIQUE constraint failed")
    assert "INSERT" not in said
    assert outcome.read == [(NEXT, "v1")]


def test_a_file_system_that_is_not_mounted_empties_no_ledger(site: LedgerSite) -> None:
    update_ledger(site.main)
    root = site.base / "running_analysis"
    root.rename(site.base / "elsewhere")
    with pytest.raises(NightError, match="Look whether it is mounted"):
        update_ledger(site.main)
    with pytest.raises(NightError, match="Look whether it is mounted"):
        rebuild_ledger(site.main)
    root.mkdir()
    with pytest.raises(LedgerError, match=r"holds nothing, and the ledger holds 1 productions: is it mounted\?"):
        update_ledger(site.main)
    assert len(dump(site.main)["nights"]) == 1
    rebuild_ledger(site.main)
    assert dump(site.main)["nights"] == []


def test_two_sites_do_not_share_a_ledger(site: LedgerSite, tmp_path: Path) -> None:
    update_ledger(site.main)
    other = LedgerSite(tmp_path / "other", url=f"sqlite:///{site.base}/ledger.sqlite")
    other.configure()
    other.night()
    with pytest.raises(LedgerError, match="Each site needs a database of its own"):
        update_ledger(other.main)
    rebuild_ledger(other.main)  # a folder that was moved
    assert len(dump(other.main)["nights"]) == 1


def test_other_programs_folders_are_no_productions(site: LedgerSite) -> None:
    root = site.base / "running_analysis"
    (root / "20241117" / "v0.11").mkdir(parents=True)
    (root / "20249999" / "v1" / ".osa").mkdir(parents=True)
    (root / "notes" / "v1" / ".osa").mkdir(parents=True)
    (root / "20241115" / ".trash" / ".osa").mkdir(parents=True)
    (root / "20241115" / ("v" * 65) / ".osa").mkdir(parents=True)
    (root / "20241118").write_text("")
    assert update_ledger(site.main).read == [(DAY, "v1")]


@pytest.mark.parametrize("after", [1, 5, 9, 13])
def test_killed_in_the_middle_of_an_update(site: LedgerSite, after: int) -> None:
    site.night(NEXT)
    update_ledger(site.main)
    before = dump(site.main)
    for day in (DAY, NEXT):
        write_record_of(site.production(day), "dl2", "Run02003", "failed", id_="z")
    process = multiprocessing.get_context("fork").Process(target=killed_in_update, args=(site, after))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    cut = dump(site.main)
    old, new = [len(dump_["attempts"]) for dump_ in (before, cut)]
    assert new in (old, old + 1)
    assert len(cut["nights"]) == 2
    update_ledger(site.main)
    assert len(dump(site.main)["attempts"]) == old + 2


def test_several_writers_at_once(site: LedgerSite) -> None:
    for number in range(4):
        site.night(NEXT, f"v{number}")
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=update_ledger, args=(site.main,), kwargs={"again": True}) for _ in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(100)
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    found = dump(site.main)
    assert len(found["nights"]) == 5
    rebuild_ledger(site.main)
    assert dump(site.main) == found
