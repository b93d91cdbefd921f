"""The plan of a night: which steps, from what, and what each step's key depends on."""

from __future__ import annotations

import shutil
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from fake_nights import DAY, PROCESSED, RUNS, FakeSite, plan_of

from osa_luigi.config import rules
from osa_luigi.config.procedure_schema import PROCEDURE
from osa_luigi.errors import ConfigurationError, NightError
from osa_luigi.night import compact
from osa_luigi.products.identity import digest
from osa_luigi.steps import materials
from osa_luigi.steps.plan import NightPlan
from osa_luigi.steps.raw import check_raw

LSTOSA_DAY = date(2020, 1, 17)
LSTOSA_RUNS = (
    (1803, "DRS4", 1),
    (1804, "DRS4", 1),
    (1805, "PEDCALIB", 1),
    (1806, "PEDCALIB", 1),
    (1807, "DATA", 11),
    (1808, "DATA", 9),
    (1809, "PEDCALIB", 1),
)
EVERYTHING: dict[str, Any] = {
    "gain_selection": {"enabled": True},
    "calibration": {"time": {"source": "pedcalib"}},
    "cat_b": {"enabled": True},
    "tailcuts": {"source": "per_run"},
    "longterm": {"transparency": True},
}


@pytest.fixture
def site(tmp_path: Path) -> FakeSite:
    """A site whose real procedure can be planned."""
    site = FakeSite(tmp_path / "site")
    site.write()
    site.night()
    site.foreign()
    return site


def steps(plan: NightPlan) -> Counter[str]:
    """How many calls there are of each step."""
    return Counter(call.step for _, call in plan.calls.values())


