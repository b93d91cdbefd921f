"""``osa plan``: what would run, and why."""

from __future__ import annotations

import json
import shutil
from typing import Any

from cli_nights import DATE, DAY, FAKE, Demo, Site

from osa_luigi.cli.placeholder import PlaceholderNight


def steps(plan: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["step"]: row for row in plan["steps"]}


def copy(demo: Demo, tmp_path: Any) -> Site:
    """A closed night to do damage to."""
    site = Site(tmp_path / "copy")
    shutil.copytree(demo.site.base, site.base)
    site.configure()
    return site


def test_all_of_a_new_night_is_to_be_made_and_nothing_is_started(site: Site) -> None:
    plan = site.data("plan", *DATE)
    assert plan["calibration"] == {"date": "2024-11-15", "drs4_run": 2001, "pedcal_run": 2002, "of_this_night": True}
    assert steps(plan)["r0_to_dl1"]["new"] == 4
    assert steps(plan)["dl2"]["units"] == 2
    assert plan["to_make"] == sum(row["units"] for row in plan["steps"])
    assert not (site.production().state / "attempts").exists()
    text = site.osa("plan", *DATE).stdout
    assert "DRS4 run 2001, PEDCALIB run 2002 (this night's)" in text
    assert "0 made already." in text


def test_one_run_and_every_step(site: Site) -> None:
    plan = site.data("plan", *DATE, "--run", "2004", "--all")
    assert {item["unit"].partition(".")[0] for item in plan["all"]} == {"Run02004"}
    text = site.osa("plan", *DATE, "--all").stdout
    assert "r0_to_dl1" in text
    assert "Run02004.0001" in text
    assert "not made yet" in text


def test_a_run_that_is_not_there_is_named_with_those_that_are(site: Site) -> None:
    assert "2003, 2004" in site.osa("plan", *DATE, "--run", "7", code=3).stderr


def test_nothing_is_left_of_a_closed_night(closed: Demo) -> None:
    plan = closed.site.data("plan", *DATE)
    assert plan["to_make"] == 0
    assert all(row["made"] == row["units"] for row in plan["steps"])


def test_a_lost_product_is_made_again(closed: Demo, tmp_path: Any) -> None:
    site = copy(closed, tmp_path)
    next(site.production().root.rglob("dl2_LST-1.Run02003.h5")).unlink()
    plan = site.data("plan", *DATE)
    assert (steps(plan)["dl2"]["lost"], steps(plan)["dl2"]["made"]) == (1, 1)
    assert plan["to_make"] == 1


def test_a_night_that_has_grown(closed: Demo, tmp_path: Any) -> None:
    site = copy(closed, tmp_path)
    shutil.rmtree(site.base / "R0")
    (site.base / "monitoring" / "RunSummary" / "RunSummary_20241115.ecsv").unlink()
    shutil.rmtree(site.base / "monitoring" / "RunCatalog")
    PlaceholderNight(site.base, DAY, 2, 3).write()
    plan = site.data("plan", *DATE)
    assert (steps(plan)["r0_to_dl1"]["new"], steps(plan)["r0_to_dl1"]["made"]) == (2, 4)
    assert steps(plan)["merge_dl1"]["grown"] == 2
    assert plan["conflicts"] == []


def test_another_production_links_what_a_change_does_not_reach(closed: Demo, tmp_path: Any) -> None:
    site = copy(closed, tmp_path)
    site.configure({**FAKE, "name": "tight", "production_id": "tight", "dl1ab": {"tailcuts": {"picture_thresh": 10}}})
    plan = site.data("plan", *DATE, "--production", "tight")
    assert steps(plan)["r0_to_dl1"]["linked_from"] == {"fake": 4}
    assert steps(plan)["dl1ab"]["new"] == 4
    assert "fake: 4" in site.osa("plan", *DATE, "--procedure", "tight").stdout


def test_conflicts_are_told_with_what_would_change(closed: Demo, tmp_path: Any) -> None:
    site = copy(closed, tmp_path)
    tight = {**FAKE, "dl1ab": {"tailcuts": {"picture_thresh": 10, "boundary_thresh": 5}}}
    (site.base / "procedures.yaml").write_text(json.dumps({"procedures": [tight]}))
    plan = site.data("plan", *DATE, code=1)
    assert steps(plan)["dl1ab"]["conflict"] == 4
    assert any("picture_thresh: 8 → 10" in line for item in plan["conflicts"] for line in item["detail"])
    text = site.osa("plan", *DATE, code=1).stdout
    assert "picture_thresh: 8 → 10 (4 units)" in text
    assert "Nothing would be made. Give the new settings a production id" in text
    found = site.data("config", "diff", "fake", *DATE, code=1)["differences"]
    assert any("picture_thresh: 8 → 10" in one["text"] and one["units"] == 4 for one in found)
    assert site.data("status", *DATE, code=1)["sequences"][1]["state"] == "CONFLICT"


def test_a_raw_file_of_another_size_is_told_as_the_matter_of_its_unit(closed: Demo, tmp_path: Any) -> None:
    site = copy(closed, tmp_path)
    next((site.base / "R0").rglob("LST-1.2.Run02003.0001.fits.fz")).write_bytes(b"copied again")
    plan = site.data("plan", *DATE, code=1)
    assert [(item["step"], item["unit"]) for item in plan["conflicts"]] == [("r0_to_dl1", "Run02003.0001")]
    text = site.osa("plan", *DATE, code=1).stdout
    assert "input raw: without" in text
    assert "All that does not need them would be made. Restore their inputs" in text


def test_newer_calibration_runs_are_told_and_not_used(closed: Demo, tmp_path: Any) -> None:
    site = copy(closed, tmp_path)
    summary = site.base / "monitoring" / "RunSummary" / "RunSummary_20241115.ecsv"
    rows = summary.read_text().splitlines()
    later = [row.replace(row[:4], f"{int(row[:4]) + 100}", 1) for row in rows if row.startswith(("2001", "2002"))]
    summary.write_text("\n".join([*rows, *later]) + "\n")
    plan = site.data("plan", *DATE)
    assert (plan["calibration"]["drs4_run"], plan["calibration"]["pedcal_run"]) == (2001, 2002)
    assert plan["newer_calibration"] == {"date": "2024-11-15", "drs4_run": 2101, "pedcal_run": 2102}
    assert plan["to_make"] == 0
    text = site.osa("plan", *DATE).stdout
    assert "newer calibration runs are not used, DRS4 2101 and PEDCALIB 2102 of 2024-11-15" in text
    assert closed.site.data("plan", *DATE)["newer_calibration"] is None


def test_a_foreign_file_in_a_products_place(site: Site) -> None:
    site.production().root.mkdir(parents=True)
    (site.production().root / "dl1_LST-1.Run02003.0000.h5").write_text("whose?")
    plan = site.data("plan", *DATE, code=1)
    assert steps(plan)["r0_to_dl1"]["foreign"] == 1
    assert "dl1_LST-1.Run02003.0000.h5" in site.osa("plan", *DATE, code=1).stdout
