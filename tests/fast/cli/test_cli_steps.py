"""``osa step`` and ``osa logs``: single steps by hand."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from cli_nights import DATE, FAKE, Demo, Site

from osa_luigi.steps.catalogue import STEPS

STUCK = (*DATE, "--production", "stuck")


def test_the_list_has_every_step_and_its_tool(site: Site) -> None:
    found = {row["step"]: row for row in site.data("step", "list")}
    assert list(found) == list(STEPS)
    assert found["dl1ab"]["runs"] == "lstchain_dl1ab"
    assert found["close"]["runs"] == "python -m osa_luigi.steps.close"
    assert all(row["what"] for row in found.values())
    assert "lstchain_dl1ab" in site.osa("step", "list").stdout


def test_a_step_by_hand_is_made_with_a_receipt_and_not_twice(site: Site) -> None:
    out, _ = site.process("step", "run", "drs4_baseline", "Run02001", *DATE)
    assert "drs4_baseline.Run02001: made" in out
    assert (site.production().root / "calibration" / "drs4_pedestal.Run02001.0000.h5").exists()
    assert site.data("step", "run", "drs4_baseline", "Run02001", *DATE)["outcome"] == "present"
    assert "there already" in site.osa("step", "run", "drs4_baseline", "Run02001", *DATE).stdout
    logs = site.osa("logs", "drs4_baseline", "Run02001", *DATE)
    assert Path(logs.stderr.strip()).is_file()
    assert "step key" in logs.stdout


def test_a_failed_attempt_says_why(site: Site) -> None:
    site.configure({**FAKE, "name": "f", "production_id": "f", "fake": {**FAKE["fake"], "fail": ["drs4_baseline:*"]}})
    out, _ = site.process("step", "run", "drs4_baseline", "Run02001", *DATE, "--production", "f", "--json", code=1)
    result = json.loads(out)
    assert result["outcome"] == "failed"
    assert "told to fail" in result["reason"]
    assert "told to fail" in Path(result["log"]).read_text()


def test_the_printed_shell_runs_in_an_empty_folder(site: Site, tmp_path: Path) -> None:
    script = site.osa("step", "run", "r0_to_dl1", "Run02003.0001", *DATE, "--print").stdout
    assert "empty folder" in script
    assert "OMP_NUM_THREADS=1" in script
    assert not (site.production().state / "attempts").exists()
    folder = tmp_path / "empty"
    folder.mkdir()
    beside = Path(sys.executable).parent
    environment = {**site.environment, "PATH": f"{beside}:{site.environment['PATH']}"}
    subprocess.run(["sh", "-e"], input=script, text=True, cwd=folder, env=environment, check=True)
    assert (folder / "dl1_LST-1.Run02003.0001.h5").exists()


def test_the_run_summary_needs_no_run_summary(site: Site) -> None:
    (site.base / "monitoring" / "RunSummary" / "RunSummary_20241115.ecsv").unlink()
    assert "osa step run run_summary" in site.osa("status", *DATE, code=3).stderr
    assert "lstchain_create_run_summary" in site.osa("step", "run", "run_summary", *DATE, "--print").stdout
    site.osa("step", "run", "run_summary", "Run02003", *DATE, "--print", code=2)


def test_wrong_names_are_answered_with_suggestions(site: Site) -> None:
    assert "Did you mean dl1ab?" in site.osa("step", "run", "dl1b", "Run02003.0001", *DATE, code=2).stderr
    wrong = site.osa("step", "run", "dl1ab", "Run02003.001", *DATE, code=3).stderr
    assert "Did you mean Run02003.0001" in wrong
    assert "does not ask for it" in site.osa("step", "run", "cat_b", "Run02003", *DATE, code=3).stderr


def test_the_newest_log(stopped: Demo) -> None:
    logs = sorted(stopped.site.production("stuck").logs("Run02003").glob("r0_to_dl1.Run02003.0001.*.log"))
    said = stopped.site.osa("logs", "r0_to_dl1", "Run02003.0001", *STUCK)
    assert said.stderr.strip() == str(logs[-1])
    assert "told to fail" in said.stdout
    assert stopped.site.data("logs", "r0_to_dl1", "Run02003.0001", *STUCK)["text"] == said.stdout


def test_no_log_yet(site: Site) -> None:
    assert "has not been tried" in site.osa("logs", "dl2", "Run02003", *DATE, code=1).stderr
    assert site.data("logs", "dl2", "Run02003", *DATE, code=1)["log"] is None
