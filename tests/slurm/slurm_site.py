"""A site on the real cluster, and its operator."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any
from unittest import mock

from click.testing import CliRunner

from osa_luigi.batch.slurm.client import SlurmClient
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
PATIENCE_S = 120


@dataclass
class Site:
    """A site on the cluster, with a night of two runs of two subruns."""

    folder: Path
    cluster: Cluster
    settings: dict[str, Any] = field(default_factory=dict)
    """More of ``executor.slurm``."""
    resources: dict[str, int] = field(default_factory=lambda: dict(LITTLE))
    """Of each step."""
    engines: list[subprocess.Popen[bytes]] = field(default_factory=list)
    scheduler: tuple[str, ...] = ("--local-scheduler",)
    """Luigi's option for it."""

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
            "executor": {"type": "slurm", "slurm": {"poll_seconds": 0.5, "grace_seconds": 10, **self.settings}},
            "resources": dict.fromkeys(STEPS, self.resources),
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

    def start(self, *task: str) -> subprocess.Popen[bytes]:
        """Luigi's own command, for the night unless another task is named."""
        with (self.folder / f"luigi{len(self.engines)}.log").open("wb") as log:
            command = [
                *(luigi(), "--module", "osa_luigi", *(task or ("NightTask",))),
                *("--date", "2024-11-15", *self.scheduler),
            ]
            process = subprocess.Popen(command, cwd=self.folder, env=self.environment, stdout=log, stderr=log)
        self.engines.append(process)
        return process

    def run(self, *task: str) -> int:
        """The same to its end; its exit code."""
        return self.start(*task).wait(PATIENCE_S)

    def osa(self, *arguments: str, code: int = 0) -> str:
        """What a command says."""
        with mock.patch.dict(os.environ, self.environment, clear=True):
            result = CliRunner().invoke(app, [*arguments, "--date", "2024-11-15"])
        assert result.exit_code == code, (result.output, result.exception)
        return result.output

    def osa_at_a_terminal(self, *arguments: str, answer: str) -> tuple[str, int]:
        """What a command says to somebody who sits at a terminal and answers its question; its exit code."""
        operator, terminal = pty.openpty()
        command = [sys.executable, "-c", "from osa_luigi.cli import main; main()", *arguments, "--date", "2024-11-15"]
        process = subprocess.Popen(
            command, env=self.environment, stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True
        )
        os.close(terminal)
        said = b""
        try:
            while more := os.read(operator, 1000):
                said += more
                if answer and said.rstrip().endswith(b"[y/N]:"):
                    os.write(operator, f"{answer}\n".encode())
                    answer = ""
        except OSError:  # the terminal's other side is closed
            pass
        os.close(operator)
        return said.decode(), process.wait(PATIENCE_S)

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

    def waiting(self) -> str:
        """The memory that what waits in the queue asks for."""
        return self.cluster.ask("squeue", "-h", "-t", "PENDING", "-o", "%m")

    def live(self) -> list[str]:
        """Elements that the cluster works on, or will."""
        seen = SlurmClient(environment=self.cluster.environment).queue("osa.20241115.fake.")
        mine = array_names(self.production)
        return [f"{s.name}_{s.index}" for s in seen if s.name in mine and not meaning(s.state).standing.ended]

    def is_running(self, *units: str) -> bool:
        """Whether steps of these units are under way."""
        names = [folder.name for folder in self.production.scratch.glob("*")]
        return all(any(unit in name for name in names) for unit in units)
