"""Nights of fake steps by luigi's own command on a real cluster: killed, failing, tried again, cancelled, and asked about."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from click.testing import CliRunner
from waiting import eventually

from osa_luigi.batch.slurm.client import SlurmClient
from osa_luigi.batch.slurm.recorder import Recording
from osa_luigi.batch.slurm.replay import replay
from osa_luigi.batch.slurm.states import meaning
from osa_luigi.cli.app import app
from osa_luigi.cli.demo.engine import luigi
from osa_luigi.cli.placeholder import PlaceholderNight
from osa_luigi.products.production import Production
from osa_luigi.steps.catalogue import STEPS
from tests.cluster import Cluster
from tests.drills.arrays import array_file, array_names

DAY = date(2024, 11, 15)
LITTLE = {"memory_mb": 300, "time_limit_minutes": 2}
BUSY = 10
FAILED = 30
"""Luigi's exit codes."""
PATIENCE_S = 120


@dataclass
class Site:
    """A site on the cluster, with a night of two runs of two subruns."""

    folder: Path
    cluster: Cluster
    engines: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def configure(self, **fake: object) -> None:
        """Write configuration and night; JSON is YAML."""
        procedure = {
            "name": "fake",
            "production_id": "fake",
            "dl2": {"models": "models/nsb_tuning_0.14/dec_2276"},
            "fake": {"duration_s": 0, "size_kb": 1, **fake},
        }
        main = {
            "site": {"name": "test", "base": str(self.folder / "data")},
            "procedures": ["procedures.yaml"],
            "default_procedure": "fake",
            "executor": {"type": "slurm", "slurm": {"poll_seconds": 0.5, "grace_seconds": 10}},
            "resources": dict.fromkeys(STEPS, LITTLE),
        }
        (self.folder / "site.yaml").write_text(json.dumps(main))
        (self.folder / "procedures.yaml").write_text(json.dumps({"procedures": [procedure]}))
        (self.folder / "luigi.cfg").write_text("[worker]\nwait_interval = 0.1\nwait_jitter = 0\n")
        PlaceholderNight(self.folder / "data", DAY, 2, 2).write()

    @property
    def environment(self) -> dict[str, str]:
        """For commands; the checkout first: the tests are of this one, wherever another is installed."""
        path = os.pathsep.join(entry for entry in sys.path if entry)
        return {**self.cluster.environment, "OSA_CONFIG": str(self.folder / "site.yaml"), "PYTHONPATH": path}

    @property
    def production(self) -> Production:
        return Production(self.folder / "data" / "running_analysis" / "20241115" / "fake")

    @property
    def engine(self) -> Path:
        return self.production.state / "engine"

    def start(self) -> subprocess.Popen[bytes]:
        """Luigi's own command."""
        with (self.folder / f"luigi{len(self.engines)}.log").open("wb") as log:
            command = [luigi(), "--module", "osa_luigi", "NightTask", "--date", "2024-11-15", "--local-scheduler"]
            process = subprocess.Popen(command, cwd=self.folder, env=self.environment, stdout=log, stderr=log)
        self.engines.append(process)
        return process

    def run(self) -> int:
        """The same to its end; its exit code."""
        return self.start().wait(PATIENCE_S)

    def osa(self, *arguments: str, code: int = 0) -> str:
        """What a command says."""
        with mock.patch.dict(os.environ, self.environment, clear=True):
            result = CliRunner().invoke(app, [*arguments, "--date", "2024-11-15"])
        assert result.exit_code == code, (result.output, result.exception)
        return result.output

    def why(self, unit: str, code: int = 1) -> dict[str, dict[str, Any]]:
        """What `osa why` says of a unit's parts."""
        parts = json.loads(self.osa("why", unit, "--json", code=code))["parts"]
        return {f"{part['unit']} {part['part']}": part for part in parts}

    def submitted(self) -> list[str]:
        """Jobs of the arrays that the journal has."""
        intents = (array_file(self.production, name, "intent.json") for name in array_names(self.production))
        return [name for intent in intents if intent for name in json.loads(intent)["jobs"]]

    def small_files(self) -> list[str]:
        """What lies beside the products."""
        return [
            str(path.relative_to(self.production.state)) for path in self.production.state.rglob("*") if path.is_file()
        ]

    def given_up(self) -> list[dict[str, Any]]:
        return [json.loads(path.read_text()) for path in self.engine.glob("given_up/*.json")]

    def live(self) -> list[str]:
        """Elements that the cluster works on, or will."""
        seen = SlurmClient(environment=self.cluster.environment).queue("osa.20241115.fake.")
        mine = array_names(self.production)
        return [f"{s.name}_{s.index}" for s in seen if s.name in mine and not meaning(s.state).standing.ended]

    def is_running(self, *units: str) -> bool:
        """Whether steps of these units are under way."""
        names = [folder.name for folder in self.production.scratch.glob("*")]
        return all(any(unit in name for name in names) for unit in units)


