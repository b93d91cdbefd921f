from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledger_nights import DAY, RUN, LedgerSite, hash_of, write_receipt, write_record_of

from osa_luigi.ledger import values
from osa_luigi.ledger.models import Attempt, Decision, Job, Night, Product, Run, Subrun
from osa_luigi.ledger.rows import Observed, Reading, read_production
from osa_luigi.products.archiving import archive_run
from osa_luigi.products.production import Production


@pytest.fixture
def site(tmp_path: Path) -> LedgerSite:
    site = LedgerSite(tmp_path)
    site.configure()
    return site


def read(site: LedgerSite, production: Production | None = None) -> Reading:
    paths = site.main.site.paths
    return read_production(production or site.production(), DAY, Observed(paths.run_summary, paths.run_catalog))


def test_a_closed_night(site: LedgerSite) -> None:
    site.night()
    [night] = read(site).rows[Night]
    assert night == {
        "date": DAY,
        "production": "v1",
        "folder": str(site.production().root),
        "state": "closed",
        "closed": datetime(2024, 11, 16, 0, 1, 0, 123_000, tzinfo=UTC),
        "declared": 7,
        "made": 7,
        "calibration_date": DAY,
        "drs4_run": None,
        "pedcal_run": 2002,
        "lstchain": "0.12.3",
        "runs": 1,
        "subruns": 3,
        "attempts": 9,
        "failed": 1,
        "cpu_s": 2.7,
        "jobs": 3,
        "products": 8,
        "bytes": 8 * 2**33,
        "decisions": 2,
    }


def test_what_belongs_to_it(site: LedgerSite) -> None:
    site.night()
    rows = read(site).rows
    # The placeholder's run summary knows a DRS4, a PEDCALIB and a DATA run.
    assert [(row["run"], row["run_type"], row["source"], row["subruns"]) for row in rows[Run]] == [
        (2001, "DRS4", None, 0),
        (2002, "PEDCALIB", None, 0),
        (2003, "DATA", "Crab Nebula", 3),
    ]
    assert [(row["subrun"], row["declared"], row["made"], row["attempts"], row["failed"]) for row in rows[Subrun]] == [
        (0, 2, 2, 2, 0),
        (1, 2, 2, 3, 1),
        (2, 2, 2, 2, 0),
    ]
    assert {(row["step"], row["unit"]) for row in rows[Product]} >= {("dl1ab", f"{RUN}.0002"), ("close", "night")}
    [failed] = [row for row in rows[Attempt] if row["outcome"] == "failed"]
    assert (failed["run"], failed["subrun"], failed["exit_code"], failed["host"]) == (2003, 1, 1, "node1")
    assert [(row["job_id"], row["state"], row["memory_asked_mb"], row["cpu_s"]) for row in rows[Job]] == [
        ("17_0", "done", 6000, 1.5),
        ("17_1", "done", 6000, 1.5),
        ("17_2", "submitted", 6000, None),
    ]
    assert [(row["kind"], row["who"], row["undoes"], row["undone"]) for row in rows[Decision]] == [
        ("discard", "op", "", True),
        ("undo", "op", "1", False),
    ]


def test_the_newest_generation_counts(site: LedgerSite) -> None:
    production = site.night()
    write_receipt(production, "dl1ab", f"{RUN}.0001", {}, generation=2)
    rows = read(site).rows
    assert [row["generation"] for row in rows[Product] if row["unit"] == f"{RUN}.0001"] == [2, 1]
    assert rows[Night][0]["products"] == 8


def test_a_night_that_lost_its_marker_is_complete(site: LedgerSite) -> None:
    (site.night().root / "NightFinished.txt").unlink()
    assert read(site).rows[Night][0]["state"] == "complete"


def test_a_night_that_has_grown_since_it_was_closed_is_open(site: LedgerSite) -> None:
    production = site.night()
    names = [f"{step}.{RUN}.{subrun:04d}" for step in ("r0_to_dl1", "dl1ab") for subrun in range(4)]
    production.write_config({name: hash_of(name) for name in [*names, f"merge_dl1.{RUN}"]})
    [night] = read(site).rows[Night]
    assert (night["state"], night["declared"], night["made"]) == ("open", 9, 7)
    assert night["closed"] is not None


