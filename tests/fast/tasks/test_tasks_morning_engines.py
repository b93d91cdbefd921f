"""``osa morning`` as a process, with the real luigi: nights are run, stopped, killed, and go on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from fake_nights import DAY, FakeSite, environment
from fresh import PATIENCE_S, until

from osa_luigi.batch.lease import engine
from osa_luigi.cli.app import app

NEXT_DAY = date(2024, 11, 16)
DATES = ("--date", "2024-11-15", "--date", "2024-11-16")


@pytest.fixture
def site(fake_site: FakeSite) -> FakeSite:
    """With two nights that have arrived."""
    fake_site.night(day=NEXT_DAY)
    fake_site.set_main(morning={"settle_minutes": 0})
    return fake_site


def start(site: FakeSite, *arguments: str) -> subprocess.Popen[str]:
    """``osa morning`` of this checkout."""
    path = os.pathsep.join(entry for entry in sys.path if entry)
    return subprocess.Popen(
        [sys.executable, "-c", "from osa_luigi.cli import main; main()", "morning", "--local-scheduler", *arguments],
        env={**environment(site), "PYTHONPATH": path},
        cwd=site.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> tuple[int, Any]:
    out, err = process.communicate(timeout=2 * PATIENCE_S)
    assert "Traceback" not in err
    return process.returncode, json.loads(out) if out.startswith("{") else out


def nights(data: Any) -> dict[str, tuple[str, bool]]:
    """Date → state, and whether an engine was started."""
    return {one["date"]: (one["state"], one["started"] is not None) for one in data["nights"]}


def works(site: FakeSite, day: date) -> Callable[[], bool]:
    def alive() -> bool:
        found = engine(site.production(day=day))
        return bool(found and found.alive)

    return alive


def test_stopped_killed_and_started_again(site: FakeSite) -> None:
    site.set(fake={"hang": ["r0_to_dl1:Run02003.0000"]})

    one = start(site, "--json", *DATES)
    until(works(site, DAY), "the first night is worked on")
    one.send_signal(signal.SIGTERM)
    code, said = ended(one)
    assert code == 130
    assert said["stopped"]
    assert nights(said) == {"2024-11-15": ("stopped", True), "2024-11-16": ("to do", False)}
    assert not works(site, DAY)()

    two = start(site, "--parallel", "2", *DATES)
    until(works(site, DAY), "the first night is worked on again")
    until(works(site, NEXT_DAY), "the other night, too")
    two.kill()
    two.communicate(timeout=PATIENCE_S)
    until(lambda: not works(site, DAY)() and not works(site, NEXT_DAY)(), "no engine outlives who started it")

    site.set(fake={"hang": [], "fail": ["dl2:Run02004"]})
    code, said = ended(start(site, "--json", "--date", "2024-11-15"))
    assert code == 1
    assert nights(said) == {"2024-11-15": ("incomplete", True)}
    (night,) = said["nights"]
    assert night["why"].startswith("dl2 Run02004 failed: ")
    assert said["summary"] == "Nights: 1 incomplete."
    log = Path(night["started"]["log"])
    assert log.parent == site.data / "log" / "osa" / "20241115"
    assert "DONE" in log.read_text() or "done" in log.read_text()


def test_logs_that_cannot_be_written_are_said_before_anything_runs(site: FakeSite) -> None:
    (site.data / "log").write_text("a file where the folder of logs goes")
    process = start(site, *DATES)
    _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 3
    assert "make site.paths.logs a folder that all operators may write to" in err
    assert not site.production().root.exists()


def test_a_dry_run_starts_nothing_and_writes_nothing(site: FakeSite) -> None:
    from click.testing import CliRunner

    before = sorted(site.data.rglob("*"))
    arguments = ["morning", "--config", str(site.config), "--dry-run", *DATES, "--date", "2024-11-14"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [
        "2024-11-15  fake  to do: new",
        "2024-11-16  fake  to do: new",
        "no raw data: 2024-11-14",
        "Nights: 1 no data, 2 to do.",
    ]
    assert sorted(site.data.rglob("*")) == before
