"""A site of placeholders and fake steps, and ``osa`` on it, in this process or in one of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from unittest import mock

from click.testing import CliRunner, Result
from rights import like_anybody as like_anybody

from osa_luigi.cli.app import app
from osa_luigi.cli.placeholder import PlaceholderNight
from osa_luigi.products.production import Production

DAY = date(2024, 11, 15)
DATE = ("--date", "2024-11-15")
FAKE = {
    "name": "fake",
    "production_id": "fake",
    "dl2": {"models": "models/nsb_tuning_0.14/dec_2276"},
    "fake": {"duration_s": 0, "size_kb": 1},
}


@dataclass
class Site:
    """``site.yaml``, ``procedures.yaml`` and a tree below one folder."""

    base: Path
    data_runs: int = 2
    subruns: int = 2

    @property
    def config(self) -> Path:
        return self.base / "site.yaml"

    @property
    def environment(self) -> dict[str, str]:
        """A terminal's of 80 columns, and no luigi.cfg of anybody's."""
        # The checkout first: the tests are of this one, wherever another is installed.
        path = os.pathsep.join(entry for entry in sys.path if entry)
        return {**os.environ, "OSA_CONFIG": str(self.config), "PYTHONPATH": path, "COLUMNS": "80"}

    def observe(self) -> None:
        """Pretend that a night was observed."""
        PlaceholderNight(self.base, DAY, self.data_runs, self.subruns).write()

    def configure(self, *procedures: dict[str, Any]) -> None:
        """Write the configuration, JSON being YAML: the fake procedure and others."""
        self.base.mkdir(parents=True, exist_ok=True)
        (self.base / "procedures.yaml").write_text(json.dumps({"procedures": [FAKE, *procedures]}, indent=1))
        main = {
            "site": {"name": "test", "base": str(self.base)},
            "procedures": ["procedures.yaml"],
            "default_procedure": "fake",
            "executor": {"local": {"cores": 2, "memory_mb": 1_000_000}},
        }
        self.config.write_text(json.dumps(main, indent=1))

    def production(self, name: str = "fake") -> Production:
        return Production(self.base / "running_analysis" / "20241115" / name)

    def osa(self, *arguments: str, code: int = 0) -> Result:
        """``osa`` in this process, whose environment stays as it was; its exit code is checked."""
        given = {"OSA_CONFIG": str(self.config), "OSA_BASE": str(self.base)}
        with mock.patch.dict(os.environ, given):
            result = CliRunner().invoke(app, list(arguments))
        assert result.exit_code == code, (result.exit_code, result.output, result.exception)
        return result

    def data(self, *arguments: str, code: int = 0) -> Any:
        """What a command says with ``--json``."""
        return json.loads(self.osa(*arguments, "--json", code=code).stdout)

    def start(self, *arguments: str, like: Callable[[], None] | None = None) -> subprocess.Popen[str]:
        """``osa`` in a process of its own; `like` prepares it."""
        return subprocess.Popen(
            [sys.executable, "-c", "from osa_luigi.cli import main; main()", *arguments],
            env=self.environment,
            cwd=self.base,
            preexec_fn=like,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def process(self, *arguments: str, code: int = 0, like: Callable[[], None] | None = None) -> tuple[str, str]:
        """The same, to its end: standard output and standard error."""
        running = self.start(*arguments, like=like)
        out, err = running.communicate(timeout=100)
        assert running.returncode == code, (running.returncode, out, err)
        return out, err


@dataclass
class Demo:
    """A site after ``osa demo night``, and what that said."""

    site: Site
    out: str
    err: str
    while_running: object = None


def demo_arguments(site: Site, procedure: str) -> list[str]:
    sizes = ["--data-runs", str(site.data_runs), "--subruns", str(site.subruns)]
    return ["demo", "night", "--base", str(site.base), "--procedure", procedure, *sizes]
