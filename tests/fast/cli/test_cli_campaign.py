"""``osa campaign``: what it says before, meanwhile and afterwards, and its exit codes; the engines are the real ones, once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from fake_nights import DAY, FAKE, FakeSite, environment
from fresh import PATIENCE_S, until
from rights import like_anybody

from osa_luigi.batch.lease import engine
from osa_luigi.cli.app import app
from osa_luigi.config import load_campaign, load_main
from osa_luigi.tasks.campaign.standing import Nights, forget_configurations

CAMPAIGN = {"name": "crab", "type": "campaign", "reconstruction": "fake", "dates": ["2024-11-15", "2024-11-16"]}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[FakeSite]:
    """A night, one without data, and a campaign over both."""
    forget_configurations()
    site = FakeSite(tmp_path / "site", procedures={"fake": FAKE, "crab": CAMPAIGN})
    site.write()
    site.night((2001, "DRS4", 1), (2002, "PEDCALIB", 1), (2003, "DATA", 1))
    site.set_main(morning={"settle_minutes": 0})
    yield site
    forget_configurations()


def osa(site: FakeSite, *words: str) -> tuple[int, str]:
    """A command in this process: its exit code, and what it printed."""
    made = CliRunner().invoke(app, ["campaign", *words[:1], "--config", str(site.config), *words[1:]])
    return made.exit_code, made.output


def data(site: FakeSite, *words: str) -> Any:
    return json.loads(osa(site, *words, "--json")[1])


def start(site: FakeSite, *words: str, rights: Callable[[], None] | None = None) -> subprocess.Popen[str]:
    """``osa campaign`` of this checkout, in a process of its own."""
    path = os.pathsep.join(entry for entry in sys.path if entry)
    command = "from osa_luigi.cli import main; main()"
    return subprocess.Popen(
        [sys.executable, "-c", command, "campaign", *words, "crab", *([] if rights else ["--local-scheduler"])],
        env={**environment(site), "PYTHONPATH": path},
        cwd=site.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=rights,
    )


def test_from_the_plan_to_the_report(site: FakeSite) -> None:
    """Planned, started, killed with its engine, told about, started again, done."""
    code, said = osa(site, "plan", "crab")
    assert code == 0
    assert "2024-11-15  fake  to do: make 1 drs4_baseline, 1 charge_calibration, 1 r0_to_dl1" in said
    assert "2 productions: 1 no data, 1 to do." in said

    site.set(fake={"hang": ["dl1ab:Run02003.0000"]})
    first = start(site, "start")
    until(lambda: (held := engine(site.production())) and held.alive, "the night is worked on")
    status = data(site, "status", "crab")
    assert status["states"] == {"at work": 1, "no data": 1}
    assert status["runner"]["pid"] == first.pid
    second = start(site, "start")
    told, _ = second.communicate(timeout=PATIENCE_S)
    assert second.returncode == 10
    assert f"is being worked on by process {first.pid} on" in told
    # Killed between its commit and its record, an attempt would have made its product and told nobody.
    until(lambda: list(site.production().scratch.glob("dl1ab.*")), "the first step has told")
    first.kill()
    first.communicate(timeout=PATIENCE_S)
    until(lambda: not ((held := engine(site.production())) and held.alive), "no engine outlives the campaign")
    assert osa(site, "status", "crab")[0] == 1
    assert data(site, "report", "crab")["left"][0]["state"] == "stopped"

    site.set(fake={"hang": []})
    third = start(site, "start")
    told, _ = third.communicate(timeout=PATIENCE_S)
    assert third.returncode == 0, told
    assert "2 of 2: 1 closed, 1 no data" in told
    code, said = osa(site, "report", "crab")
    assert code == 0
    assert said.startswith("Campaign crab: 1 closed, 1 no data.\n")
    (night,) = data(site, "status", "crab", "--all")["nights"][:1]
    assert (night["state"], night["verdict"]) == ("closed", "COMPLETE")
    assert site.made().count("r0_to_dl1.Run02003.0000") == 1


def test_paused_it_does_not_start_and_says_who_paused_it(site: FakeSite) -> None:
    assert osa(site, "pause", "crab", "--reason", "the disk is full")[0] == 0
    again = data(site, "pause", "crab")
    assert again["paused"]["reason"] == "the disk is full"
    code, said = osa(site, "start", "crab", "--local-scheduler")
    assert code == 1
    assert "the disk is full" in said
    assert "osa campaign resume crab" in said
    assert not site.production().root.exists()
    stronger = data(site, "pause", "crab", "--now")
    assert stronger["paused"]["number"] == 2


def test_asked_to_stop_before_anything_runs_it_leaves_nothing_behind(site: FakeSite) -> None:
    site.set(fake={"hang": ["r0_to_dl1:*"]})
    running = start(site, "start")
    until(lambda: (held := engine(site.production())) and held.alive, "the night is worked on")
    running.send_signal(signal.SIGTERM)
    told, _ = running.communicate(timeout=PATIENCE_S)
    assert running.returncode == 130, told
    assert "1 stopped" in told
    main = load_main(site.config, check_files=False)
    assert Nights(site.config, main, load_campaign(main, "crab")).folder.runner() is None


def test_looking_needs_no_right_to_write(site: FakeSite) -> None:
    before = sorted(site.data.rglob("*"))
    folders = [site.data, *(path for path in before if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    try:
        for words in ("plan", "status", "report"):
            assert osa(site, words, "crab")[0] in (0, 1)
        asked = start(site, "pause", rights=like_anybody)
        told, _ = asked.communicate(timeout=PATIENCE_S)
        assert asked.returncode == 3, told
    finally:
        for folder in folders:
            folder.chmod(0o755)
    assert sorted(site.data.rglob("*")) == before


def test_an_unknown_campaign_is_a_mistake_of_the_one_who_asks(site: FakeSite) -> None:
    code, said = osa(site, "status", "crap")
    assert code == 3
    assert "no campaign 'crap' (did you mean 'crab'?)" in said


def test_a_production_of_a_point_is_known_by_its_id_alone(site: FakeSite) -> None:
    site.set("crab", grid=[{"key": ["dl1ab.tailcuts.picture_thresh"], "values": [6, 7]}])
    arguments = ["plan", "--config", str(site.config), "--date", DAY.isoformat(), "--production", "fake-p001", "--json"]
    made = CliRunner().invoke(app, arguments)
    assert made.exit_code == 0, made.output
    found = json.loads(made.output)
    assert found["production"] == "fake-p001"
    assert date.fromisoformat(found["date"]) == DAY
