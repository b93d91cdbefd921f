"""The verdict, held against what LSTOSA took for finished, or could not close again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from fake_nights import DAY, RUNS, FakeSite, new_process, run_night
from luigi.execution_summary import LuigiStatusCode

from osa_luigi.cli.app import app
from osa_luigi.products.production import Production
from osa_luigi.steps.close import Verdict
from osa_luigi.tasks import opening as sessions
from osa_luigi.tasks.looking import overview
from osa_luigi.tasks.overview import Overview
from osa_luigi.tasks.verdict import NightVerdict, UnitVerdict

pytestmark = pytest.mark.usefixtures("borrowed")

NIGHT_AGAIN = "luigi --module osa_luigi NightTask --date 2024-11-15 --production fake --procedure fake"


def look(site: FakeSite) -> Overview:
    new_process(site.config)
    return overview(sessions.open_session(site.config, DAY, "fake"))


def judged(site: FakeSite) -> NightVerdict:
    return look(site).verdict


def of(verdict: NightVerdict, unit: str) -> UnitVerdict:
    return next(one for one in (*verdict.runs, *verdict.subruns, verdict.night) if one.unit == unit)


def missing(verdict: NightVerdict) -> list[str]:
    return [f"{one.step}.{one.unit}" for one in verdict.missing]


def find(production: Production, name: str) -> Path:
    (path,) = (path for path in production.root.rglob(name) if ".osa" not in path.parts)
    return path


def test_a_whole_night_is_complete_with_all_that_was_declared(finished: FakeSite) -> None:
    verdict = judged(finished)
    assert (verdict.night.verdict, verdict.night.missing, verdict.missing) == (Verdict.COMPLETE, 0, ())
    assert {one.verdict for one in (*verdict.runs, *verdict.subruns)} == {Verdict.COMPLETE}
    assert [one.unit for one in verdict.runs] == ["Run02001", "Run02002", "Run02003", "Run02004"]
    assert [one.unit for one in verdict.subruns] == ["Run02003.0000", "Run02003.0001", "Run02004.0000"]


def test_a_night_that_has_not_begun_says_what_comes_first(fake_site: FakeSite) -> None:
    verdict = judged(fake_site)
    assert verdict.night.verdict is Verdict.INCOMPLETE
    assert missing(verdict) == ["drs4_baseline.Run02001"]
    assert verdict.missing[0].next == NIGHT_AGAIN
    assert verdict.waiting == verdict.night.missing - 1


PRODUCTS = {
    "tailcut84/dl1_LST-1.Run02003.0001.h5": "dl1ab",
    "dl1_LST-1.Run02003.0001.h5": "r0_to_dl1",
    "muons_LST-1.Run02003.0000.fits": "r0_to_dl1",
    "interleaved/interleaved_LST-1.Run02003.0000.h5": "r0_to_dl1",
    "tailcut84/datacheck_dl1_LST-1.Run02003.0001.h5": "datacheck",
    "tailcut84/datacheck_dl1_LST-1.Run02003.h5": "run_datacheck",
    "tailcut84/datacheck_dl1_LST-1.Run02003.pdf": "run_plots",
    "tailcut84/dl1_LST-1.Run02003.h5": "merge_dl1",
    "muons_LST-1.Run02003.fits": "merge_muons",
    "tailcut84/nsb_tuning_0.14/dl2_LST-1.Run02003.h5": "dl2",
    "calibration/calibration_filters_52.Run02002.0000.h5": "charge_calibration",
    "longterm/DL1_datacheck_20241115.html": "longterm",
}
"""One of each kind, and the step that makes it."""


@pytest.mark.parametrize("left", [None, -1], ids=["lost", "truncated"])
def test_every_kind_of_product_counts(finished: FakeSite, left: int | None) -> None:
    """LSTOSA looks at DL1 and at history files: a night without DL2 or datacheck is closed, a truncated merge goes unseen."""
    for name, step in PRODUCTS.items():
        path = finished.production().root / name
        content = path.read_bytes()
        path.unlink()
        if left is not None:
            path.write_bytes(content[:left])
        seen = look(finished)
        assert not seen.closed
        assert seen.verdict.night.verdict is Verdict.INCOMPLETE
        (one,) = seen.verdict.missing
        assert (one.step, one.why, one.next) == (step, "its files are gone, or of another size", NIGHT_AGAIN)
        assert one.unit == "night" or of(seen.verdict, one.unit).verdict is Verdict.INCOMPLETE
        assert of(seen.verdict, "Run02004").verdict is Verdict.COMPLETE
        path.write_bytes(content)
    assert look(finished).closed


def test_failed_histories_are_not_finished(fake_site: FakeSite) -> None:
    """LSTOSA counts the lines of history files, failed ones too, and takes the partial DL1 of a failed job for done.

    OUT_OF_MEMORY, NODE_FAIL: the job was killed with all it had. There LSTOSA shows no state.
    """
    fake_site.set(fake={"fail": ["dl1ab:Run02003.0001"], "die": ["r0_to_dl1:Run02004.0000"]})
    assert run_night(fake_site).status is LuigiStatusCode.FAILED
    verdict = judged(fake_site)
    assert missing(verdict) == ["dl1ab.Run02003.0001", "r0_to_dl1.Run02004.0000"]
    failed, killed = verdict.missing
    assert "told to fail" in failed.why
    assert failed.next == "osa step run dl1ab Run02003.0001 --date 2024-11-15 --production fake --procedure fake"
    assert "SIGKILL" in killed.why
    units = {"Run02003.0000": Verdict.COMPLETE} | dict.fromkeys(
        ("Run02003.0001", "Run02003", "Run02004"), Verdict.INCOMPLETE
    )
    assert {unit: of(verdict, unit).verdict for unit in units} == units
    data = json.loads(json.dumps(verdict.as_json()))
    assert (data["unit"], data["verdict"], data["complete_subruns"]) == ("night", "INCOMPLETE", 1)
    assert [one["unit"] for one in data["subruns"]] == ["Run02003.0001", "Run02004.0000"]
    assert {one["unit"]: one["verdict"] for one in data["runs"]}["Run02003"] == "INCOMPLETE"
    assert [one["step"] for one in data["missing_products"]] == ["dl1ab", "r0_to_dl1"]
    # It may not even have left a record.
    for record in (fake_site.production().state / "attempts").glob("Run02004/*.json"):
        record.unlink()
    _, killed = judged(fake_site).missing
    assert (killed.why, killed.next) == ("not made yet", NIGHT_AGAIN)
    assert look(fake_site).rows[2].state == "PENDING"


def test_records_that_say_all_went_well_are_not_believed(finished: FakeSite) -> None:
    """Exit code 0 and a marker, but no DL2: by its history LSTOSA says that this is already fully processed."""
    find(finished.production(), "dl2_LST-1.Run02003.h5").unlink()
    assert (finished.production().root / "NightFinished.txt").exists()
    assert {one["outcome"] for one in finished.attempts()} == {"made"}
    assert judged(finished).night.verdict is Verdict.INCOMPLETE


def test_a_merge_of_fewer_subruns_than_there_are_is_not_complete(finished: FakeSite) -> None:
    """LSTOSA merges what there is, exits 0, and gives no warning."""
    finished.night(*RUNS[:2], (2003, "DATA", 3), RUNS[3])
    verdict = judged(finished)
    assert of(verdict, "Run02003").verdict is Verdict.INCOMPLETE
    assert missing(verdict) == ["r0_to_dl1.Run02003.0002"]
    assert verdict.waiting >= 5  # merges, DL2, and the checks among them
    assert run_night(finished).status is LuigiStatusCode.SUCCESS
    assert judged(finished).night.verdict is Verdict.COMPLETE


def test_a_receipt_of_another_key_is_no_product_of_this_night(finished: FakeSite) -> None:
    finished.set(dl2={"models": "models/nsb_tuning_0.22/dec_2276"}, merge={"images": True})
    verdict = judged(finished)
    assert missing(verdict)[0] == "merge_dl1.Run02003"
    assert "images: False → True" in verdict.missing[0].why or "images: false → true" in verdict.missing[0].why
    assert verdict.missing[0].next.startswith("osa plan --run 2003 --date 2024-11-15")


def test_deleting_the_marker_opens_the_night_and_it_closes_again(finished: FakeSite) -> None:
    """LSTOSA's night cannot be closed again after that."""
    (finished.production().root / "NightFinished.txt").unlink()
    seen = look(finished)
    assert (seen.closed, seen.verdict.night.verdict) == ("", Verdict.COMPLETE)
    before = len(finished.attempts())
    assert run_night(finished).status is LuigiStatusCode.SUCCESS
    assert [one["step"] for one in finished.attempts()[before:]] == ["close"]
    assert look(finished).closed


