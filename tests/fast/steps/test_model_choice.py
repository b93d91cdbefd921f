"""Random forests chosen run by run: by the night-sky background and the declination."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from fake_nights import DAY, FakeSite, plan_of, run_night
from hypothesis import given
from hypothesis import strategies as st

from osa_luigi.cli.app import app
from osa_luigi.config import load
from osa_luigi.config.model_choice import pattern
from osa_luigi.errors import ConfigurationError, NightError, VerificationError
from osa_luigi.ledger.making import Making
from osa_luigi.ledger.origins import Origins
from osa_luigi.night import DriveLog, compact
from osa_luigi.night.drive import LATITUDE
from osa_luigi.products.receipt import Made, Receipt, current_receipt
from osa_luigi.steps import models as choosing
from osa_luigi.steps.behaviour import behaviour
from osa_luigi.steps.call import StepCall
from osa_luigi.steps.models import Models
from osa_luigi.steps.plan import NightPlan
from osa_luigi.steps.standing import Standing, standing
from osa_luigi.steps.targets import Layout
from osa_luigi.tasks.opening import open_session
from osa_luigi.tasks.outlook import outlook

LINES = ("dec_2276", "dec_4822", "dec_min_413")
LEVELS = [{"picture_thresh": 8, "nsb": [0, 0.07, 0.14, 0.22]}, {"picture_thresh": 10, "nsb": [0.38]}]
CHOICE: dict[str, Any] = {
    "base": "models/AllSky",
    "folders": "mc_nsb_tuning_{nsb}/dec_{declination}",
    "nsb": 0.2221,
    "levels": LEVELS,
}
TABLE = ((8.0, (0.0, 0.07, 0.14, 0.22)), (10.0, (0.38, 0.5)))


@pytest.fixture
def site(tmp_path: Path) -> FakeSite:
    """A site with models of two levels and three lines, whose runs 2003 and 2004 looked at the Crab Nebula."""
    site = FakeSite(tmp_path / "site")
    site.write()
    site.night()
    site.foreign()
    for level in ("0.00", "0.14"):
        for line in LINES:
            path = site.data / "models" / "AllSky" / f"mc_nsb_tuning_{level}" / line / "reg_energy.sav"
            path.parent.mkdir(parents=True)
            path.write_text(f"{level} {line}")
    catalog(site, {2003: 22.08, 2004: 22.08})
    for name in ("real", "fake"):
        site.set(name, dl2={"models": None, "model_choice": CHOICE})
    return site


def catalog(site: FakeSite, declinations: dict[int, float]) -> None:
    path = site.data / "monitoring" / "RunCatalog" / f"RunCatalog_{compact(DAY)}.ecsv"
    path.parent.mkdir(parents=True, exist_ok=True)
    head = ["# %ECSV 1.0", "# ---", "# datatype:"]
    head += [
        f"# - {{name: {name}, datatype: {kind}}}" for name, kind in (("run_id", "int64"), ("source_name", "string"))
    ]
    head += [f"# - {{name: {name}, datatype: float64}}" for name in ("source_ra", "source_dec")]
    rows = [f"{run},Crab Nebula,83.63,{declination}" for run, declination in declinations.items()]
    names = "run_id,source_name,source_ra,source_dec"
    path.write_text("\n".join([*head, "# delimiter: ','", "# schema: astropy-2.0", names, *rows]) + "\n")


def dl2(plan: NightPlan, run: int = 2003) -> StepCall:
    _, call = plan.calls[f"dl2.Run{run:05d}"]
    return call


def chosen_folders(call: StepCall) -> list[str]:
    return ["/".join(path.parts[-2:]) for path in call.paths("run_models")]


def per_run(site: FakeSite, name: str = "real") -> None:
    site.set(name, tailcuts={"source": "per_run"}, dl2={"model_choice": {**CHOICE, "nsb": None}})


# ---- the rule ---------------------------------------------------------------------------------------------------


def test_the_choice_of_lstosa() -> None:
    """Its fixture: NSB 0.2221, picture threshold 8, declination 22.08; models of 0.00 and 0.14, lines 22.76 and 48.22."""
    known = [Models(f"m/{nsb}/{dec}", nsb, dec) for nsb in (0.0, 0.14) for dec in (22.76, 48.22)]
    level = choosing.nearest_level(known, choosing.levels_for(TABLE, 8), 0.2221)
    assert level == 0.14
    assert choosing.nearest_line(known, level, 22.08) == Models("m/0.14/22.76", 0.14, 22.76)


@pytest.mark.parametrize(
    ("declination", "line"),
    [
        (22.08, 22.76),
        (48.0, 34.76),  # 48.22 culminates lower than the run did
        (49.0, 48.22),
        (35.0, 34.76),
        (30.0, 34.76),  # between the lines beside the zenith: the nearest, whatever culminates higher
        (5.0, 9.31),
        (-3.0, 9.31),
        (-5.0, -4.13),
        (70.0, 66.76),
        (-40.0, -29.24),
    ],
)
def test_a_line_culminates_as_high_as_the_telescope_pointed(declination: float, line: float) -> None:
    lines = (-29.24, -18.02, -4.13, 9.31, 22.76, 34.76, 48.22, 61.66, 66.76)
    known = [Models(str(one), 0.14, one) for one in lines]
    assert choosing.nearest_line(known, 0.14, declination).declination == pytest.approx(line)


@given(
    st.lists(st.floats(-30, 70), min_size=1, max_size=12, unique=True),
    st.floats(-90, 90),
)
def test_no_line_that_is_high_enough_is_nearer(lines: list[float], declination: float) -> None:
    known = [Models(str(one), 0.0, one) for one in lines]
    taken = choosing.nearest_line(known, 0.0, declination).declination
    assert taken in lines
    height = abs(LATITUDE - declination)
    nearer = [one for one in lines if abs(one - declination) < abs(taken - declination)]
    assert not [one for one in nearer if abs(LATITUDE - one) <= height]


@given(st.lists(st.sampled_from((0.0, 0.07, 0.14, 0.22, 0.38)), min_size=1), st.floats(-1, 5))
def test_the_nearest_level_suits_the_cleaning(there: list[float], nsb: float) -> None:
    level = choosing.nearest_level([Models("m", one, 0.0) for one in there], TABLE[0][1], nsb)
    suiting = set(there) & set(TABLE[0][1])
    assert level is None if not suiting else abs((level or 0.0) - nsb) == min(abs(one - nsb) for one in suiting)


def test_folders_are_known_by_their_names(tmp_path: Path) -> None:
    for name in (
        "mc_nsb_tuning_0.14/dec_min_413",
        "mc_nsb_tuning_0.14/dec_931",
        "mc_nsb_tuning_0.14/log",
        "other/dec_1",
    ):
        (tmp_path / name).mkdir(parents=True)
    found = choosing.find_models(tmp_path, pattern("mc_nsb_tuning_{nsb}/dec_{declination}"))
    assert [(one.nsb, one.declination, str(one)) for one in found] == [
        (0.14, -4.13, "nsb_tuning_0.14/dec_min_413"),
        (0.14, 9.31, "nsb_tuning_0.14/dec_931"),
    ]
    with pytest.raises(NightError, match=r"no folder in it is called as dl2\.model_choice\.folders says"):
        choosing.find_models(tmp_path, pattern("{nsb}_{declination}"))


# ---- planned, with the standard cleaning ------------------------------------------------------------------------


def test_with_one_cleaning_the_models_are_known_beforehand(site: FakeSite) -> None:
    call = dl2(plan_of(site))
    assert chosen_folders(call) == ["mc_nsb_tuning_0.14/dec_2276"]
    assert str(call.output("dl2").path) == "tailcut84/nsb_tuning_0.14/dl2_LST-1.Run02003.h5"
    assert call.chosen["why"] == (
        "nsb_tuning_0.14/dec_2276: NSB 0.2221 p.e./ns, picture threshold 8 p.e., declination 22.08 deg (run catalog)"
    )
    assert f"--path-models={call.path('run_models')}" in behaviour(call).command(call).arguments


def test_each_run_has_the_models_of_its_own_declination(site: FakeSite) -> None:
    catalog(site, {2003: 22.08, 2004: 50.0})
    plan = plan_of(site)
    assert [chosen_folders(dl2(plan, run)) for run in (2003, 2004)] == [
        ["mc_nsb_tuning_0.14/dec_2276"],
        ["mc_nsb_tuning_0.14/dec_4822"],
    ]


def test_what_a_key_depends_on_is_the_models_not_why_they_were_chosen(site: FakeSite) -> None:
    before = dl2(plan_of(site)).key
    catalog(site, {2003: 22.3, 2004: 22.08})
    site.set("real", dl2={"model_choice": {**CHOICE, "nsb": 0.12}})
    assert dl2(plan_of(site)).key == before
    (site.data / "models/AllSky/mc_nsb_tuning_0.14/dec_4822/reg_energy.sav").write_text("others")
    assert dl2(plan_of(site)).key == before
    (site.data / "models/AllSky/mc_nsb_tuning_0.14/dec_2276/reg_energy.sav").write_text("trained again")
    assert dl2(plan_of(site)).key != before


def test_a_fixed_folder_of_models_has_the_key_that_it_had(site: FakeSite) -> None:
    site.set("real", dl2={"models": "models/nsb_tuning_0.14/dec_2276", "model_choice": None})
    call = dl2(plan_of(site))
    assert (call.settings.keys(), call.chosen) == ({"config"}, {})
    assert [item.role for item in call.inputs] == ["dl1", "models"]


# ---- where the cleaning is found per run ------------------------------------------------------------------------


def write_found(call: StepCall, picture: float, nsb: str) -> None:
    """What the search for tailcuts leaves."""
    for path in (call.path("cleaning"), call.path("noise")):
        path.parent.mkdir(parents=True, exist_ok=True)
    levels = {"picture_thresh": picture, "boundary_thresh": picture / 2}
    call.path("cleaning").write_text(json.dumps({"tailcuts_clean_with_pedestal_threshold": levels}))
    call.path("noise").write_text(f"Additional NSB rate (over dark MC): {nsb} p.e./ns\n")


def test_what_is_found_later_chooses_among_all_models_of_the_declination(site: FakeSite) -> None:
    per_run(site)
    call = dl2(plan_of(site))
    assert chosen_folders(call) == ["mc_nsb_tuning_0.00/dec_2276", "mc_nsb_tuning_0.14/dec_2276"]
    assert str(call.output("dl2").path) == "tailcut_per_run/nsb_per_run/dl2_LST-1.Run02003.h5"
    step = behaviour(call)
    assert "MODELS-CHOSEN" in step.command(call).shell()
    write_found(call, 8, "0.2221")
    settled = step.settled(StepCall.from_json(json.loads(json.dumps(call.as_json()))))
    assert chosen_folders(settled) == ["mc_nsb_tuning_0.14/dec_2276"]
    assert settled.key == call.key
    assert settled.chosen["why"].startswith("nsb_tuning_0.14/dec_2276: NSB 0.2221 p.e./ns, picture threshold 8 p.e.")
    write_found(call, 8, "-0.02")
    assert chosen_folders(step.settled(call)) == ["mc_nsb_tuning_0.00/dec_2276"]


def test_a_cleaning_for_which_no_models_were_trained_says_what_to_do(site: FakeSite) -> None:
    per_run(site)
    call = dl2(plan_of(site))
    write_found(call, 10, "0.39")
    with pytest.raises(
        NightError, match=r"picture threshold 10 p\.e\.: .* allows models of NSB 0\.38 .* those of 0, 0\.14"
    ):
        behaviour(call).settled(call)
    write_found(call, 9, "0.39")
    with pytest.raises(NightError, match="allows models of no NSB"):
        behaviour(call).settled(call)
    write_found(call, 8, "nan")
    with pytest.raises(VerificationError, match="does not say the additional NSB rate"):
        behaviour(call).settled(call)


def test_levels_without_any_model_stop_dl2_alone(site: FakeSite) -> None:
    site.set("real", dl2={"model_choice": {**CHOICE, "levels": [{"picture_thresh": 8, "nsb": [2.34]}]}})
    plan = plan_of(site)
    assert "allows models of NSB 2.34" in dl2(plan).chosen["lacks"]
    assert "merge_dl1.Run02003" in plan.calls


# ---- a run whose pointing nobody knows --------------------------------------------------------------------------


def test_a_run_without_pointing_stops_at_dl2_and_the_others_go_on(site: FakeSite) -> None:
    catalog(site, {2004: 22.08})
    run_night(site)
    place = site.production()
    assert current_receipt(place, "dl2", "Run02004") is not None
    assert current_receipt(place, "merge_dl1", "Run02003") is not None
    assert current_receipt(place, "dl2", "Run02003") is None
    (failed,) = [one for one in site.attempts() if one["outcome"] == "failed"]
    assert failed["reason"].startswith("dl2.Run02003: where the telescope pointed is unknown")
    assert "Put the run with source_dec into the run catalog" in failed["reason"]
    assert not site.is_closed()
    catalog(site, {2003: 22.08, 2004: 22.08})
    run_night(site)
    assert site.is_closed()
    receipt = current_receipt(place, "dl2", "Run02003")
    assert receipt is not None
    assert receipt.counts["chosen"]["models"] == "nsb_tuning_0.14/dec_2276"
    assert "models: nsb_tuning_0.14/dec_2276: NSB 0.2221" in told(site, "why", "2003")
    # Another declination for a run that was made: this run is refused, and not the night.
    catalog(site, {2003: 50.0, 2004: 22.08})
    session = open_session(site.config, DAY, "fake", "fake")
    now = dl2(session.plan)
    assert standing(now, receipt) is Standing.CONFLICT
    assert not outlook(session, place, now).refuses_night


def told(site: FakeSite, *words: str) -> str:
    """What a command prints of the night."""
    asked = [*words, "--date", DAY.isoformat(), "--config", str(site.config)]
    return CliRunner().invoke(app, asked).output


def test_the_plan_shows_what_was_chosen_and_for_which_run_nothing_could_be(site: FakeSite) -> None:
    catalog(site, {2004: 22.08})
    said = told(site, "plan")
    assert "Mind: DL2 of Run02003 cannot be made: where the telescope pointed is unknown" in said
    assert "Models of 1 runs: nsb_tuning_0.14/dec_2276 (--all says why)." in said
    assert "models: where the telescope pointed is unknown" in told(site, "why", "2003")
    per_run(site, "fake")
    assert "chosen once the NSB of the run is found" in told(site, "plan")


# ---- where it stands --------------------------------------------------------------------------------------------


def test_the_drive_log_says_where_the_telescope_pointed(tmp_path: Path) -> None:
    log = tmp_path / "DrivePosition_log_20241115.txt"
    latitude, declination = math.radians(LATITUDE), math.radians(22.41)
    lines = []
    for second in range(400):
        hour_angle = math.radians(-30 + second / 240)
        height = math.sin(latitude) * math.sin(declination)
        height += math.cos(latitude) * math.cos(declination) * math.cos(hour_angle)
        azimuth = math.atan2(
            -math.cos(declination) * math.sin(hour_angle),
            (math.sin(declination) - height * math.sin(latitude)) / math.cos(latitude),
        )
        lines.append(f"{1000 + second} {math.degrees(azimuth)} {math.degrees(math.acos(height))}")
    log.write_text("\n".join(lines) + "\n")
    (tmp_path / "BendingModelCorrection_log_20241115.txt").write_text(
        "".join(f"{1000 + second} 0.01 0.02\n" for second in range(400))
    )
    read = DriveLog.read(log)
    assert read.pointing(1010, None).declination == pytest.approx(22.41, abs=1e-6)
    assert read.pointing(1010, 1100).declination == pytest.approx(22.41, abs=1e-6)
    assert read.pointing(1200, None).declination is None  # not so far yet
    assert read.pointing(10, None).declination is None
    log.write_text("".join(f"{1000 + second} {second} 30\n" for second in range(400)) + "1400 nan inf\n1401 x\n")
    assert DriveLog.read(log).pointing(1010, None).declination is None  # it turns


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model_choice": {**CHOICE, "base": "nowhere"}}, "dl2.model_choice.base: no such folder"),
        ({"models": "models/x", "model_choice": CHOICE}, "dl2.models: is set beside dl2.model_choice"),
        ({"model_choice": {"base": None}}, "dl2.model_choice.base: must be a text, not empty"),
        (
            {"model_choice": {**CHOICE, "nsb": None}},
            "dl2.model_choice.nsb: is needed where tailcuts.source is standard",
        ),
        ({"model_choice": {**CHOICE, "folders": "nsb_{nsb}"}}, "dl2.model_choice.folders: 'nsb_{nsb}' must hold"),
        ({"model_choice": {**CHOICE, "folders": "../{nsb}/{declination}"}}, "must be the path of a folder below base"),
        ({"model_choice": {**CHOICE, "levels": [*LEVELS, LEVELS[0]]}}, "has picture_thresh 8 twice"),
        ({"model_choice": {**CHOICE, "levels": [{"picture_thresh": 8}]}}, "nsb: is missing"),
        ({"model_choice": {**CHOICE, "levels": []}}, "dl2.model_choice.levels: must not be empty"),
        ({"model_choice": {**CHOICE, "nsb": "much"}}, "dl2.model_choice.nsb: must be a number"),
    ],
)
def test_a_wrong_choice_is_told_where_it_stands(site: FakeSite, changes: dict[str, Any], said: str) -> None:
    site.set("real", dl2=changes)
    with pytest.raises(ConfigurationError) as caught:
        load(site.config, "real")
    assert said in str(caught.value)


def test_a_set_nsb_where_it_is_found_per_run_is_told(site: FakeSite) -> None:
    site.set("real", tailcuts={"source": "per_run"})
    with pytest.raises(
        ConfigurationError, match=r"dl2\.model_choice\.nsb: has no effect where tailcuts\.source is per_run"
    ):
        load(site.config, "real")


def receipt_of(call: StepCall, root: Path) -> Receipt:
    """Of a DL2 whose models were chosen when it ran."""
    settled = behaviour(call).settled(call)
    (output,) = call.outputs
    return Receipt(
        step="dl2",
        unit=call.unit,
        key=call.key,
        generation=1,
        settings=call.settings,
        inputs=tuple(item.as_json() for item in call.inputs),
        outputs=(Made("dl2", str(output.path), str(root / "scratch"), 1, "0" * 64, ""),),
        counts={"events": 1, "chosen": dict(settled.chosen)},
        software={},
        attempt={},
    )


def test_models_that_were_not_taken_are_no_source_and_the_product_is_published_under_the_level(site: FakeSite) -> None:
    per_run(site)
    plan = plan_of(site)
    call = dl2(plan)
    write_found(call, 8, "0.2221")
    receipt = receipt_of(call, plan.production.root)
    making = Making.of(plan.production, receipt)
    (models,) = [source.path for source in making.sources if source.role == "run_models"]
    assert models.endswith("mc_nsb_tuning_0.14/dec_2276")
    assert not Origins().trouble(next(source for source in making.sources if source.role == "run_models"))
    template = {"dl2": "DL2/{date}/{production}/{tailcut}/{nsb}/{name}"}
    layout = Layout(plan.production, site.data, template, {}, ())
    (target,) = layout.targets(receipt)
    assert target.place.parent.name == "nsb_tuning_0.14"
