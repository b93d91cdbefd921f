"""The plan of a night: which steps, and from what."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from fake_nights import DAY, LSTOSA_DAY, LSTOSA_RUNS, PROCESSED, RUNS, FakeSite, plan_of
from planned import EVERYTHING, keys, steps

from osa_luigi.errors import NightError
from osa_luigi.night import compact
from osa_luigi.steps.plan import NightPlan
from osa_luigi.steps.raw import check_raw

# ---- what is planned --------------------------------------------------------------------------------------------


def test_the_night_of_lstosa(site: FakeSite) -> None:
    site.night(*LSTOSA_RUNS, day=LSTOSA_DAY)
    plan = plan_of(site, day=LSTOSA_DAY)
    assert (plan.source.date, plan.source.drs4_run, plan.source.pedcal_run) == (LSTOSA_DAY, 1804, 1809)
    assert [call.name for call in plan.calibration.calls] == ["drs4_baseline.Run01804", "charge_calibration.Run01809"]
    assert {run: one.run.array for run, one in plan.runs.items()} == {1807: "0-10", 1808: "0-8"}
    assert {run: list(one.legs) for run, one in plan.runs.items()} == {1807: ["dl1"], 1808: ["dl1"]}
    assert steps(plan) == {
        "drs4_baseline": 1,
        "charge_calibration": 1,
        "r0_to_dl1": 20,
        "dl1ab": 20,
        "datacheck": 20,
        "run_datacheck": 2,
        "run_plots": 2,
        "merge_dl1": 2,
        "merge_muons": 2,
        "dl2": 2,
        "longterm": 1,
        "close": 1,
    }
    assert plan.production.root == site.data / "running_analysis" / "20200117" / "real"


def test_products_lie_where_the_site_expects_them(site: FakeSite) -> None:
    plan = plan_of(site)
    places = {str(output.path) for _, call in plan.calls.values() for output in call.outputs}
    assert {
        "dl1_LST-1.Run02003.0001.h5",
        "muons_LST-1.Run02003.0001.fits",
        "interleaved/interleaved_LST-1.Run02003.0001.h5",
        "tailcut84/dl1_LST-1.Run02003.0001.h5",
        "tailcut84/dl1_LST-1.Run02003.h5",
        "tailcut84/datacheck_dl1_LST-1.Run02003.h5",
        "muons_LST-1.Run02003.fits",
        "tailcut84/nsb_tuning_0.14/dl2_LST-1.Run02003.h5",
        "NightFinished.txt",
    } <= places


@pytest.fixture(params=[{}, EVERYTHING], ids=["standard", "everything"])
def plan(site: FakeSite, request: pytest.FixtureRequest) -> NightPlan:
    """The plan of a night, of the shortest and of the longest chain."""
    site.set("real", **request.param)
    return plan_of(site)


def test_names_and_places_are_unique(plan: NightPlan) -> None:
    calls = [call for group in plan.groups() for call in (*group.calls, *group.riders)]
    assert len({call.name for call in calls}) == len({(call.name, call.key) for call in calls}) == len(plan.calls)
    places = [production.root / output.path for production, call in plan.calls.values() for output in call.outputs]
    assert len(set(places)) == len(places)


def test_every_product_that_is_read_was_made_before(plan: NightPlan) -> None:
    made: dict[Path, str] = {}
    for group in plan.groups():
        for call in (*group.calls, *group.riders):
            for item in call.inputs:
                if item.key and item.role != "declared":
                    assert made[item.path] == item.key, f"{call.name} reads {item.path}"
            made |= {group.production.root / output.path: call.key for output in call.outputs}


def test_what_waits_is_after_riders_that_exist(plan: NightPlan) -> None:
    riders = {call.name for group in plan.groups() for call in group.riders}
    waited_for = {name for group in plan.groups() for name in group.after}
    assert waited_for == riders


def test_everything_but_the_listing_is_declared_to_the_closing(plan: NightPlan) -> None:
    (declared,) = plan.close.calls[0].inputs
    assert plan.configs[declared.path] == {name: key for name, key in keys(plan).items() if name != "close.night"}


def test_without_a_gate_a_subrun_has_one_leg(site: FakeSite) -> None:
    plan = plan_of(site)
    assert [call.step for call in plan.runs[2003].legs["dl1"][1].calls] == ["r0_to_dl1", "dl1ab"]
    assert [call.step for call in plan.runs[2003].legs["dl1"][1].riders] == ["datacheck"]
    assert plan.runs[2003].calibration is None


@pytest.mark.parametrize(
    ("settings", "gate"),
    [
        ({"cat_b": {"enabled": True}}, ["cat_b"]),
        ({"tailcuts": {"source": "per_run"}}, ["tailcuts"]),
        ({"cat_b": {"enabled": True}, "tailcuts": {"source": "per_run"}}, ["cat_b", "tailcuts"]),
    ],
)
def test_what_is_found_per_run_makes_two_legs(site: FakeSite, settings: dict[str, Any], gate: list[str]) -> None:
    site.set("real", **settings)
    run = plan_of(site).runs[2003]
    assert {leg: sorted(groups) for leg, groups in run.legs.items()} == {"dl1a": [0, 1], "dl1b": [0, 1]}
    assert [call.step for call in run.legs["dl1a"][0].calls] == ["r0_to_dl1"]
    assert [call.step for call in run.legs["dl1b"][0].calls] == ["dl1ab"]
    assert [call.step for call in run.legs["dl1b"][0].riders] == ["datacheck"]
    assert run.calibration is not None
    assert [call.step for call in run.calibration.calls] == gate
    inputs = {item.role for item in run.legs["dl1b"][0].calls[0].inputs}
    assert inputs == {"dl1", *gate}


def test_gains_of_data_of_the_older_event_builder_are_selected_when_dl1_is_made(site: FakeSite) -> None:
    site.set("real", gain_selection={"enabled": True})
    summary = site.summary(*RUNS)
    summary.write_text(summary.read_text().replace("R1v1.Event", "ProtoR1.CameraEvent"))
    assert [call.step for call in plan_of(site).runs[2003].legs["dl1"][0].calls] == ["r0_to_dl1", "dl1ab"]


def test_gains_are_selected_of_raw_data_only(site: FakeSite) -> None:
    site.night((2001, "DRS4", 1), (2002, "PEDCALIB", 1), (2003, "DATA", 1), (2004, "DATA", 1, 1))
    site.set("real", gain_selection={"enabled": True})
    runs = plan_of(site).runs
    assert [call.step for call in runs[2003].legs["dl1"][0].calls] == ["gain_selection", "r0_to_dl1", "dl1ab"]
    assert [call.step for call in runs[2004].legs["dl1"][0].calls] == ["r0_to_dl1", "dl1ab"]
    selection, to_dl1, _ = runs[2003].legs["dl1"][0].calls
    assert [item.key for item in to_dl1.inputs if item.role == "raw"] == [selection.key] * 4


def test_data_that_the_event_builder_calibrated_take_no_calibration(site: FakeSite) -> None:
    site.night((2001, "DRS4", 1), (2002, "PEDCALIB", 1), (2003, "DATA", 1, PROCESSED), (2004, "DATA", 1))
    site.set("real", gain_selection={"enabled": True})
    plan = plan_of(site)
    calibrated, raw = (plan.calls[f"r0_to_dl1.Run{run}.0000"][1] for run in ("02003", "02004"))
    calibrations = {"pedestal", "calibration", "time_calibration"}
    assert calibrations.isdisjoint(item.role for item in calibrated.inputs)
    assert calibrations <= {item.role for item in raw.inputs}


def test_a_run_without_any_subrun_is_not_planned(site: FakeSite) -> None:
    site.summary((2001, "DRS4", 1), (2002, "PEDCALIB", 1), (2003, "DATA", 2), (2099, "DATA", 0))
    assert list(plan_of(site).runs) == [2003]


def test_a_night_of_calibration_runs_alone_can_be_closed(site: FakeSite) -> None:
    site.night((2001, "DRS4", 1), (2002, "PEDCALIB", 1))
    assert steps(plan_of(site)) == {"drs4_baseline": 1, "charge_calibration": 1, "close": 1}


def test_a_subrun_whose_stream_is_missing_stays_in_the_plan_and_says_which(site: FakeSite) -> None:
    (site.data / "R0" / compact(DAY) / "LST-1.3.Run02003.0001.fits.fz").unlink()
    _, call = plan_of(site).calls["r0_to_dl1.Run02003.0001"]
    assert len(call.paths("raw")) == 3
    with pytest.raises(NightError, match=r"Run02003.0001: stream 3 of 4 missing"):
        check_raw(call)


def test_a_subrun_without_any_file_stays_in_the_plan(site: FakeSite) -> None:
    for path in (site.data / "R0" / compact(DAY)).glob("*Run02003.0001*"):
        path.unlink()
    assert "r0_to_dl1.Run02003.0001" in plan_of(site).calls


def test_what_others_wait_for_goes_first(site: FakeSite) -> None:
    site.set("real", **EVERYTHING)
    plan = plan_of(site)
    run = plan.runs[2003]
    assert run.calibration
    assert run.merge
    assert run.dl2
    assert run.datacheck
    assert run.plots
    ordered = [plan.calibration, run.merge, run.dl2, run.calibration, run.legs["dl1a"][0], run.datacheck, run.plots]
    priorities = [group.priority for group in ordered]
    assert priorities == sorted(priorities, reverse=True)
    assert len(set(priorities)) == len(priorities)


def test_switched_off_steps_are_not_planned(site: FakeSite) -> None:
    site.set("real", datacheck={"enabled": False}, longterm={"enabled": False}, merge={"muons": False})
    site.set("real", dl2={"enabled": False})
    assert set(steps(plan_of(site))) == {
        "drs4_baseline",
        "charge_calibration",
        "r0_to_dl1",
        "dl1ab",
        "merge_dl1",
        "close",
    }


# ---- calibration of another night -------------------------------------------------------------------------------

EARLIER = date(2024, 11, 13)


def test_a_night_without_calibration_takes_an_earlier_night_s(site: FakeSite) -> None:
    site.night((1901, "DRS4", 1), (1902, "PEDCALIB", 1), day=EARLIER)
    site.night((2003, "DATA", 1))
    plan = plan_of(site)
    assert plan.source.date == EARLIER
    assert plan.calibration.production.root == site.data / "running_analysis" / compact(EARLIER) / "real"
    production, call = plan.calls["charge_calibration.Run01902"]
    assert production == plan.calibration.production
    assert all(path.parent.name == compact(EARLIER) for path in call.paths("raw"))
    assert call.path("run_summary").name == f"RunSummary_{compact(EARLIER)}.ecsv"
    _, to_dl1 = plan.calls["r0_to_dl1.Run02003.0000"]
    assert to_dl1.path("calibration").is_relative_to(production.root)


def test_an_earlier_night_s_calibration_is_planned_alike_from_both_nights(site: FakeSite) -> None:
    site.night((1901, "DRS4", 1), (1902, "PEDCALIB", 1), (1903, "DATA", 1), day=EARLIER)
    site.night((2003, "DATA", 1))
    assert [call.key for call in plan_of(site, day=EARLIER).calibration.calls] == [
        call.key for call in plan_of(site).calibration.calls
    ]


def test_an_earlier_night_s_calibration_is_not_this_night_s_to_declare(site: FakeSite) -> None:
    site.night((1901, "DRS4", 1), (1902, "PEDCALIB", 1), day=EARLIER)
    site.night((2003, "DATA", 1))
    plan = plan_of(site)
    (declared,) = plan.close.calls[0].inputs
    assert "charge_calibration" not in str(plan.configs[declared.path])


def test_looking_back_has_its_limit(site: FakeSite) -> None:
    site.night((1901, "DRS4", 1), (1902, "PEDCALIB", 1), day=EARLIER)
    site.night((2003, "DATA", 1))
    site.set("real", calibration={"look_back_days": 1})
    with pytest.raises(NightError, match="looked 1 days back"):
        plan_of(site)