def keys(plan: NightPlan) -> dict[str, str]:
    """``<step>.<unit>`` → step key."""
    return {name: call.key for name, (_, call) in plan.calls.items()}


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    """The steps that have another key, or none, for some unit."""
    return {name.partition(".")[0] for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


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


# ---- what a key depends on --------------------------------------------------------------------------------------

AFTER_DL2: frozenset[str] = frozenset({"close"})
AFTER_MERGE = AFTER_DL2 | {"dl2"}
AFTER_DATACHECK = frozenset({"run_datacheck", "run_plots", "longterm", "transparency", "close"})
AFTER_DL1AB = AFTER_MERGE | AFTER_DATACHECK | {"datacheck", "merge_dl1"}
AFTER_DL1A = AFTER_DL1AB | {"cat_b", "tailcuts", "dl1ab", "merge_muons"}
AFTER_CHARGE = AFTER_DL1A | {"r0_to_dl1"}
AFTER_TIME = AFTER_CHARGE | {"charge_calibration"}
AFTER_DRS4 = AFTER_TIME | {"time_calibration"}

SCIENTIFIC = [
    # setting, the steps it changes where each step is made once, and where everything is
    ("gain_selection.flatfield_heuristic", False, set(), {"gain_selection", *AFTER_CHARGE}),
    ("calibration.drs4_baseline.max_events", 500, {"drs4_baseline", *AFTER_DRS4}, None),
    ("calibration.time.max_events", 500, set(), {"time_calibration", *AFTER_TIME}),
    ("calibration.charge.events_to_skip", 5, {"charge_calibration", *AFTER_CHARGE}, None),
    ("calibration.charge.sample_size", 5, {"charge_calibration", *AFTER_CHARGE}, None),
    ("calibration.charge.filters", "51", {"charge_calibration", *AFTER_CHARGE}, None),
    ("calibration.charge.min_flatfield_adc", 5, {"charge_calibration", *AFTER_CHARGE}, None),
    ("calibration.charge.max_flatfield_adc", 50_000, {"charge_calibration", *AFTER_CHARGE}, None),
    ("calibration.charge.systematics", False, {"charge_calibration", *AFTER_CHARGE}, None),
    (
        "calibration.charge.flatfield_heuristic",
        True,
        {"charge_calibration", *AFTER_CHARGE},
        {"time_calibration", *AFTER_TIME},
    ),
    ("r0_to_dl1.default_trigger_type", "tib", {"r0_to_dl1", *AFTER_DL1A}, None),
    ("r0_to_dl1.flatfield_heuristic", True, {"r0_to_dl1", *AFTER_DL1A}, None),
    ("r0_to_dl1.overrides.source_config.EventSource.max_events", 7, {"r0_to_dl1", *AFTER_DL1A}, None),
    ("cat_b.sample_size", 5, set(), {"cat_b", "dl1ab", *AFTER_DL1AB}),
    ("cat_b.filters", "51", set(), {"cat_b", "dl1ab", *AFTER_DL1AB}),
    ("dl1ab.images", False, {"dl1ab", *AFTER_DL1AB}, None),
    ("dl1ab.pedestal_cleaning", False, {"dl1ab", *AFTER_DL1AB}, "refused"),
    ("dl1ab.tailcuts.picture_thresh", 9, {"dl1ab", *AFTER_DL1AB}, "refused"),
    ("dl1ab.overrides.tailcut.delta_time", 7, {"dl1ab", *AFTER_DL1AB}, "refused"),
    ("merge.images", True, {"merge_dl1", *AFTER_MERGE}, None),
    ("dl2.models", "models/nsb_tuning_0.22/dec_2276", {"dl2", *AFTER_DL2}, None),
    ("dl2.overrides.n_training_events.gamma_regressors", 0.5, {"dl2", *AFTER_DL2}, None),
]
"""A setting, its other value, the steps it reaches in the standard chain, and in the one with everything (`None`: as there)."""


def nested(setting: str, value: Any) -> dict[str, Any]:
    """``a.b``: 1 → ``{"a": {"b": 1}}``."""
    first, _, rest = setting.partition(".")
    return {first: nested(rest, value) if rest else value}


@pytest.mark.parametrize(("setting", "value", "reached"), [row[:3] for row in SCIENTIFIC])
def test_a_scientific_setting_reaches_its_step_and_what_follows(
    site: FakeSite, setting: str, value: Any, reached: set[str]
) -> None:
    before = plan_of(site)
    site.set("real", **nested(setting, value))
    assert changed(keys(before), keys(plan_of(site))) == reached & steps(before).keys()


@pytest.mark.parametrize(("setting", "value", "reached"), [(s, v, e or r) for s, v, r, e in SCIENTIFIC])
def test_a_scientific_setting_reaches_its_step_and_what_follows_where_all_is_made(
    site: FakeSite, setting: str, value: Any, reached: set[str] | str
) -> None:
    site.set("real", **EVERYTHING)
    before = plan_of(site)
    site.set("real", **nested(setting, value))
    if reached == "refused":
        with pytest.raises(ConfigurationError, match=r"where tailcuts\.source is per_run"):
            plan_of(site)
        return
    assert changed(keys(before), keys(plan_of(site))) == reached


UNTABLED = {
    # switches, tried below
    "gain_selection.enabled",
    "calibration.time.source",
    "cat_b.enabled",
    "tailcuts.source",
    # files, of which the content counts: tried by an override
    "calibration.charge.config",
    "calibration.charge.overrides",
    "r0_to_dl1.config",
    "cat_b.config",
    "cat_b.overrides",
    "dl1ab.config",
    "dl2.config",
    "dl1ab.tailcuts.boundary_thresh",  # as its picture_thresh
    # tried in test_model_choice.py
    "dl2.model_choice.base",
    "dl2.model_choice.folders",
    "dl2.model_choice.nsb",
    "dl2.model_choice.levels",
    "dl2.model_choice.levels[].picture_thresh",
    "dl2.model_choice.levels[].nsb",
    "dl1ab.calibration",  # what it names is read from an analysis: tests/fast/analysis
}


def test_every_scientific_setting_is_in_the_table() -> None:
    every = {".".join(name) for name, rule in rules.leaves(PROCEDURE) if rule["meta"]["kind"] == rules.SCIENTIFIC}
    tried = {row[0] for row in SCIENTIFIC}
    untried = {key for key in every if not any(one == key or one.startswith(f"{key}.") for one in tried)}
    assert untried - {key for key in every if key.startswith("fake.")} == UNTABLED


@pytest.mark.parametrize(
    ("settings", "reached"),
    [
        ({"gain_selection": {"enabled": True}}, {"gain_selection", "r0_to_dl1", *AFTER_DL1A}),
        ({"calibration": {"time": {"source": "pedcalib"}}}, {"time_calibration", *AFTER_TIME}),
        ({"cat_b": {"enabled": True}}, {"cat_b", "dl1ab", *AFTER_DL1AB}),
        ({"tailcuts": {"source": "per_run"}}, {"tailcuts", "dl1ab", *AFTER_DL1AB}),
        (
            {"calibration": {"charge": {"overrides": {"LSTEventSource": {"MultiFiles": {"all_subruns": False}}}}}},
            {"charge_calibration", *AFTER_CHARGE},
        ),
    ],
)
def test_a_switch_reaches_the_steps_that_it_adds_and_what_follows(
    site: FakeSite, settings: dict[str, Any], reached: set[str]
) -> None:
    before = plan_of(site)
    site.set("real", **settings)
    after = plan_of(site)
    assert changed(keys(before), keys(after)) == reached & (steps(before) + steps(after)).keys()


OPERATIONAL: list[dict[str, Any]] = [
    {"resources": {"r0_to_dl1": {"memory_mb": 999, "cores": 2, "time_limit_minutes": 1}}},
    {"executor": {"local": {"cores": 3, "memory_mb": 999_999}}},
    {"site": {"name": "elsewhere"}},
    {"log_level": "DEBUG"},
]


@pytest.mark.parametrize("settings", OPERATIONAL)
def test_how_and_where_it_runs_changes_no_key(site: FakeSite, settings: dict[str, Any]) -> None:
    before = keys(plan_of(site))
    site.set_main(**settings)
    assert keys(plan_of(site)) == before


def test_the_whole_tree_elsewhere_changes_no_key(site: FakeSite) -> None:
    site.set("real", **EVERYTHING)
    before = keys(plan_of(site))
    shutil.move(site.data, site.folder / "moved")
    site.set_main(site={"base": "moved"})
    assert keys(plan_of(site)) == before


def test_a_folder_of_inputs_elsewhere_changes_no_key(site: FakeSite) -> None:
    before = keys(plan_of(site))
    for name in ("R0", "models"):
        shutil.move(site.data / name, site.folder / "other" / name)
    site.set_main(site={"paths": {"r0": "../other/R0"}})
    site.set("real", dl2={"models": "../other/models/nsb_tuning_0.14/dec_2276"})
    assert keys(plan_of(site)) == before


def test_another_production_differs_in_its_closing_alone(site: FakeSite) -> None:
    before = keys(plan_of(site))
    site.set("real", production_id="another")
    assert changed(before, keys(plan_of(site))) == {"close"}


def test_which_plots_and_checks_are_made_changes_no_other_product(site: FakeSite) -> None:
    before = keys(plan_of(site))
    site.set("real", datacheck={"plots": False}, merge={"muons": False}, longterm={"enabled": False})
    assert changed(before, keys(plan_of(site))) == {"run_plots", "merge_muons", "longterm", "close"}


@pytest.mark.parametrize("settings", [{"duration_s": 9}, {"fail": ["*:*"]}, {"hang": ["dl2:*"]}])
def test_how_a_fake_behaves_changes_no_key(site: FakeSite, settings: dict[str, Any]) -> None:
    before = keys(plan_of(site, "fake"))
    site.set("fake", fake=settings)
    assert keys(plan_of(site, "fake")) == before


def test_a_fake_never_has_the_key_of_the_real_thing(site: FakeSite) -> None:
    real, fake = keys(plan_of(site)), keys(plan_of(site, "fake"))
    assert real.keys() == fake.keys()
    assert not set(real.values()) & set(fake.values())


# ---- a night that grows -----------------------------------------------------------------------------------------


def test_a_further_subrun_changes_only_what_is_made_of_whole_runs(site: FakeSite) -> None:
    before = keys(plan_of(site))
    site.night((2001, "DRS4", 1), (2002, "PEDCALIB", 1), (2003, "DATA", 3), (2004, "DATA", 1))
    after = keys(plan_of(site))
    assert {name for name in before if after[name] != before[name]} == {
        "run_datacheck.Run02003",
        "run_plots.Run02003",
        "merge_dl1.Run02003",
        "merge_muons.Run02003",
        "dl2.Run02003",
        "longterm.night",
        "close.night",
    }
    assert after.keys() - before.keys() == {f"{step}.Run02003.0002" for step in ("r0_to_dl1", "dl1ab", "datacheck")}


def test_a_further_run_changes_only_what_is_made_of_whole_nights(site: FakeSite) -> None:
    before = keys(plan_of(site))
    site.night((2001, "DRS4", 1), (2002, "PEDCALIB", 1), (2003, "DATA", 2), (2004, "DATA", 1), (2005, "DATA", 1))
    after = keys(plan_of(site))
    assert {name for name in before if after[name] != before[name]} == {"longterm.night", "close.night"}


def test_the_drive_log_may_come_after_the_night_was_begun(site: FakeSite) -> None:
    log = site.data / "monitoring" / "DrivePositioning" / f"DrivePosition_log_{compact(DAY)}.txt"
    there = keys(plan_of(site))
    log.unlink()
    assert keys(plan_of(site)) == there


def test_a_raw_file_of_another_size_is_another_subrun(site: FakeSite) -> None:
    before = keys(plan_of(site))
    (site.data / "R0" / compact(DAY) / "LST-1.3.Run02003.0001.fits.fz").write_bytes(b"more")
    after = keys(plan_of(site))
    changes = {name for name in before if after[name] != before[name]}
    assert {name for name in changes if name.count(".") == 2} == {
        f"{step}.Run02003.0001" for step in ("r0_to_dl1", "dl1ab", "datacheck")
    }
    assert not any("Run02004" in name for name in changes)


def test_keys_are_what_they_were(site: FakeSite, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another key makes every product of every site anew: whoever changes these does it knowingly."""
    monkeypatch.setattr(materials, "scientific_software", lambda: {"lstchain": "0.12.3", "ctapipe": "0.25.1"})
    assert digest(keys(plan_of(site))) == "ebd5d7fbcd5a35b47f75dc838b024aba1d07b38189c850a1e1d2bc9a80ae36cb"
    site.set("real", **EVERYTHING)
    everything = keys(plan_of(site))
    assert everything["r0_to_dl1.Run02003.0001"] == "d6a5685153ee3e6c38f2fa26e0ad315bf14aff75"
    assert digest(everything) == "ff1698d860cb06b4b9a095cd3fd67ec1420f97d04fed3ef34bbfdfb7cc6c60d8"