@pytest.fixture
def site(cluster: Cluster, tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path, cluster)
    try:
        yield site
    finally:
        for engine in site.engines:
            engine.kill()
            engine.wait()
        client = SlurmClient(environment=cluster.environment)
        for path in site.engine.glob("arrays/*/submitted.json"):
            with contextlib.suppress(Exception):
                client.cancel(json.loads(path.read_text())["job"])


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
    assert site.live() == []
    failed = site.why("2003.1")["Run02003.0001 dl1"]
    assert failed["situation"] == "given up"
    assert "told to fail" in failed["text"]
    site.why("2004", code=0)

    before = site.submitted()
    assert site.run() == FAILED
    assert site.submitted() == before, "what is given up is remembered"

    site.configure(duration_s=0)
    assert "run the night again" in site.osa("retry", "2003.1")
    assert "Nothing" in site.osa("retry", "--all", code=1)
    assert site.run() == 0
    assert (site.production.root / "NightFinished.txt").exists()
    again = [name for name, count in Counter(site.submitted()).items() if count > 1]
    assert len(again) == 1, "only the one that failed was submitted again"
    small = site.small_files()
    assert len(small) <= 20 * 2, "for each of two runs, with all lives of the engine"
    assert [name.partition(".")[0] for name in small if "Run02003" in name] == ["archives/Run02003"]
    for life in (site.engine / "events").iterdir():
        assert all(moment.same for moment in replay(Recording(life)))


def test_what_is_tried_again_beside_a_living_engine_is_finished_by_it(site: Site) -> None:
    # Long enough to be met at work; and one that hangs, so that the engine stays, whatever becomes of the other run.
    site.configure(duration_s=5.0, hang=["r0_to_dl1:Run02004.0001"])
    engine = site.start()
    eventually(lambda: site.is_running("r0_to_dl1.Run02003.0001") or engine.poll() is not None, PATIENCE_S)
    site.osa("cancel", "2003.1", "--yes")
    [mark] = eventually(site.given_up, PATIENCE_S)
    assert site.why("2003.1")["Run02003.0001 dl1"]["situation"] == "given up"
    assert "The engine of the night submits it" in site.osa("retry", "2003.1")
    eventually(
        lambda: any(site.production.state.glob("receipts/Run02003/dl2.*")) or engine.poll() is not None, PATIENCE_S
    )
    assert engine.poll() is None, "the same process went on with what depends on it"
    assert site.given_up() == []
    assert [name for name, count in Counter(site.submitted()).items() if count > 1] == [mark["wish"]["name"]]


def test_what_is_cancelled_is_given_up_beside_a_living_engine_and_without_one(site: Site) -> None:
    site.configure(hang=["r0_to_dl1:Run02003*", "r0_to_dl1:Run02004.0001"])
    engine = site.start()
    eventually(lambda: site.is_running("Run02003.0000", "Run02003.0001", "Run02004.0001"), PATIENCE_S)
    assert site.why("2003.1")["Run02003.0001 dl1"]["node"].startswith("node")

    assert "1 Run02003" in site.osa("cancel", "2003.1", "--yes").replace(".dl1", "").replace("_1", " 1")
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
