"""Whole nights of fake steps through the real luigi: what is made, what is made again, and what is not."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from fake_nights import DAY, RUNS, FakeSite, new_process, run_night
from luigi.execution_summary import LuigiStatusCode
from quick_pool import quick_pool

from osa_luigi.batch.job import Event
from osa_luigi.batch.local import LocalExecutor
from osa_luigi.errors import ProductError
from osa_luigi.process import host
from osa_luigi.products.production import Production
from osa_luigi.products.receipt import ReceiptBook, current_receipt
from osa_luigi.tasks import opening as sessions
from osa_luigi.tasks.opening import open_session

pytestmark = pytest.mark.usefixtures("borrowed")

SUBRUN_STEPS = ("r0_to_dl1", "dl1ab", "datacheck")
RUN_STEPS = ("merge_dl1", "merge_muons", "dl2", "run_datacheck", "run_plots")
NIGHT_STEPS = ("close.night", "longterm.night")
DATA = {2003: 2, 2004: 1}
"""Subruns of the DATA runs of the smallest night."""


def parts(run: int, subruns: int) -> set[str]:
    """All steps of a run."""
    units = [f"Run{run:05d}.{subrun:04d}" for subrun in range(subruns)]
    return {f"{step}.{unit}" for step in SUBRUN_STEPS for unit in units} | of_run(run)


def of_run(run: int) -> set[str]:
    """The steps that take a run as a whole."""
    return {f"{step}.Run{run:05d}" for step in RUN_STEPS}


WHOLE = sorted(
    {"drs4_baseline.Run02001", "charge_calibration.Run02002", *NIGHT_STEPS}.union(
        *(parts(run, subruns) for run, subruns in DATA.items())
    )
)


def newest(production: Production, step: str, unit: str) -> int:
    """The generation of the receipt that counts."""
    receipt = current_receipt(production, step, unit)
    assert receipt is not None
    return receipt.generation


# ---- a night as it should be ------------------------------------------------------------------------------------


def test_a_night_is_made_whole_and_closed(finished: FakeSite) -> None:
    assert finished.made() == WHOLE
    assert not finished.reasons()
    root = finished.production().root
    assert "Night 20241115, production fake: finished" in (root / "NightFinished.txt").read_text()
    summary = json.loads((root / "NightFinished.json").read_text())
    assert (summary["night"], summary["production"], summary["linked"]) == ("20241115", "fake", 0)
    assert summary["steps"] == {
        "charge_calibration": 1,
        "datacheck": 3,
        "dl1ab": 3,
        "dl2": 2,
        "drs4_baseline": 1,
        "longterm": 1,
        "merge_dl1": 2,
        "merge_muons": 2,
        "r0_to_dl1": 3,
        "run_datacheck": 2,
        "run_plots": 2,
    }
    assert not any((root / ".osa" / "scratch").iterdir())


def test_a_finished_night_is_left_alone(finished: FakeSite) -> None:
    before = len(finished.attempts())
    result = run_night(finished)
    assert result.status is LuigiStatusCode.SUCCESS
    assert "Did not run any tasks" in result.summary_text
    assert len(finished.attempts()) == before


def test_a_night_of_calibration_runs_alone_is_closed(fake_site: FakeSite) -> None:
    fake_site.night(*RUNS[:2])
    assert run_night(fake_site).status is LuigiStatusCode.SUCCESS
    assert fake_site.made() == ["charge_calibration.Run02002", "close.night", "drs4_baseline.Run02001"]


def test_what_is_found_per_run_stands_between_two_legs(fake_site: FakeSite) -> None:
    fake_site.night(*RUNS[:2], (2004, "DATA", 2))
    fake_site.set(cat_b={"enabled": True}, tailcuts={"source": "per_run"})
    assert run_night(fake_site).status is LuigiStatusCode.SUCCESS
    order = [one["step"] for one in fake_site.attempts()]
    assert max(i for i, step in enumerate(order) if step == "r0_to_dl1") < order.index("cat_b")
    assert order.index("cat_b") < order.index("tailcuts") < order.index("dl1ab")
    assert fake_site.is_closed()


def test_cat_b_of_data_that_the_event_builder_has_calibrated_waits_for_the_calibration(fake_site: FakeSite) -> None:
    fake_site.night(*RUNS[:2], (2003, "DATA", 1, 65))
    fake_site.set(cat_b={"enabled": True}, fake={"fail": ["charge_calibration:*"]})
    run_night(fake_site)
    assert fake_site.reasons().keys() == {"charge_calibration.Run02002"}


def test_the_procedure_is_chosen_by_name(fake_site: FakeSite) -> None:
    fake_site.night(*RUNS[:2])
    fake_site.procedures["other"] = {**fake_site.procedures["fake"], "name": "other", "production_id": "v9"}
    fake_site.write()
    assert run_night(fake_site, procedure="other").status is LuigiStatusCode.SUCCESS
    assert fake_site.is_closed("v9")
    assert not fake_site.is_closed("fake")


def test_a_calibration_of_an_earlier_night_is_made_there(fake_site: FakeSite) -> None:
    earlier = date(2024, 11, 14)
    fake_site.night((1901, "DRS4", 1), (1902, "PEDCALIB", 1), (1903, "DATA", 1), day=earlier)
    fake_site.night((2004, "DATA", 1))
    assert run_night(fake_site).status is LuigiStatusCode.SUCCESS
    assert (fake_site.production(day=earlier).root / "calibration").is_dir()
    assert not (fake_site.production().root / "calibration").exists()
    assert not (fake_site.production(day=earlier).root / "dl1_LST-1.Run01903.0000.h5").exists()


# ---- what goes wrong --------------------------------------------------------------------------------------------


def test_what_a_run_lacks_stops_that_run_and_never_the_night(
    fake_site: FakeSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_site.night(*RUNS[:2], (2003, "DATA", 2), (2004, "DATA", 1), (2005, "DATA", 1), (2006, "DATA", 1))
    fake_site.set(
        fake={
            "fail": ["r0_to_dl1:Run02003.0001"],
            "die": ["dl1ab:Run02004.0000"],
            "corrupt": ["r0_to_dl1:Run02005.0000"],
        }
    )
    assert run_night(fake_site).status is LuigiStatusCode.FAILED
    made = set(fake_site.made())
    assert parts(2006, 1) <= made
    assert not made & (of_run(2003) | of_run(2004) | of_run(2005) | set(NIGHT_STEPS))
    assert "dl1ab.Run02003.0000" in made
    assert not fake_site.is_closed()
    reasons = fake_site.reasons()
    assert reasons.keys() == {"r0_to_dl1.Run02003.0001", "dl1ab.Run02004.0000", "r0_to_dl1.Run02005.0000"}
    assert "told to fail" in reasons["r0_to_dl1.Run02003.0001"]
    assert "killed by SIGKILL" in reasons["dl1ab.Run02004.0000"]
    assert "not the whole fake product" in reasons["r0_to_dl1.Run02005.0000"]
    assert not list(fake_site.production().root.glob("*Run02005*"))

    # As the same command typed again: with a pool of its own, which has not seen them fail.
    monkeypatch.setattr("osa_luigi.tasks.part.executor", lambda _: quick_pool(tmp_path / "cache", 1_000_000))
    fake_site.set(fake={"fail": [], "die": [], "corrupt": []})
    assert run_night(fake_site).status is LuigiStatusCode.SUCCESS
    again = fake_site.made()
    assert len(again) == len(set(again))  # nothing was made twice
    assert fake_site.is_closed()


def test_the_reason_of_a_failure_is_said_once_and_whole(fake_site: FakeSite, caplog: pytest.LogCaptureFixture) -> None:
    fake_site.night(*RUNS[:2], (2004, "DATA", 1))
    fake_site.set(fake={"fail": ["dl1ab:*"]})
    run_night(fake_site)
    said = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert len(said) == 1
    assert "run_id=2004, subrun=0, leg=dl1) failed:" in said[0]
    assert "told to fail" in said[0]


def test_a_datacheck_holds_back_no_merge_but_the_closing(fake_site: FakeSite) -> None:
    fake_site.set(fake={"fail": ["datacheck:Run02003.0001"]})
    assert run_night(fake_site).status is LuigiStatusCode.FAILED
    made = set(fake_site.made())
    assert {"merge_dl1.Run02003", "merge_muons.Run02003", "dl2.Run02003"} <= made
    assert not made & {"run_datacheck.Run02003", "run_plots.Run02003", *NIGHT_STEPS}
    assert parts(2004, 1) <= made
    assert not fake_site.is_closed()


def test_a_pool_that_is_killed_is_said_and_its_work_goes_on_in_the_next_run(
    fake_site: FakeSite, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Killed(LocalExecutor):
        def poll(self, timeout_s: float) -> list[Event]:
            events = super().poll(timeout_s)
            if any(event.kind == "made" and event.call.startswith("r0_to_dl1") for event in events):
                self._process.kill()
            return events

    with monkeypatch.context() as patch:
        patch.setattr("osa_luigi.tasks.part.executor", lambda c: Killed(c.main.site.paths.numba_cache, 2, 1_000_000))
        assert run_night(fake_site).status is LuigiStatusCode.FAILED
    assert "has died (exit code -9)" in caplog.text
    assert "run the night again" in caplog.text
    assert "Traceback" not in caplog.text
    assert not fake_site.is_closed()
    assert run_night(fake_site).status is LuigiStatusCode.SUCCESS
    # By the receipts: who is killed between the commit and the exit record leaves no record, and nothing is lost.
    assert set(ReceiptBook(fake_site.production()).names()) == set(WHOLE)
    assert not any(fake_site.production().scratch.iterdir())


def test_a_closed_night_that_never_stays_complete_is_not_spawned_for_ever(finished: FakeSite) -> None:
    new_process(finished.config)
    session = open_session(finished.config, DAY)
    (finished.production().root / "dl1_LST-1.Run02004.0000.h5").unlink()
    for _ in range(3):
        session.require_progress()
    with pytest.raises(ProductError, match=r"products of 1 are not there: r0_to_dl1\.Run02004\.0000"):
        session.require_progress()


def test_a_night_that_is_not_closed_yet_may_be_spawned_as_often_as_the_scheduler_loses_it(fake_site: FakeSite) -> None:
    new_process(fake_site.config)
    session = open_session(fake_site.config, DAY)
    for _ in range(20):
        session.require_progress()
    assert not session.spawned


def test_what_a_killed_engine_left_of_a_run_summary_is_swept(fake_site: FakeSite) -> None:
    fake_site.night(*RUNS[:2])
    summaries = Production(fake_site.data / "monitoring" / "RunSummary")
    left = summaries.scratch / f"run_summary.20241115.20241115T200000-{host()}-{2**22 + 1}-abcdef"
    left.mkdir(parents=True)
    assert run_night(fake_site).status is LuigiStatusCode.SUCCESS
    assert not left.exists()


# ---- a night that changes ---------------------------------------------------------------------------------------


def test_a_night_that_grows_is_made_where_it_grew(finished: FakeSite) -> None:
    finished.night(*RUNS[:2], (2003, "DATA", 3), (2004, "DATA", 1), (2005, "DATA", 1))
    assert run_night(finished).status is LuigiStatusCode.SUCCESS
    third = {f"{step}.Run02003.0002" for step in SUBRUN_STEPS}
    assert sorted(finished.made()) == sorted([*WHOLE, *third, *of_run(2003), *parts(2005, 1), *NIGHT_STEPS])
    production = finished.production()
    assert newest(production, "merge_dl1", "Run02003") == 2
    assert newest(production, "merge_dl1", "Run02004") == 1
    assert newest(production, "close", "night") == 2
    summary = json.loads((production.root / "NightFinished.json").read_text())
    assert summary["steps"]["r0_to_dl1"] == 5


def test_a_night_that_was_closed_is_open_while_it_grows(finished: FakeSite) -> None:
    finished.night(*RUNS[:2], (2003, "DATA", 3), (2004, "DATA", 1))
    finished.set(fake={"fail": ["r0_to_dl1:Run02003.0002"]})
    assert run_night(finished).status is LuigiStatusCode.FAILED
    assert newest(finished.production(), "close", "night") == 1


LOST = {
    "dl1_LST-1.Run02003.0001.h5": ["r0_to_dl1.Run02003.0001"],
    "muons_LST-1.Run02003.0001.fits": ["r0_to_dl1.Run02003.0001"],
    "tailcut84/dl1_LST-1.Run02003.0001.h5": ["dl1ab.Run02003.0001"],
    "tailcut84/datacheck_dl1_LST-1.Run02003.0001.h5": ["datacheck.Run02003.0001"],
    "tailcut84/datacheck_dl1_LST-1.Run02003.pdf": ["run_plots.Run02003"],
    "tailcut84/dl1_LST-1.Run02003.h5": ["merge_dl1.Run02003"],
    "tailcut84/nsb_tuning_0.14/dl2_LST-1.Run02003.h5": ["dl2.Run02003"],
    "calibration/calibration_filters_52.Run02002.0000.h5": ["charge_calibration.Run02002"],
    "NightFinished.txt": ["close.night"],
}


@pytest.mark.parametrize("lost", LOST)
def test_a_product_that_was_lost_is_made_again_and_nothing_else(finished: FakeSite, lost: str) -> None:
    (finished.production().root / lost).unlink()
    assert run_night(finished).status is LuigiStatusCode.SUCCESS
    assert sorted(finished.made()) == sorted([*WHOLE, *LOST[lost]])
    assert (finished.production().root / lost).exists()
    assert "Did not run any tasks" in run_night(finished).summary_text


def test_a_product_that_was_cut_short_is_made_again(finished: FakeSite) -> None:
    product = finished.production().root / "tailcut84" / "dl1_LST-1.Run02004.h5"
    product.chmod(0o644)
    product.write_bytes(product.read_bytes()[:10])
    assert run_night(finished).status is LuigiStatusCode.SUCCESS
    assert sorted(finished.made()) == sorted([*WHOLE, "merge_dl1.Run02004"])


CLEANING: dict[str, Any] = {"dl1ab": {"tailcuts": {"picture_thresh": 9}}}


def test_other_science_is_refused_under_the_same_production_id(
    finished: FakeSite, caplog: pytest.LogCaptureFixture
) -> None:
    before = len(finished.attempts())
    finished.set(**CLEANING)
    assert run_night(finished).status is LuigiStatusCode.FAILED
    assert "made with other scientific settings" in caplog.text
    assert "picture_thresh: 8 → 9" in caplog.text
    assert "--production" in caplog.text
    assert "Traceback" not in caplog.text
    assert len(finished.attempts()) == before


def test_under_a_new_production_id_only_what_changed_is_made(finished: FakeSite) -> None:
    finished.set(**CLEANING)
    assert run_night(finished, production="new").status is LuigiStatusCode.SUCCESS
    changed = {"dl1ab", "datacheck", "run_datacheck", "run_plots", "merge_dl1", "dl2", "longterm", "close"}
    assert finished.made("new") == [name for name in WHOLE if name.partition(".")[0] in changed]
    old, new = finished.production().root, finished.production("new").root
    assert (new / "dl1_LST-1.Run02003.0000.h5").samefile(old / "dl1_LST-1.Run02003.0000.h5")
    assert (new / "tailcut94" / "dl1_LST-1.Run02003.0000.h5").exists()
    marker = (new / "NightFinished.txt").read_text()
    assert "production new" in marker
    summary = json.loads((new / "NightFinished.json").read_text())
    assert summary["linked"] == 7  # two calibrations, three subruns, two merged muons


def test_a_production_that_is_linked_whole_is_closed_in_its_own_name(finished: FakeSite) -> None:
    (finished.production().root / "tailcut84" / "dl1_LST-1.Run02004.h5").unlink()
    assert run_night(finished, production="new").status is LuigiStatusCode.SUCCESS
    assert finished.made("new") == ["close.night", "merge_dl1.Run02004"]
    assert "production new" in (finished.production("new").root / "NightFinished.txt").read_text()


@pytest.mark.parametrize("change", [{"log_level": "WARNING"}, {"executor": {"local": {"cores": 1}}}])
def test_how_it_runs_may_change_at_any_time(finished: FakeSite, change: dict[str, Any]) -> None:
    finished.set_main(**change)
    assert "Did not run any tasks" in run_night(finished).summary_text


def test_what_a_night_was_begun_with_calibrates_it_to_its_end(finished: FakeSite) -> None:
    finished.night(*RUNS, (2005, "DRS4", 1), (2006, "PEDCALIB", 1))
    new_process(finished.config)
    source = open_session(finished.config, DAY).plan.source
    assert source is not None
    assert (source.drs4_run, source.pedcal_run) == (2001, 2002)
    assert "Did not run any tasks" in run_night(finished).summary_text


def test_a_closed_night_takes_no_more_memory(fake_site: FakeSite) -> None:
    assert run_night(fake_site).status is LuigiStatusCode.SUCCESS
    assert not sessions.opened