def test_a_step_run_by_hand_with_other_settings_opens_nothing(site: LedgerSite) -> None:
    production = site.night()
    names = [f"{step}.{RUN}.{subrun:04d}" for step in ("r0_to_dl1", "dl1ab") for subrun in range(3)]
    production.write_config(dict.fromkeys([*names, f"merge_dl1.{RUN}"], "otherwise"))
    [night] = read(site).rows[Night]
    assert (night["state"], night["declared"], night["made"]) == ("closed", 7, 7)


def test_a_list_that_names_the_decisions_it_was_made_by(site: LedgerSite) -> None:
    production = site.night()
    names = [f"{step}.{RUN}.{subrun:04d}" for step in ("r0_to_dl1", "dl1ab") for subrun in range(2)]
    products = {name: hash_of(name) for name in [*names, f"merge_dl1.{RUN}"]}
    production.write_config({"products": products, "decisions": [{"number": 1, "kind": "discard"}]})
    [night] = read(site).rows[Night]
    assert (night["state"], night["declared"], night["made"]) == ("complete", 5, 5)


def test_a_production_without_anything_yet(site: LedgerSite) -> None:
    site.production().state.mkdir(parents=True)
    reading = read(site)
    assert reading.rows[Night][0]["state"] == "open"
    assert reading.rows[Night][0]["declared"] is None
    assert reading.unreadable == ()


def test_files_that_cannot_be_read_are_named_and_the_rest_is_read(site: LedgerSite) -> None:
    production = site.night()
    whole = read(site).rows
    broken = [
        production.attempts(RUN) / f"dl1ab.{RUN}.0001.zzz.json",
        production.state / "decisions" / "0003.json",
        production.receipts(RUN) / f"dl1ab.{RUN}.0009.1.json",
        production.state / "engine" / "arrays" / "osa.1.dl1" / "records" / "9.0.0.done.json",
    ]
    for path in broken:
        path.write_text('{"half": ')
    (site.main.site.paths.run_catalog / "RunCatalog_20241115.ecsv").write_text("nonsense")
    reading = read(site)
    assert len(reading.unreadable) == 5
    assert all(any(str(path) in line for line in reading.unreadable) for path in broken)
    assert reading.rows[Attempt] == whole[Attempt]
    assert reading.rows[Product] == whole[Product]


def test_an_archived_run_gives_the_same_rows(site: LedgerSite) -> None:
    production = site.night()
    loose = read(site)
    arrays = production.state / "engine" / "arrays"
    (arrays / "osa.1.dl1" / "closed.json").write_text("{}")
    closed = read(site)
    assert [row["state"] for row in closed.rows[Job]] == ["done", "done", "ended"]
    for run in (RUN, "night"):
        archive_run(production, run, arrays.iterdir() if run == RUN else ())
    assert list(arrays.iterdir()) == []
    assert not list(production.attempts(RUN).glob("*"))
    archived = read(site)
    assert archived.unreadable == loose.unreadable == ()
    assert archived.rows == closed.rows


def test_a_record_of_any_content_makes_rows_or_none(site: LedgerSite) -> None:
    production = site.night()
    strange = {"exit_code": 2**70, "wall_s": "long", "started": "yesterday", "reason": "a\0b\ud800", "host": "h" * 999}
    write_record_of(production, "dl1ab", "nothing at all", "failed", id_="x", **strange)
    path = production.attempts(RUN) / "list.json"
    path.write_text(json.dumps([1]))
    reading = read(site)
    [row] = [row for row in reading.rows[Attempt] if row["id"] == "x"]
    assert (row["exit_code"], row["wall_s"], row["started"], row["run"]) == (None, None, None, None)
    assert row["reason"] == "a?b?"
    assert len(row["host"]) == 255
    assert reading.unreadable == (f"{path}: holds no object",)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(json_values)
def test_any_value_becomes_one_that_a_database_takes(value: object) -> None:
    text = values.text(value, 16)
    assert len(text) <= 16
    assert "\0" not in text
    text.encode()
    assert values.number(value) is None or abs(values.number(value) or 0) <= values.LARGEST
    found = values.real(value)
    assert found is None or abs(found) < float("inf")
    moment = values.moment(value)
    assert moment is None or moment.tzinfo is UTC


@given(st.datetimes(timezones=st.timezones()))
def test_times_become_utc(moment: datetime) -> None:
    found = values.moment(moment.isoformat())
    assert found is None or found == moment.astimezone(UTC)
