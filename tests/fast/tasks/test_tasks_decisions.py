"""Discarded subruns, vetoed runs and rules, through whole nights of fake steps."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from fake_nights import DAY, RUNS, FakeSite, new_process, run_night
from luigi.execution_summary import LuigiStatusCode

from osa_luigi.errors import NightError, ProductError
from osa_luigi.products.decisions import DecisionKind, decide, decisions, standing
from osa_luigi.products.receipt import Receipt, ReceiptBook
from osa_luigi.steps.standing import Standing
from osa_luigi.steps.standing import standing as stands
from osa_luigi.tasks import opening as sessions
from osa_luigi.tasks.looking import overview
from osa_luigi.tasks.outlook import Kind, outlooks
from osa_luigi.tasks.overview import Overview, State
from osa_luigi.tasks.parts import chosen
from osa_luigi.tasks.policies import FAILED, FEW_EVENTS, NO_INTERLEAVED, decide_by_rules, is_over
from osa_luigi.tasks.run import MergeTask, ReconstructionTask

pytestmark = pytest.mark.usefixtures("borrowed")

OF_RUN = ("cat_b", "tailcuts", "merge_dl1", "merge_muons", "run_datacheck", "run_plots")


def discard(site: FakeSite, unit: str, kind: DecisionKind = DecisionKind.DISCARD) -> None:
    decide(site.production(), kind, unit, "a test")


def take_back(site: FakeSite, number: int) -> None:
    decide(site.production(), DecisionKind.UNDO, "Run02003", "a test", undoes=[number])


def receipt(site: FakeSite, name: str) -> Receipt:
    found = ReceiptBook(site.production()).receipt(name)
    assert found is not None
    return found


def subruns(site: FakeSite, name: str) -> set[str]:
    """Of which subruns the products are that a step took."""
    paths = [item["path"] for item in receipt(site, name).inputs if item["key"]]
    return {path.split("Run02003.")[1][:4] for path in paths if "Run02003." in path}


def opened(site: FakeSite) -> sessions.Session:
    new_process(site.config)
    return sessions.open_session(site.config, DAY, "fake")


def look(site: FakeSite) -> Overview:
    return overview(opened(site))


def summary(site: FakeSite) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((site.production().root / "NightFinished.json").read_text())
    return data


def again(site: FakeSite) -> list[str]:
    """Run the night again; the attempts that it took."""
    before = len(site.attempts())
    assert run_night(site).status is LuigiStatusCode.SUCCESS
    return sorted(f"{one['step']}.{one['unit']}" for one in site.attempts()[before:])


# ---- a subrun ---------------------------------------------------------------------------------------------------


def test_a_discarded_subrun_leaves_the_merges_and_an_undo_brings_it_back(finished: FakeSite) -> None:
    discard(finished, "Run02003.0001")
    seen = look(finished)
    assert seen.closed == ""
    assert seen.closed_otherwise
    assert seen.failures == ()
    redone = [f"{step}.Run02003" for step in ("dl2", "merge_dl1", "merge_muons", "run_datacheck", "run_plots")]
    assert again(finished) == ["close.night", *redone[:1], "longterm.night", *redone[1:]]
    for name in redone[1:]:
        assert subruns(finished, name) == {"0000"}
        assert [one["number"] for one in receipt(finished, name).counts["decisions"]] == [1]
    assert "decisions" not in receipt(finished, "merge_dl1.Run02004").counts
    assert receipt(finished, "dl1ab.Run02003.0001")  # what was made of it stays
    said = summary(finished)
    assert said["verdict"] == "COMPLETE_WITH_DECISIONS"
    assert said["runs"]["Run02003"] == "COMPLETE_WITH_DECISIONS"
    assert said["runs"]["Run02004"] == "COMPLETE"
    assert [(one["number"], one["unit"], one["reason"]) for one in said["decisions"]] == [
        (1, "Run02003.0001", "a test")
    ]
    assert "decision 1: discard Run02003.0001" in (finished.production().root / "NightFinished.txt").read_text()
    assert look(finished).closed
    take_back(finished, 1)
    assert not look(finished).closed
    assert len(again(finished)) == 7
    assert subruns(finished, "merge_dl1.Run02003") == {"0000", "0001"}
    assert "decisions" not in receipt(finished, "merge_dl1.Run02003").counts
    assert (summary(finished)["verdict"], summary(finished)["decisions"]) == ("COMPLETE", [])


def test_without_the_decision_a_subrun_that_is_gone_is_a_conflict_as_before(finished: FakeSite) -> None:
    discard(finished, "Run02003.0001")
    plan = opened(finished).plan
    _, call = plan.calls["merge_dl1.Run02003"]
    made = receipt(finished, "merge_dl1.Run02003")
    assert stands(call, made) is Standing.GROWN
    bare = type(call).from_json({**call.as_json(), "decisions": []})
    assert stands(bare, made) is Standing.CONFLICT
    assert type(call).from_json(call.as_json()).decisions == call.decisions


def test_it_is_decided_before_the_night_has_begun(fake_site: FakeSite) -> None:
    fake_site.set(fake={"fail": ["r0_to_dl1:Run02003.0001"]})
    discard(fake_site, "Run02003.0001")
    assert run_night(fake_site).status is LuigiStatusCode.SUCCESS
    assert not any("Run02003.0001" in name for name in fake_site.made())
    assert summary(fake_site)["verdict"] == "COMPLETE_WITH_DECISIONS"


def test_with_two_legs_the_runs_calibration_does_without_it_too(fake_site: FakeSite) -> None:
    fake_site.set(cat_b={"enabled": True}, tailcuts={"source": "per_run"})
    assert run_night(fake_site).status is LuigiStatusCode.SUCCESS
    discard(fake_site, "Run02003.0001")
    made = again(fake_site)
    assert "cat_b.Run02003" in made
    assert "dl1ab.Run02003.0000" in made  # calibrated anew
    assert not any("Run02003.0001" in name or "Run02004" in name for name in made)
    assert all(subruns(fake_site, f"{step}.Run02003") == {"0000"} for step in OF_RUN)


def test_another_decision_alone_opens_a_closed_night_and_closing_it_again_is_all_there_is_to_do(
    finished: FakeSite,
) -> None:
    discard(finished, "Run02003.0001")
    again(finished)
    discard(finished, "Run02003.0001")
    take_back(finished, 1)
    seen = look(finished)
    assert seen.closed_otherwise
    assert seen.verdict.is_complete
    assert "close.night" in again(finished)
    assert [one["number"] for one in summary(finished)["decisions"]] == [2]


# ---- a run ------------------------------------------------------------------------------------------------------


def test_a_run_that_is_left_out_is_not_processed_and_keeps_its_row(fake_site: FakeSite) -> None:
    discard(fake_site, "Run02003", DecisionKind.VETO)
    assert run_night(fake_site).status is LuigiStatusCode.SUCCESS
    assert not any("Run02003" in name for name in fake_site.made())
    seen = look(fake_site)
    row = next(row for row in seen.rows if row.run == 2003)
    assert (row.state, row.action, row.subruns, row.dl1) == (State.VETOED, "None", 2, None)
    verdicts = {one.unit: one for one in (*seen.verdict.runs, *seen.verdict.subruns)}
    assert verdicts["Run02003"].verdict == verdicts["Run02003.0000"].verdict == "COMPLETE_WITH_DECISIONS"
    assert verdicts["Run02003"].declared == 0
    assert verdicts["Run02004"].verdict == "COMPLETE"
    with pytest.raises(NightError, match="Run02003 is left out, by decision 1: veto Run02003"):
        chosen(opened(fake_site).plan, "2003")
    decide(fake_site.production(), DecisionKind.RELEASE, "Run02003", "was good", undoes=[1])
    assert "merge_dl1.Run02003" in again(fake_site)


def test_the_products_of_a_run_that_is_discarded_later_stay_and_do_not_count(finished: FakeSite) -> None:
    discard(finished, "Run02003")
    assert next(row for row in look(finished).rows if row.run == 2003).state is State.DISCARDED
    assert again(finished) == ["close.night", "longterm.night"]
    assert (finished.production().root / "tailcut84" / "nsb_tuning_0.14" / "dl2_LST-1.Run02003.h5").exists()
    assert "dl2" not in {step for step, count in summary(finished)["steps"].items() if count != 1}


def test_a_night_without_any_run_left_is_closed(finished: FakeSite) -> None:
    discard(finished, "Run02003")
    discard(finished, "Run02004", DecisionKind.VETO)
    assert again(finished) == ["close.night"]
    assert summary(finished)["verdict"] == "COMPLETE_WITH_DECISIONS"


def test_tasks_that_luigid_remembers_of_what_was_left_out_have_nothing_to_do(finished: FakeSite) -> None:
    discard(finished, "Run02003")
    discard(finished, "Run02004.0000")
    new_process(finished.config)
    common = {"date": DAY, "production": "fake"}
    for task in (
        MergeTask(**common, run_id=2003),
        ReconstructionTask(**common, run_id=2003, subrun=(0, 1), leg="dl1"),
        ReconstructionTask(**common, run_id=2004, subrun=0, leg="dl1"),
    ):
        assert task.complete()
        assert task.jobs() == []
        assert task.requires() == []
        assert task.priority == 0
        assert task.is_excused()


def test_a_decision_that_cannot_be_read_stops_the_night_and_says_so(finished: FakeSite) -> None:
    discard(finished, "Run02003")
    (finished.production().state / "decisions" / "0001.json").write_text("{")
    with pytest.raises(ProductError, match="not a decision that this version can read"):
        opened(finished)
    assert run_night(finished).status is not LuigiStatusCode.SUCCESS


# ---- rules ------------------------------------------------------------------------------------------------------


RULES = {"last_subrun_without_interleaved": True, "last_subrun_failures": ["told to fail"]}


def test_a_last_subrun_without_interleaved_events_is_discarded_before_its_run_is_merged(fake_site: FakeSite) -> None:
    fake_site.set(decisions={"discard": RULES}, fake={"empty": ["r0_to_dl1:Run02003.0001"]})
    assert run_night(fake_site).status is LuigiStatusCode.SUCCESS
    (one,) = decisions(fake_site.production())
    assert (one.kind, one.unit, one.by) == (DecisionKind.DISCARD, "Run02003.0001", NO_INTERLEAVED)
    assert one.evidence["interleaved"] == 0
    assert one.evidence["step_key"] == receipt(fake_site, "r0_to_dl1.Run02003.0001").key
    assert fake_site.made().count("merge_dl1.Run02003") == 1
    assert subruns(fake_site, "merge_dl1.Run02003") == {"0000"}
    assert summary(fake_site)["decisions"][0]["by"] == NO_INTERLEAVED
    assert look(fake_site).closed
    # What a person takes back, the rule does not decide again.
    take_back(fake_site, 1)
    assert "merge_dl1.Run02003" in again(fake_site)
    assert len(decisions(fake_site.production())) == 2
    assert subruns(fake_site, "merge_dl1.Run02003") == {"0000", "0001"}
    assert look(fake_site).closed


def test_a_rule_takes_its_own_decision_back_when_more_subruns_come(fake_site: FakeSite) -> None:
    fake_site.night(*RUNS[:2], (2003, "DATA", 3), RUNS[3])
    fake_site.set(decisions={"discard": RULES})
    decide(fake_site.production(), DecisionKind.DISCARD, "Run02003.0001", "no events", by=FEW_EVENTS)
    decide(fake_site.production(), DecisionKind.DISCARD, "Run02003.0000", "a person's")
    plan = opened(fake_site).plan
    (made,) = decide_by_rules(plan, opened(fake_site).configuration.procedure.discard)
    assert (made.kind, made.unit, made.undoes, made.by) == (DecisionKind.UNDO, "Run02003.0001", (1,), FEW_EVENTS)
    assert list(standing(decisions(fake_site.production()))) == ["Run02003.0000"]
    assert decide_by_rules(opened(fake_site).plan, opened(fake_site).configuration.procedure.discard) == []


def test_a_last_subrun_whose_step_fails_is_discarded_and_the_same_command_goes_on(fake_site: FakeSite) -> None:
    fake_site.set(decisions={"discard": RULES}, fake={"fail": ["r0_to_dl1:Run02003.0001"]})
    assert run_night(fake_site).status is LuigiStatusCode.SUCCESS
    (one,) = decisions(fake_site.production())
    assert (one.by, one.unit) == (FAILED, "Run02003.0001")
    assert one.evidence["named"] == "told to fail"
    assert look(fake_site).verdict.night.verdict == "COMPLETE_WITH_DECISIONS"
    assert look(fake_site).closed


def test_with_two_legs_the_runs_calibration_does_without_such_subruns(fake_site: FakeSite) -> None:
    fake_site.night(*RUNS[:3], (2004, "DATA", 2))
    fake = {"empty": ["r0_to_dl1:Run02003.0001"], "fail": ["r0_to_dl1:Run02004.0001"]}
    fake_site.set(cat_b={"enabled": True}, decisions={"discard": RULES}, fake=fake)
    assert run_night(fake_site).status is LuigiStatusCode.SUCCESS
    assert sorted(one.unit for one in decisions(fake_site.production())) == ["Run02003.0001", "Run02004.0001"]
    assert subruns(fake_site, "cat_b.Run02003") == {"0000"}
    assert not {"dl1ab.Run02003.0001", "dl1ab.Run02004.0001"}.intersection(fake_site.made())
    assert look(fake_site).closed


def test_other_failures_are_not_decided_away(fake_site: FakeSite) -> None:
    """Not the last; killed, not failed by itself; the only one; for another cause."""
    fake_site.night(*RUNS, (2005, "DATA", 2), (2006, "DATA", 2))
    fake = {
        "fail": ["r0_to_dl1:Run02003.0000", "r0_to_dl1:Run02004.0000"],
        "die": ["r0_to_dl1:Run02005.0001"],
        "corrupt": ["r0_to_dl1:Run02006.0001"],
    }
    fake_site.set(decisions={"discard": RULES}, fake=fake)
    assert run_night(fake_site).status is LuigiStatusCode.FAILED
    assert len(fake_site.reasons()) == 4
    assert decisions(fake_site.production()) == ()
    assert look(fake_site).verdict.night.verdict == "INCOMPLETE"


def test_while_a_run_may_grow_its_last_subrun_is_not_the_last(fake_site: FakeSite) -> None:
    night = opened(fake_site).plan.night
    evening, noon = datetime(2024, 11, 15, 23, tzinfo=UTC), datetime(2024, 11, 16, 12, tzinfo=UTC)
    assert is_over(night, night.run(2003), evening)
    assert not is_over(night, night.run(2004), evening)
    assert is_over(night, night.run(2004), noon)


def test_how_it_stands_says_which_decision_it_is(finished: FakeSite) -> None:
    discard(finished, "Run02003.0001")
    items = outlooks(opened(finished))
    one = items["merge_dl1.Run02003"]
    assert (one.kind, one.why) == (Kind.GROWN, "decision 1 (discard Run02003.0001) since")
    again(finished)
    take_back(finished, 1)
    assert outlooks(opened(finished))["merge_dl1.Run02003"].why == "decision 1 holds no more"
