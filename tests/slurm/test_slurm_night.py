"""Nights of fake steps by luigi's own command on a real cluster: killed, failing, tried again, cancelled, and asked about."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

from slurm_site import PATIENCE_S, Site
from waiting import eventually

from osa_luigi.batch.slurm.recorder import Recording
from osa_luigi.batch.slurm.replay import replay
from osa_luigi.cli.demo.luigid import Luigid
from osa_luigi.products.receipt import ReceiptBook

BUSY = 10
FAILED = 30
"""Luigi's exit codes."""


def test_a_night_that_is_killed_fails_and_is_tried_again(site: Site) -> None:
    site.configure(duration_s=1.5, fail=["r0_to_dl1:Run02003.0001"])
    both = [site.start(), site.start()]
    eventually(lambda: any(engine.poll() is not None for engine in both), PATIENCE_S)
    [refused] = [engine for engine in both if engine.poll() is not None]
    [winner] = [engine for engine in both if engine.poll() is None]
    assert refused.returncode == BUSY

    eventually(lambda: site.is_running("r0_to_dl1.Run02003.0000") or winner.poll() is not None, PATIENCE_S)
    winner.kill()
    winner.wait()
    asked = site.why("2003")
    assert asked["Run02003 merge"]["situation"] == "waits"
    assert "Run02003.0001 dl1" in asked["Run02003 merge"]["needs"]
    assert asked["Run02003.0000 dl1"]["situation"] in ("running", "ended", "done")
    assert "No engine works on the night" in site.osa("why", "2003", code=1)

    assert site.run() == FAILED
    assert max(Counter(site.submitted()).values()) == 1
    # An element tells its engine that a job is done, and then archives what is whole: the engine may be gone before it.
    eventually(lambda: not site.live(), PATIENCE_S)
    failed = site.why("2003.1")["Run02003.0001 dl1"]
    assert failed["situation"] == "given up"
    assert "told to fail" in failed["text"]
    site.why("2004", code=0)

    assert "next: remove the cause, `osa retry Run02003.0001 --date 2024-11-15 " in site.osa("status", code=1)

    before = site.submitted()
    assert site.run() == FAILED
    assert site.submitted() == before, "what is given up is remembered"

    site.configure(duration_s=0)
    assert "run the night again" in site.osa("retry", "2003.1")
    assert "Nothing" in site.osa("retry", "--all", code=1)
    assert site.run() == 0
    assert (site.production.root / "NightFinished.txt").exists()
    # The closing job makes it once it has told the engine, which may be gone by then.
    report = eventually(lambda: read(site.production.root / "NightReport.html"), PATIENCE_S)
    assert "Closed at" in report
    again = [name for name, count in Counter(site.submitted()).items() if count > 1]
    assert len(again) == 1, "only the one that failed was submitted again"
    table = json.loads(site.osa("status", "--json"))["sequences"]
    elements = {row["job_id"] for row in table if row["type"] == "DATA"}
    assert elements
    assert all(re.fullmatch(r"\d+_\d+", element) for element in elements), "as scontrol and sacct take them"
    small = site.small_files()
    assert len(small) <= 20 * 2, "for each of two runs, with all lives of the engine"
    assert [name.partition(".")[0] for name in small if "Run02003" in name] == ["archives/Run02003"]
    for life in (site.engine / "events").iterdir():
        assert all(moment.same for moment in replay(Recording(life)))


def read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def test_what_is_tried_again_beside_a_living_engine_is_finished_by_it(site: Site) -> None:
    # Long enough to be met at work; and one that hangs, so that the engine stays, whatever becomes of the other run.
    site.configure(duration_s=5.0, hang=["r0_to_dl1:Run02004.0001"])
    engine = site.start()
    eventually(lambda: site.is_running("r0_to_dl1.Run02003.0001") or engine.poll() is not None, PATIENCE_S)
    site.osa("cancel", "2003.1", "--yes")
    [mark] = eventually(site.given_up, PATIENCE_S)
    assert site.why("2003.1")["Run02003.0001 dl1"]["situation"] == "given up"
    assert "The engine of the night submits it" in site.osa("retry", "2003.1")
    eventually(lambda: ReceiptBook(site.production).key("dl2.Run02003") or engine.poll() is not None, PATIENCE_S)
    assert engine.poll() is None, "the same process went on with what depends on it"
    assert site.given_up() == []
    assert [name for name, count in Counter(site.submitted()).items() if count > 1] == [mark["wish"]["name"]]


def test_a_slurm_that_is_away_when_the_night_is_begun_is_waited_for(site: Site) -> None:
    site.settings["client_timeout_seconds"] = 2
    site.configure()
    site.cluster.stop_slurmctld()
    try:
        engine = site.start()
        log = site.folder / "luigi0.log"
        eventually(lambda: "SLURM has not answered since" in log.read_text(), PATIENCE_S)
        assert engine.poll() is None
    finally:
        site.cluster.continue_slurmctld()
    assert engine.wait(PATIENCE_S) == 0, log.read_text()[-2000:]


