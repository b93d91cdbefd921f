"""A fake night on a private SLURM of its own: started as an operator would, hurt, and brought to its end."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from osa_luigi.cli.placeholder import PlaceholderNight
from osa_luigi.config.main_schema import STEPS
from tests.cluster import Cluster
from tests.drills.nights import DAY, ROOT, Site, script
from tests.drills.slurm.submissions import Submissions
from tests.drills.witness import Seen, judge, look

_ONE_AT_A_TIME = threading.Lock()

LIMIT_S = 600.0
"""A night that is not at its end after so long is counted as one that does not end."""


@dataclass
class Outcome:
    """What became of one unit of a drill; lists of a line each."""

    drill: str
    number: int
    seed: int
    runs: int = 0
    nights: int = 0
    ended: int = 0
    lost: list[str] = field(default_factory=list)
    submitted_twice: list[str] = field(default_factory=list)
    unverified: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def good(self) -> bool:
        """Whether nothing is in it that must not be."""
        return self.ended == self.nights and not (self.lost or self.submitted_twice or self.unverified or self.troubles)


class Night:
    """One site with one production, and the engines that work on it one after the other.

    Parameters
    ----------
    size
        DATA runs, and subruns of each.
    settings, step
        Changes to ``executor.slurm``, and to ``resources`` by step.
    """

    def __init__(
        self,
        cluster: Cluster,
        base: Path,
        outcome: Outcome,
        size: tuple[int, int] = (2, 4),
        settings: Mapping[str, Any] | None = None,
        step: Mapping[str, Mapping[str, Any]] | None = None,
        duration_s: float = 0.5,
    ) -> None:
        self.cluster = cluster
        self.outcome = outcome
        self.base = base
        PlaceholderNight(base, DAY, data_runs=size[0], subruns=size[1]).write()
        self.site = Site(base, _configuration(base, settings or {}, step or {}, duration_s))
        self.production = self.site.production("fake")
        self.submissions = Submissions(cluster, self.production, base / "sbatch")
        self.log = base / "luigi.log"
        self._seen: list[Seen] = []
        outcome.nights += 1

    @property
    def is_closed(self) -> bool:
        """Whether it is at its end."""
        return (self.production.root / "NightFinished.txt").is_file()

    def start(self, trap: str = "", scheduler: str = "") -> subprocess.Popen[bytes]:
        """Luigi's own command; see sbatch.sh for the trap."""
        task = ["--module", "osa_luigi", "NightTask", "--date", DAY.isoformat()]
        how = ["--scheduler-url", scheduler] if scheduler else ["--local-scheduler"]
        environment = {
            **self.cluster.environment,
            **self.submissions.environment(trap),
            "OSA_BASE": str(self.base),
            "OSA_CONFIG": str(self.site.config),
            "LUIGI_CONFIG_PATH": str(ROOT / "luigi.cfg"),
            "TMPDIR": str(self.base / "tmp"),
        }
        with self.log.open("ab") as log:
            log.write(f"\n### {time.time():.3f} trap {trap or 'none'}\n".encode())
            log.flush()
            return subprocess.Popen(
                [script("luigi"), *task, *how],
                cwd=self.base,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def wait(self, what: Callable[[], object], engine: subprocess.Popen[bytes], seconds: float = LIMIT_S) -> bool:
        """Wait for something while an engine lives; whether it came."""
        until = time.monotonic() + seconds
        while not (found := bool(what())) and engine.poll() is None and time.monotonic() < until:
            time.sleep(0.05)
        return found

    def at_work(self, engine: subprocess.Popen[bytes], arrays: int = 1) -> bool:
        """Wait until so many arrays were ever submitted."""
        return self.wait(lambda: len(self.submissions.logged()) >= arrays, engine)

    def kill(self, engine: subprocess.Popen[bytes]) -> bool:
        """``kill -9``, and a look at what is there; whether it lived until then."""
        lived = engine.poll() is None
        engine.kill()
        engine.wait()
        self.look()
        return lived

    def look(self) -> None:
        """Remember what is committed."""
        self._seen.append(look(self.production))

    def finish(self, engine: subprocess.Popen[bytes] | None = None, starts: int = 1, scheduler: str = "") -> None:
        """Run the same command to its end, if need be some times; then judge."""
        for _ in range(starts):
            engine = engine or self.start(scheduler=scheduler)
            with contextlib.suppress(subprocess.TimeoutExpired):
                engine.wait(LIMIT_S)
            self._end(engine)
            if self.is_closed:
                break
            engine = None
        self.judge()

    def judge(self) -> None:
        """Count what went wrong."""
        self.look()
        self.outcome.ended += self.is_closed
        if not self.is_closed:
            self.outcome.troubles.append(f"the night did not end: {self.last_words()}")
        verdict = judge(self.production, self._seen)
        self.outcome.lost += verdict.lost + verdict.executed_again
        self.outcome.unverified += verdict.unverified
        self.outcome.submitted_twice += self.submissions.twice()

    def last_words(self) -> str:
        """The end of what luigi said."""
        return self.log.read_text(errors="replace")[-400:]

    def said(self, *words: str) -> list[str]:
        """Warnings and errors that hold one of some words (if given), as the operator reads them; equal ones once."""
        lines = self.log.read_text(errors="replace").splitlines()
        told = (line.partition(": ")[2] for line in lines if line.startswith(("WARNING", "ERROR")))
        return list(dict.fromkeys(line[:300] for line in told if not words or any(word in line for word in words)))

    def _end(self, engine: subprocess.Popen[bytes]) -> None:
        if engine.poll() is None:
            self.outcome.troubles.append(f"luigi was still at it after {LIMIT_S:.0f} s: {self.last_words()}")
            engine.send_signal(signal.SIGKILL)
            engine.wait()


@contextlib.contextmanager
def a_cluster(memory: str = "none") -> Iterator[Cluster]:
    """One that forgets no job while a drill lasts."""
    cluster = Cluster(nodes=2, memory=memory, min_job_age_s=7200)
    with _ONE_AT_A_TIME:  # or two choose the same ports
        cluster.__enter__()
    try:
        yield cluster
    finally:
        cluster.stop()


def _configuration(
    base: Path, settings: Mapping[str, Any], step: Mapping[str, Mapping[str, Any]], duration_s: float
) -> Path:
    """Main file and procedure; JSON is YAML."""
    needs = {name: {"memory_mb": 300, "time_limit_minutes": 5, **step.get(name, {})} for name in STEPS}
    slurm = {"poll_seconds": 0.5, "grace_seconds": 5, "client_timeout_seconds": 10, "time_margin_minutes": 1}
    main = {
        "site": {"name": "drill", "base": str(base)},
        "procedures": ["fake.json"],
        "default_procedure": "fake",
        "executor": {"type": "slurm", "slurm": {**slurm, **settings}},
        "resources": needs,
    }
    procedure = {
        "name": "fake",
        "production_id": "fake",
        "dl2": {"models": "models/dec_2276"},
        "fake": {"duration_s": duration_s, "size_kb": 4},
    }
    (base / "tmp").mkdir()
    (base / "fake.json").write_text(json.dumps(procedure, indent=1))
    (base / "site.json").write_text(json.dumps(main, indent=1))
    return base / "site.json"
