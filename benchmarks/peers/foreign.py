"""The peers: each a script beside this file, run in an environment of its own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers import Work
from benchmarks.peers.environments import environment

SHOWN = ("luigi", "b2luigi", "law")
JOB = """#!/bin/sh
sleep {seconds}
: > {made}/$1
"""


@dataclass(frozen=True)
class Peer:
    """Another way of bringing luigi's tasks onto SLURM; see `Tool`."""

    name: str
    packages: tuple[str, ...]
    script: str
    at_most: int | None
    joins = False
    why: str

    def prepare(self, work: Work) -> None:
        """The job, which is the same for each of them: a shell that sleeps and leaves a file named by the task's number."""
        made = work.folder / "made"
        made.mkdir()
        job = work.folder / "job.sh"
        job.write_text(JOB.format(seconds=work.seconds, made=made))
        job.chmod(0o755)
        self._bin()

    def luigid(self) -> Path:
        return self._bin() / "luigid"

    def command(self, work: Work, port: int) -> list[str]:
        return [str(self._bin() / "python"), str(Path(__file__).with_name(self.script)), str(port)]

    def environment(self, work: Work) -> Mapping[str, str]:
        night = {
            "tasks": work.tasks,
            "subruns": work.subruns,
            "slots": work.slots,
            "poll_s": work.poll_s,
            "folder": str(work.folder),
        }
        # As the tools' commands are found in an environment that was activated.
        return {"BENCH_NIGHT": json.dumps(night), "VIRTUAL_ENV": str(self._bin().parent), "LAW_HOME": str(work.folder)}

    def done(self, work: Work) -> int:
        return len(list((work.folder / "made").iterdir()))

    def version(self) -> str:
        code = (
            "from importlib.metadata import distributions as d; "
            f"print(*sorted(f'{{x.name}} {{x.version}}' for x in d() if x.name in {SHOWN}), sep=', ')"
        )
        python = str(self._bin() / "python")
        return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()

    def _bin(self) -> Path:
        return environment(self.name, self.packages) / "bin"


PEERS = (
    Peer(
        "b2luigi",
        ("b2luigi==1.3.0",),
        "b2luigi_night.py",
        1000,
        "one blocking sbatch per task, three blocking questions for each that ends",
    ),
    Peer(
        "law",
        ("law==0.1.21",),
        "law_night.py",
        2000,
        "one workflow for the whole night, which luigid sees as one task; one sbatch per branch",
    ),
    Peer(
        "luigi_wait",
        ("luigi==3.8.1",),
        "luigi_wait_night.py",
        200,
        "a process for each job in flight; `sbatch --wait` asks SLURM by itself, uncounted",
    ),
)