def test_a_partition_that_is_drained_when_the_night_is_begun_is_waited_for(site: Site) -> None:
    site.settings["grace_seconds"] = 2
    site.configure()
    site.cluster.ask("scontrol", "update", "PartitionName=short", "State=DRAIN")
    try:
        engine = site.start()
        log = site.folder / "luigi0.log"
        eventually(lambda: "takes no jobs for now" in log.read_text() or engine.poll() is not None, PATIENCE_S)
        assert engine.poll() is None, log.read_text()[-2000:]
        [held] = [part for part in site.why("night").values() if part["situation"] == "not taken"]
        assert "takes no jobs for now" in held["text"]
        assert "SLURM does not take array osa." in site.osa("why", "night", code=1)
    finally:
        site.cluster.ask("scontrol", "update", "PartitionName=short", "State=UP")
    assert engine.wait(PATIENCE_S) == 0, log.read_text()[-2000:]
    assert not site.given_up()


def test_luigid_shows_where_a_subrun_runs_and_links_to_its_logs(site: Site, tmp_path: Path) -> None:
    site.configure(hang=["r0_to_dl1:Run02003.0001"])
    with Luigid(tmp_path / "luigid") as luigid:
        site.scheduler = ("--scheduler-url", luigid.url)
        engine = site.start()

        def subruns(status: str = "") -> dict[str, dict[str, Any]]:
            tasks = luigid.tasks(status).values()
            found = (task for task in tasks if task["name"] == "ReconstructionTask")
            return {f"{task['params']['run_id']}.{task['params']['subrun']}": task for task in found}

        def held() -> str:
            return str(subruns().get("2003.1", {}).get("status_message"))

        eventually(lambda: "2003.0" in subruns("DONE") or engine.poll() is not None, PATIENCE_S)
        eventually(lambda: "RUNNING on" in held() or engine.poll() is not None, PATIENCE_S)  # whatever its batch says
        done, said = subruns("DONE")["2003.0"], held()
    log = Path(done["tracking_url"].removeprefix("file://"))
    assert log.parent == site.production.logs("Run02003.0000")
    assert log.is_file()
    state, output = said.splitlines()
    assert re.fullmatch(r"SLURM \d+_1 RUNNING on node\d.*", state)
    assert Path(output.removeprefix("log: ")).is_file()


def test_what_is_asked_for_otherwise_takes_the_place_of_what_waits(site: Site) -> None:
    """The memory was too much for any node; corrected, and the night started again. Of what is cancelled SLURM keeps nothing."""
    site.cluster.ask("scontrol", "update", "PartitionName=short", "State=DOWN")
    try:
        site.configure()
        engine = site.start()
        eventually(lambda: site.waiting(), PATIENCE_S)
        engine.kill()
        engine.wait()
        site.resources = {"memory_mb": 200, "time_limit_minutes": 1}
        site.configure()
        engine = site.start()
        eventually(lambda: "200M" in site.waiting(), PATIENCE_S)
    finally:
        site.cluster.ask("scontrol", "update", "PartitionName=short", "State=UP")
    assert engine.wait(PATIENCE_S) == 0, (site.folder / "luigi1.log").read_text()[-2000:]
    assert not site.given_up()


def test_what_is_cancelled_is_given_up_beside_a_living_engine_and_without_one(site: Site) -> None:
    site.configure(hang=["r0_to_dl1:Run02003*", "r0_to_dl1:Run02004.0001"])
    engine = site.start()
    eventually(lambda: site.is_running("Run02003.0000", "Run02003.0001", "Run02004.0001"), PATIENCE_S)
    eventually(lambda: len(site.live()) == 3, PATIENCE_S)  # the fourth has ended
    assert site.why("2003.1")["Run02003.0001 dl1"]["node"].startswith("node")

    said, code = site.osa_at_a_terminal("cancel", "2003.1", answer="n")
    assert "Cancel 1 jobs: Run02003.dl1 1? [y/N]: n" in said
    assert (code, len(site.live())) == (1, 3), "who says no has cancelled nothing"
    said, code = site.osa_at_a_terminal("cancel", "2003.1", answer="y")
    assert (code, said.count("cancelled SLURM")) == (0, 1)
    [mark] = eventually(site.given_up, 60)
    assert mark["failures"][-1]["cause"] == "cancelled"
    assert "osa cancel" in mark["text"]
    assert len(site.live()) == 2
    assert engine.poll() is None

    engine.kill()
    engine.wait()
    said = site.osa("cancel", "--all", "--yes")
    assert "the next one gives them up" in said
    eventually(lambda: not site.live(), 60)
    before = site.submitted()
    assert site.run() == FAILED
    assert {mark["failures"][-1]["cause"] for mark in site.given_up()} == {"cancelled"}
    assert len(site.given_up()) == 3
    assert site.submitted() == before, "nothing that was cancelled is submitted again"
