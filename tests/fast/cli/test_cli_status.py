"""``osa status``: what an operator sees of nights that closed, failed, run, or have not begun."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from cli_nights import DATE, Demo, Site

from osa_luigi.batch.lease import engine
from osa_luigi.cli.night_table import COLUMNS
from osa_luigi.process import host
from osa_luigi.products.attempts import read_records
from osa_luigi.products.scratch import OWNER, claim
from osa_luigi.tasks.live import LiveAttempt, live_attempts

STUCK = (*DATE, "--production", "stuck")


def rows(night: dict[str, Any]) -> dict[int, dict[str, Any]]:
    return {row["run"]: row for row in night["sequences"]}


def test_a_night_that_has_not_begun(site: Site) -> None:
    night = site.data("status", *DATE, code=1)
    assert [row["state"] for row in night["sequences"]] == ["PENDING"] * 3
    assert night["closed"] is None
    assert night["failures"] == []
    assert night["engine"] is None
    assert rows(night)[2003]["dl1"] == 0


def test_a_closed_night(closed: Demo) -> None:
    night = closed.site.data("status", *DATE)
    assert night["closed"]
    assert night["missing"] == 0
    assert {row["state"] for row in night["sequences"]} == {"CLOSED"}
    run = rows(night)[2003]
    assert {run[name] for name in ("dl1", "muons", "dl1ab", "datacheck", "dl2")} == {100}
    assert run["cat_b"] is None
    assert run["source"] == "Crab Nebula"
    assert run["tries"] == sum(map(len, read_records(closed.site.production(), "Run02003").values()))
    assert run["exit"] is None


def test_the_table_has_the_operators_columns_and_a_source_with_a_space_is_one_cell(closed: Demo) -> None:
    head, *lines = closed.site.osa("status", *DATE).stdout.splitlines()
    assert tuple(head.split()) == COLUMNS
    assert len(COLUMNS) == 19
    row = next(line for line in lines if "02003" in line)
    place = head.index("Source")
    assert row[place : head.index("Action")].strip() == "Crab Nebula"
    assert row[head.index("State") : head.index("CPU_time")].strip() == "CLOSED"
    assert row.rstrip().endswith("100")


def test_where_the_products_lie(closed: Demo) -> None:
    night = closed.site.data("status", *DATE)
    places = {place["step"]: place for place in night["products"]}
    assert places["dl2"]["files"] == 2
    folder = places["dl2"]["folder"]
    assert sorted(os.listdir(folder)) == ["dl2_LST-1.Run02003.h5", "dl2_LST-1.Run02004.h5"]
    assert folder in closed.site.osa("status", *DATE).stdout


def test_failures_say_why_where_and_what_next(stopped: Demo) -> None:
    night = stopped.site.data("status", *STUCK, code=1)
    assert rows(night)[2003]["state"] == "FAILED"
    assert rows(night)[2003]["exit"] == 1
    assert rows(night)[2003]["action"] == "Retry"
    assert rows(night)[2003]["dl1"] == 50
    # The tool ended well, the product was found wanting.
    assert rows(night)[2005]["exit"] == 0
    failures = {f"{one['step']}.{one['unit']}": one for one in night["failures"]}
    assert sorted(failures) == ["dl2.Run02005", "r0_to_dl1.Run02003.0001"]
    one = failures["r0_to_dl1.Run02003.0001"]
    assert "told to fail" in one["reason"]
    assert "told to fail" in Path(one["log"]).read_text()
    assert one["next"] == "osa step run r0_to_dl1 Run02003.0001 --date 2024-11-15 --production stuck --procedure stuck"
    text = stopped.site.osa("status", *STUCK, code=1).stdout
    assert "FAILED r0_to_dl1 Run02003.0001 (tried once): this fake step was told to fail" in text
    assert one["log"] in text


def test_a_night_while_it_runs(stopped: Demo) -> None:
    night = stopped.while_running
    assert isinstance(night, dict)
    assert rows(night)[2004]["state"] == "RUNNING"
    assert night["engine"]["alive"] is True


def test_after_it_was_stopped_nothing_runs(stopped: Demo) -> None:
    night = stopped.site.data("status", *STUCK, code=1)
    assert rows(night)[2004]["state"] == "PENDING"
    assert night["engine"] is None
    assert "no engine works on it" in stopped.site.osa("status", *STUCK, code=1).stdout


def test_a_production_id_chooses_its_procedure(stopped: Demo) -> None:
    assert stopped.site.data("status", *STUCK, code=1) == stopped.site.data(
        "status", *DATE, "--procedure", "stuck", code=1
    )


def attempt(site: Site, name: str, owner: str, pid: int, age_s: float = 0.0) -> Path:
    """The working folder of an attempt, which showed its last sign of life some time ago."""
    folder = site.production().scratch / f"{name}.20241115T200000-{owner}-{pid}-abc123"
    (folder / "work").mkdir(parents=True)
    for path in (folder / "work", folder):
        os.utime(path, (time.time() - age_s,) * 2)
    return folder


@pytest.mark.parametrize(("pid", "live"), [(os.getpid(), True), (2**22 + 1, False)], ids=["runs", "has ended"])
def test_live_attempts_are_those_whose_process_lives(site: Site, pid: int, live: bool) -> None:
    attempt(site, "dl1ab.Run02003.0001", host(), pid)
    assert list(live_attempts(site.production())) == ([LiveAttempt("dl1ab.Run02003.0001", "")] if live else [])


@pytest.mark.parametrize("change", [{"start_ticks": 1}, {"boot": "before"}], ids=str)
def test_an_attempt_whose_number_another_process_has_now_does_not_run(site: Site, change: dict[str, Any]) -> None:
    folder = attempt(site, "dl1ab.Run02003.0001", host(), os.getpid())
    claim(folder)
    assert list(live_attempts(site.production()))
    (folder / OWNER).write_text(json.dumps({**json.loads((folder / OWNER).read_text()), **change}))
    assert not list(live_attempts(site.production()))
    assert rows(site.data("status", *DATE, code=1))[2003]["state"] == "PENDING"


def test_an_attempt_of_another_machine_is_shown_with_its_name(site: Site) -> None:
    attempt(site, "dl2.Run02003", "node-7", 1)
    assert list(live_attempts(site.production())) == [LiveAttempt("dl2.Run02003", "node-7")]
    row = rows(site.data("status", *DATE, code=1))[2003]
    assert (row["state"], row["action"], row["running_on"]) == ("RUNNING", "Wait", ["node-7"])
    assert "RUNNING on node-7" in site.osa("status", *DATE, code=1).stdout


@pytest.mark.parametrize(
    ("silent_s", "lease_s", "believed"),
    [
        (1800, None, True),
        (1800, 3600, True),
        (1800, 900, False),
        (300, 60, True),
        (7200, None, False),
        (7200, 9000, False),
    ],
)
def test_an_attempt_elsewhere_is_not_believed_for_ever(
    site: Site, silent_s: float, lease_s: float | None, believed: bool
) -> None:
    attempt(site, "dl2.Run02003", "node-7", 1, age_s=silent_s)
    if lease_s is not None:
        lease = site.production().state / "engine" / "1.json"
        lease.parent.mkdir()
        lease.write_text("{}")
        os.utime(lease, (time.time() - lease_s,) * 2)
    assert bool(list(live_attempts(site.production()))) is believed


def test_what_an_attempt_elsewhere_writes_is_a_sign_of_life(site: Site) -> None:
    folder = attempt(site, "dl2.Run02003", "node-7", 1, age_s=7200)
    assert not list(live_attempts(site.production()))
    log = site.production().logs("Run02003") / f"{folder.name}.log"
    log.parent.mkdir(parents=True)
    log.write_text("event 1000")
    assert list(live_attempts(site.production()))


def test_what_is_made_is_made_whoever_still_tries(closed: Demo, tmp_path: Path) -> None:
    site = copied(closed, tmp_path)
    attempt(site, "dl2.Run02003", "node-7", 1)
    night = site.data("status", *DATE)
    assert {row["state"] for row in night["sequences"]} == {"CLOSED"}


def test_a_closed_night_that_lost_a_product_is_not_closed(closed: Demo, tmp_path: Path) -> None:
    site = copied(closed, tmp_path)
    next(site.production().root.rglob("dl2_LST-1.Run02003.h5")).unlink()
    night = site.data("status", *DATE, code=1)
    assert (night["closed"], night["missing"]) == (None, 1)
    assert night["was_closed"]
    states = {run: row["state"] for run, row in rows(night).items()}
    assert (states[2003], states[2004]) == ("PENDING", "COMPLETED")
    said = site.osa("status", *DATE, code=1).stdout
    assert ": was closed at 20" in said
    assert (
        "UTC, the products of 1 step were lost since; no engine works on it: run the night (again) with luigi." in said
    )


def copied(demo: Demo, tmp_path: Path) -> Site:
    """A closed night to do damage to."""
    site = Site(tmp_path / "copy")
    shutil.copytree(demo.site.base, site.base)
    site.configure()
    return site


def test_an_engine_of_another_machine_is_not_judged(site: Site) -> None:
    folder = site.production().state / "engine"
    folder.mkdir(parents=True)
    holder = {"host": "elsewhere", "boot": "b", "pid": 1, "process_started": 0.0, "start_ticks": 1}
    holder["since"] = "2024-11-15T20:00:00+00:00"
    (folder / "3.json").write_text(json.dumps(holder))
    found = engine(site.production())
    assert found is not None
    assert (found.generation, found.alive) == (3, None)
    assert "known there only" in site.osa("status", *DATE, code=1).stdout
    (folder / "3.released").touch()
    assert "no engine works on it" in site.osa("status", *DATE, code=1).stdout
