"""The verdict, held against what LSTOSA took for finished, or could not close again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fake_nights import DAY, RUNS, FakeSite, new_process, run_night
from luigi.execution_summary import LuigiStatusCode

from osa_luigi.products.production import Production
from osa_luigi.steps.close import Verdict
from osa_luigi.tasks import session as sessions
from osa_luigi.tasks.overview import Overview, overview
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


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("dl1_LST-1.Run02003.0001.h5", "dl1ab"),
        ("muons_LST-1.Run02003.0000.fits", "r0_to_dl1"),
        ("interleaved_LST-1.Run02003.0000.h5", "r0_to_dl1"),
        ("datacheck_dl1_LST-1.Run02003.0001.h5", "datacheck"),
        ("datacheck_dl1_LST-1.Run02003.h5", "run_datacheck"),
        ("dl1_LST-1.Run02003.h5", "merge_dl1"),
        ("muons_LST-1.Run02003.fits", "merge_muons"),
        ("dl2_LST-1.Run02003.h5", "dl2"),
        ("calibration*.Run02002.0000.h5", "charge_calibration"),
        ("DL1_datacheck_20241115.h5", "longterm"),
    ],
)
@pytest.mark.parametrize("damage", ["lost", "truncated"])
def test_every_kind_of_product_counts(finished: FakeSite, name: str, step: str, damage: str) -> None:
    """LSTOSA looks at DL1 and at history files: a night without DL2 or datacheck is closed, a truncated merge goes unseen."""
    paths = [path for path in finished.production().root.rglob(name) if ".osa" not in path.parts]
    path = next(path for path in paths if step != "dl1ab" or path.parent.name.startswith("tailcut"))
    if damage == "lost":
        path.unlink()
    else:
        content = path.read_bytes()
        path.chmod(0o644)
        path.write_bytes(content[:-1])
    seen = look(finished)
    assert not seen.closed
    assert seen.verdict.night.verdict is Verdict.INCOMPLETE
    (one,) = seen.verdict.missing
    assert (one.step, one.why, one.next) == (step, "its files are gone, or of another size", NIGHT_AGAIN)
    assert of(seen.verdict, one.unit).verdict is Verdict.INCOMPLETE
    assert of(seen.verdict, "Run02004").verdict is Verdict.COMPLETE


def test_a_failed_history_is_not_finished(fake_site: FakeSite) -> None:
    """LSTOSA counts the lines of history files, failed ones too, and takes the partial DL1 of a failed job for done."""
    fake_site.set(fake={"fail": ["dl1ab:Run02003.0001"]})
    for _ in range(2):  # as often as it is tried
        assert run_night(fake_site).status is LuigiStatusCode.FAILED
    verdict = judged(fake_site)
    assert missing(verdict) == ["dl1ab.Run02003.0001"]
    one = verdict.missing[0]
    assert "told to fail" in one.why
    assert one.next == "osa step run dl1ab Run02003.0001 --date 2024-11-15 --production fake --procedure fake"
    assert [of(verdict, unit).verdict for unit in ("Run02003.0001", "Run02003", "Run02003.0000", "Run02004")] == [
        *[Verdict.INCOMPLETE] * 2,
        *[Verdict.COMPLETE] * 2,
    ]


def test_records_that_say_all_went_well_are_not_believed(finished: FakeSite) -> None:
    """Exit code 0 and a marker, but no DL2: by its history LSTOSA says that this is already fully processed."""
    find(finished.production(), "dl2_LST-1.Run02003.h5").unlink()
    assert (finished.production().root / "NightFinished.txt").exists()
    assert {one["outcome"] for one in finished.attempts()} == {"made"}
    assert judged(finished).night.verdict is Verdict.INCOMPLETE


def test_a_job_that_left_no_word_is_missing(fake_site: FakeSite) -> None:
    """OUT_OF_MEMORY, NODE_FAIL: the job was killed with all it had, so there is neither receipt nor record; LSTOSA shows no state."""
    fake_site.set(fake={"die": ["r0_to_dl1:Run02003.0001"]})
    assert run_night(fake_site).status is LuigiStatusCode.FAILED
    verdict = judged(fake_site)
    assert missing(verdict) == ["r0_to_dl1.Run02003.0001"]
    assert "SIGKILL" in verdict.missing[0].why
    for record in (fake_site.production().state / "attempts").glob("Run02003/r0_to_dl1.Run02003.0001.*.json"):
        record.unlink()
    verdict = judged(fake_site)
    assert missing(verdict) == ["r0_to_dl1.Run02003.0001"]
    assert (verdict.missing[0].why, verdict.missing[0].next) == ("not made yet", NIGHT_AGAIN)
    assert look(fake_site).rows[1].state == "PENDING"


def test_a_merge_of_fewer_subruns_than_there_are_is_not_complete(fake_site: FakeSite) -> None:
    """LSTOSA merges what there is, exits 0, and gives no warning."""
    assert run_night(fake_site).status is LuigiStatusCode.SUCCESS
    fake_site.night(*RUNS[:2], (2003, "DATA", 3), RUNS[3])
    verdict = judged(fake_site)
    assert of(verdict, "Run02003").verdict is Verdict.INCOMPLETE
    assert missing(verdict) == ["r0_to_dl1.Run02003.0002"]
    assert verdict.waiting >= 5  # merges, DL2, and the checks among them
    assert run_night(fake_site).status is LuigiStatusCode.SUCCESS
    assert judged(fake_site).night.verdict is Verdict.COMPLETE


def test_a_receipt_of_another_key_is_no_product_of_this_night(finished: FakeSite) -> None:
    finished.set(dl2={"models": "models/nsb_tuning_0.22/dec_2276"}, merge={"images": True})
    verdict = judged(finished)
    assert missing(verdict)[0] == "merge_dl1.Run02003"
    assert "images: False → True" in verdict.missing[0].why or "images: false → true" in verdict.missing[0].why
    assert verdict.missing[0].next.startswith("osa plan --run 2003 --date 2024-11-15")


@pytest.mark.parametrize("files", [("NightFinished.txt",), ("NightFinished.txt", "NightFinished.json")])
def test_deleting_the_marker_opens_the_night_and_it_closes_again(finished: FakeSite, files: tuple[str, ...]) -> None:
    """LSTOSA's night cannot be closed again after that."""
    for name in files:
        (finished.production().root / name).unlink()
    seen = look(finished)
    assert (seen.closed, seen.verdict.night.verdict) == ("", Verdict.COMPLETE)
    before = len(finished.attempts())
    assert run_night(finished).status is LuigiStatusCode.SUCCESS
    assert [one["step"] for one in finished.attempts()[before:]] == ["close"]
    assert look(finished).closed


def test_a_lost_dl1_of_a_closed_night_is_made_again_and_the_night_closed(finished: FakeSite) -> None:
    """LSTOSA: noticed before closing, but a rerun says already fully processed; truncated, the night never closes again."""
    find(finished.production(), "dl2_LST-1.Run02004.h5").unlink()
    for path in finished.production().root.glob("tailcut84/dl1_LST-1.Run02003.0000.h5"):
        path.unlink()
    assert run_night(finished).status is LuigiStatusCode.SUCCESS
    assert judged(finished).night.verdict is Verdict.COMPLETE


def test_it_is_data_for_a_program(fake_site: FakeSite) -> None:
    fake_site.set(fake={"fail": ["r0_to_dl1:Run02003.0001"]})
    run_night(fake_site)
    data = json.loads(json.dumps(judged(fake_site).as_json()))
    assert (data["unit"], data["verdict"]) == ("night", "INCOMPLETE")
    assert [one["unit"] for one in data["subruns"]] == ["Run02003.0001"]
    assert data["complete_subruns"] == 2
    assert {one["unit"]: one["verdict"] for one in data["runs"]}["Run02003"] == "INCOMPLETE"
    assert [one["step"] for one in data["missing_products"]] == ["r0_to_dl1"]
