"""What each step's key depends on."""

from __future__ import annotations

import shutil
from typing import Any

import pytest
from fake_nights import DAY, FakeSite, plan_of
from planned import AFTER_CHARGE, AFTER_DL1A, AFTER_DL1AB, AFTER_TIME, EVERYTHING, SCIENTIFIC, changed, keys, steps

from osa_luigi.config import rules
from osa_luigi.config.procedure_schema import PROCEDURE
from osa_luigi.errors import ConfigurationError
from osa_luigi.night import compact
from osa_luigi.products.identity import digest
from osa_luigi.steps import materials


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