def test_late_files_and_runs_of_type_error_are_named_with_what_to_do(fake_site: FakeSite) -> None:
    """LSTOSA leaves runs of type ERROR out without a word, and never looks for files that came later."""
    fake_site.night(*RUNS, (2005, "ERROR", 1), (2006, "DATA", 1))
    fake_site.night(*RUNS[:2], (2003, "DATA", 3), RUNS[3])  # of the summary below, the third subrun came late
    fake_site.summary(*RUNS, (2005, "ERROR", 1))
    seen = look(fake_site)
    unlisted, erroneous, late = seen.verdict.beside
    assert unlisted == "raw files of runs that the run summary lacks: 2006 (make it again, then run again)"
    assert erroneous.startswith(
        "runs of type ERROR in the run summary are not processed: 2005 (lstchain could not read"
    )
    assert late.startswith(
        "raw files that came after the run summary was made: Run02003.0002 (their subruns are processed"
    )
    assert seen.verdict.as_json()["beside"] == [unlisted, erroneous, late]
    asked = ["--date", DAY.isoformat(), "--config", str(fake_site.config)]
    for command in (["status"], ["close", "--dry-run"]):
        said = CliRunner().invoke(app, [*command, *asked]).output
        assert f"Mind: {unlisted}." in said
        assert f"Mind: {late}." in said
