"""``osa why``, ``cancel``, ``retry`` and ``replay`` on this machine's executor; on a cluster: tests/slurm/test_slurm_night.py."""

from __future__ import annotations

import json
from pathlib import Path

from cli_nights import DATE, Demo, Site

from osa_luigi.batch.slurm.journal import Journal
from osa_luigi.batch.slurm.model import JobState, Phase, Settings, Wish
from osa_luigi.batch.slurm.policies import Asked, Failure, Policies
from osa_luigi.batch.slurm.recorder import Recorder
from osa_luigi.batch.slurm.states import Cause
from osa_luigi.batch.slurm.store import FileStore


def test_a_night_that_has_not_begun_says_what_comes_first(site: Site) -> None:
    said = site.osa("why", "2003", *DATE, code=1).stdout
    assert "Run02003 dl1, 2 subruns (0-1): waits for the calibration of the night" in said
    assert "Run02003 merge: waits for subruns 0-1 of Run02003 (dl1)" in said
    assert "No engine works on the night" in said
    first = site.osa("why", *DATE, code=1).stdout.splitlines()[0]
    assert first == "night calibration: nothing stands in its way; not with the executor yet"


def test_what_failed_says_why_and_what_is_done_says_so(stopped: Demo, closed: Demo) -> None:
    site, stuck = stopped.site, ("--production", "stuck")
    said = site.osa("why", "2003.1", *DATE, *stuck, code=1).stdout
    assert "Run02003.0001 dl1: failed, once" in said
    assert "told to fail" in said
    [part] = site.data("why", "2003.1", *DATE, *stuck, code=1)["parts"]
    assert (part["unit"], part["part"], part["situation"]) == ("Run02003.0001", "dl1", "failed")
    assert {line.rpartition(": ")[2] for line in closed.site.osa("why", "2003", *DATE).stdout.splitlines()} == {"done"}


def test_there_is_nothing_to_cancel_or_to_retry(site: Site) -> None:
    assert "Nothing" in site.osa("cancel", "--all", *DATE, code=1).output
    assert "Nothing" in site.osa("retry", "2003.1", *DATE, code=1).output
    assert site.data("retry", "--all", *DATE, code=1) == []


def test_units_or_all_must_be_given(site: Site) -> None:
    assert "--all" in site.osa("retry", *DATE, code=2).output
    assert "--all" in site.osa("cancel", "2003", "--all", *DATE, code=2).output
    assert "2099" in site.osa("why", "2099", *DATE, code=3).output


def test_a_recording_is_shown_and_judged(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "1.jsonl"
    Recorder(file, Settings("osa", 1, Policies()))
    assert "0 events: today's code decides the same." in site.osa("replay", str(file)).output
    wanted = {"event": {"is": "Tick", "at": 1.0}, "commands": [{"is": "Look", "array": "osa.1"}]}
    file.write_text(file.read_text() + json.dumps(wanted) + "\n")
    assert "- Look osa.1" in site.osa("replay", str(file), code=1).output
    assert site.data("replay", str(file), "--array", "osa.2", code=1)["trace"] == []
    file.write_text("nothing")
    assert "no recording" in site.osa("replay", str(file), code=3).output


def test_the_job_that_makes_the_run_summary_is_asked_of_and_tried_again_before_there_is_a_night(site: Site) -> None:
    [summary] = site.base.rglob("RunSummary_20241115.ecsv")
    summary.unlink()
    failure = Failure(Cause.TOOL, "run_summary.night: the disk is full.", "osa.g1.00000_0")
    wish = Wish("RunSummaryTask_1", "run_summary", "run_summary", Asked(2000, 600.0))
    job = JobState(wish, Phase.GIVEN_UP, wish.asked, failures=(failure,))
    Journal(FileStore(site.production().state / "engine")).give_up(job, "given up - the disk is full. `osa retry`")

    said = site.osa("why", *DATE, code=1).stdout
    assert said.startswith("night run summary: given up: the disk is full. `osa retry`")
    assert site.data("why", "2003", *DATE, code=1)["parts"][0]["failures"] == [["tool", failure.text]]
    assert "no run summary yet" in site.osa("retry", "night", *DATE, code=3).stderr
    assert "will be tried again: RunSummaryTask_1" in site.osa("retry", "--all", *DATE).stdout
    assert "no run summary yet" in site.osa("why", *DATE, code=3).stderr
