"""A campaign of fake nights on a real, private SLURM, killed and stopped at random, and gone on with until it is done.

``python -m tests.drills.campaign --nights 20 --subruns 500 --kills 10 --json [--plot FILE]``, and with ``--tonight`` how long a night waits
that is submitted while the campaign fills the cluster.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from osa_luigi.cli.placeholder import PlaceholderNight
from osa_luigi.config.main_schema import STEPS
from osa_luigi.night import compact
from osa_luigi.products.attempts import read_records
from osa_luigi.products.production import Production
from osa_luigi.runner.lifeline import die_with
from tests.cluster import Cluster
from tests.cluster.available import why_not
from tests.drills.nights import ROOT, script
from tests.drills.slurm.night import a_cluster
from tests.drills.witness import Seen, judge, look

FIRST = date(2024, 11, 1)
TONIGHT = date(2025, 1, 1)
RUNS = 5
NAME = "drill"
SAMPLE_S = 1.0
LIMIT_S = 5400.0


@dataclass
class Result:
    """What became of it; memory in MB, times in s."""

    nights: int
    subruns: int
    kills: int
    closed: int = 0
    starts: int = 0
    killed: dict[str, int] = field(default_factory=dict)
    steps: int = 0
    made_more_than_once: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    executed_again: list[str] = field(default_factory=list)
    unverified: list[str] = field(default_factory=list)
    arrays_submitted_twice: list[str] = field(default_factory=list)
    seconds: float = 0.0
    memory: dict[str, Any] = field(default_factory=dict)
    said: str = ""

    @property
    def good(self) -> bool:
        """Whether every product was made once, and all nights are closed."""
        bad = (self.made_more_than_once, self.lost, self.executed_again, self.unverified, self.arrays_submitted_twice)
        return self.closed == self.nights and not any(bad)


class Memory:
    """Resident memory of the campaign's process and of its engines, sampled while they live."""

    def __init__(self) -> None:
        self.series: list[tuple[float, str, float]] = []
        self._root: psutil.Process | None = None
        self._began = time.monotonic()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def watch(self, process: subprocess.Popen[bytes]) -> None:
        """The campaign's process from now on."""
        self._root = psutil.Process(process.pid)

    def close(self) -> None:
        """No more samples."""
        self._end.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._end.wait(SAMPLE_S):
            with contextlib.suppress(psutil.Error):
                if self._root:
                    self._note("campaign", self._root)
                    for engine in _engines(self._root):
                        words = engine.cmdline()
                        self._note(words[words.index("--date") + 1], engine)

    def _note(self, who: str, process: psutil.Process) -> None:
        at = round(time.monotonic() - self._began, 1)
        self.series.append((at, who, round(process.memory_info().rss / 2**20, 1)))

    def summary(self) -> dict[str, Any]:
        """The largest of each, and of the campaign's process its series."""
        of: dict[str, list[float]] = {}
        for _, who, size in self.series:
            of.setdefault(who, []).append(size)
        own = [(at, size) for at, who, size in self.series if who == "campaign"]
        engines = {who: max(sizes) for who, sizes in sorted(of.items()) if who != "campaign"}
        return {
            "campaign_max_mb": max((size for _, size in own), default=0.0),
            "campaign_last_mb": own[-1][1] if own else 0.0,
            "engine_max_mb": engines,
            "campaign_series": own[:: max(1, len(own) // 200)],
        }


def _engines(campaign: psutil.Process) -> Iterator[psutil.Process]:
    """The engines of a campaign's nights that live."""
    for child in campaign.children():
        with contextlib.suppress(psutil.Error):  # it has just ended
            if "NightTask" in child.cmdline():
                yield child


class Campaign:
    """A site with fake nights and a campaign over them."""

    def __init__(self, cluster: Cluster, base: Path, nights: int, subruns: int, duration_s: float) -> None:
        self.cluster, self.base = cluster, base
        self.days = [FIRST + timedelta(days=number) for number in range(nights)]
        for day in self.days:
            PlaceholderNight(base, day, data_runs=RUNS, subruns=subruns // RUNS).write()
        self.config = _configuration(base, self.days, duration_s)

    def production(self, day: date) -> Production:
        """A night's."""
        return Production(self.base / "running_analysis" / compact(day) / "fake")

    def environment(self) -> dict[str, str]:
        """For whatever is started."""
        return {
            **self.cluster.environment,
            "OSA_CONFIG": str(self.config),
            "LUIGI_CONFIG_PATH": str(ROOT / "luigi.cfg"),
            "TMPDIR": str(self.base / "tmp"),
        }

    def start(self) -> subprocess.Popen[bytes]:
        """``osa campaign start``."""
        with (self.base / "campaign.log").open("ab") as log:
            words = [script("osa"), "campaign", "start", NAME, "--local-scheduler"]
            with_us = partial(die_with, os.getpid())
            return subprocess.Popen(
                words, env=self.environment(), cwd=self.base, stdout=log, stderr=log, preexec_fn=with_us
            )

    def ask(self, *words: str) -> Any:
        """What a command says in JSON."""
        made = subprocess.run(
            [script("osa"), *words, "--json"],
            env=self.environment(),
            cwd=self.base,
            capture_output=True,
            text=True,
            check=False,
        )
        return json.loads(made.stdout)

    def closed(self) -> int:
        """Nights that are at their end."""
        return sum((self.production(day).root / "NightFinished.txt").exists() for day in self.days)

    def at_work(self) -> list[date]:
        """Nights that have begun and are not at their end."""
        roots = {day: self.production(day).root for day in self.days}
        return [day for day, root in roots.items() if root.exists() and not (root / "NightFinished.txt").exists()]


def drill(campaign: Campaign, kills: int, chance: random.Random, result: Result, memory: Memory) -> None:
    """Run it to its end, with so many kills spread over the nights."""
    seen: dict[date, list[Seen]] = {}
    at = sorted(chance.uniform(0.02, 0.95) * len(campaign.days) for _ in range(kills))
    process, hurt = _start(campaign, result, memory), False
    until = time.monotonic() + LIMIT_S
    while time.monotonic() < until:
        time.sleep(0.5)
        if process.poll() is not None:
            if campaign.closed() == len(campaign.days) or not (hurt or at):
                break
            process, hurt = _start(campaign, result, memory), False
        progress = campaign.closed() + 0.5 * len(campaign.at_work())
        if at and progress >= at[0]:
            at.pop(0)
            time.sleep(chance.uniform(0, 5))
            for day in campaign.at_work():
                seen.setdefault(day, []).append(look(campaign.production(day)))
            _hurt(process, chance, result)
            hurt = True
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(5)
    _judge(campaign, seen, result)


def _start(campaign: Campaign, result: Result, memory: Memory) -> subprocess.Popen[bytes]:
    result.starts += 1
    process = campaign.start()
    memory.watch(process)
    return process


def _hurt(process: subprocess.Popen[bytes], chance: random.Random, result: Result) -> None:
    engines = list(_engines(psutil.Process(process.pid))) if process.poll() is None else []
    what = chance.choice(("campaign killed", "campaign stopped", "engine killed"))
    if what == "engine killed" and engines:
        chance.choice(engines).kill()
    elif what == "campaign stopped":
        process.send_signal(signal.SIGTERM)
        process.wait(120)
    else:
        what = "campaign killed"
        process.kill()
        process.wait()
    result.killed[what] = result.killed.get(what, 0) + 1


def _judge(campaign: Campaign, seen: dict[date, list[Seen]], result: Result) -> None:
    result.closed = campaign.closed()
    result.said = str(campaign.ask("campaign", "report", NAME)["states"])
    for day in campaign.days:
        production = campaign.production(day)
        made = {
            name: sum(record["outcome"] == "made" for record in records)
            for name, records in read_records(production).items()
        }
        result.steps += len(made)
        result.made_more_than_once += [f"{compact(day)} {name}: {count}" for name, count in made.items() if count != 1]
        verdict = judge(production, seen.get(day, ()))
        result.lost += verdict.lost
        result.executed_again += verdict.executed_again
        result.unverified += verdict.unverified
    names = Counter(line for line in campaign.cluster.ask("squeue", "-h", "-t", "all", "-o", "%F %j").splitlines())
    arrays = Counter(line.split()[1] for line in names)
    result.arrays_submitted_twice = [f"{name}: {count} jobs" for name, count in arrays.items() if count != 1]


def tonight(campaign: Campaign, subruns: int) -> dict[str, Any]:
    """A night submitted while the campaign has filled the cluster: how long its first element waits, and how long elements take."""
    PlaceholderNight(campaign.base, TONIGHT, data_runs=RUNS, subruns=subruns // RUNS, first_run=90001).write()
    process = campaign.start()
    try:
        _until(lambda: _pending(campaign.cluster) >= 4, 600)
        words = [script("luigi"), "--module", "osa_luigi", "NightTask", "--date", TONIGHT.isoformat()]
        with (campaign.base / "tonight.log").open("wb") as log:
            more = ("--procedure", "fake", "--production", "tonight", "--local-scheduler")
            night = subprocess.Popen([*words, *more], env=campaign.environment(), stdout=log, stderr=log)
        _until(lambda: _times(campaign.cluster, tonight=True), 600)
        pending = _pending(campaign.cluster)
        # On an idle machine the night may start before any element of the campaign has ended.
        _until(lambda: _ended(campaign.cluster), 600)
        night.terminate()
        night.wait(60)
    finally:
        process.terminate()
        process.wait(120)
    submitted, started = min((submit, start) for submit, start, _ in _times(campaign.cluster, tonight=True))
    lasted = _ended(campaign.cluster)
    return {
        "waited_s": (started - submitted).total_seconds(),
        "element_s": {"median": statistics.median(lasted), "max": max(lasted), "elements": len(lasted)},
        "campaign_elements_waiting": pending,
    }


def _ended(cluster: Cluster) -> list[float]:
    """How long the campaign's elements took that have ended well; seconds."""
    return [(end - start).total_seconds() for _, start, end in _times(cluster, tonight=False) if end]


def _until(what: Any, seconds: float) -> None:
    until = time.monotonic() + seconds
    while not what():
        if time.monotonic() > until:
            raise TimeoutError("it did not come")
        time.sleep(0.5)


def _pending(cluster: Cluster) -> int:
    return len(cluster.ask("squeue", "-h", "-r", "-t", "PD", "-o", "%i").splitlines())


def _times(cluster: Cluster, *, tonight: bool) -> list[tuple[datetime, datetime, datetime | None]]:
    """Submission, start and end of elements that have started; those of the night, or the campaign's reconstruction of subruns."""
    found = []
    for line in cluster.ask(
        "squeue", "-h", "-r", "-t", "all", "-O", "SubmitTime:|,StartTime:|,EndTime:|,State:|,Name:200"
    ).splitlines():
        submit, start, end, state, name = (word.strip() for word in line.split("|"))
        wanted = "tonight" in name if tonight else ".dl1" in name
        if wanted and state not in ("PENDING", "CANCELLED") and start not in ("N/A", ""):
            finished = datetime.fromisoformat(end) if state == "COMPLETED" else None
            found.append((datetime.fromisoformat(submit), datetime.fromisoformat(start), finished))
    return found


def plot(memory: Memory, result: Result, path: Path) -> None:
    """Memory over time, as a picture."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 3.6), layout="constrained")
    engines = [(at / 60, size) for at, who, size in memory.series if who != "campaign"]
    own = [(at / 60, size) for at, who, size in memory.series if who == "campaign"]
    axes.plot(*zip(*engines, strict=True), ".", markersize=2, label="engines of its nights")
    axes.plot(*zip(*own, strict=True), ".", markersize=2, label="the campaign's process")
    axes.set(xlabel="minutes", ylabel="resident memory (MB)", ylim=(0, None))
    axes.set_title(
        f"{result.nights} nights of {result.subruns} subruns, {sum(result.killed.values())} kills and stops",
        fontsize=10,
    )
    axes.legend(markerscale=5)
    figure.savefig(path, dpi=110, metadata={"Software": None})


def _configuration(base: Path, days: list[date], duration_s: float) -> Path:
    needs = {name: {"memory_mb": 300, "time_limit_minutes": 5} for name in STEPS}
    slurm = {"poll_seconds": 1, "grace_seconds": 10, "client_timeout_seconds": 20, "time_margin_minutes": 1}
    main = {
        "site": {"name": "drill", "base": str(base)},
        "procedures": ["library.json"],
        "default_procedure": "fake",
        "executor": {
            "type": "slurm",
            "slurm": {**slurm, "partition": "long", "subruns_per_job": 100, "runs_per_job": RUNS},
        },
        "resources": needs,
        "report": {"after_closing": False},
        "morning": {"settle_minutes": 0},
    }
    fake = {
        "name": "fake",
        "production_id": "fake",
        "datacheck": {"enabled": False},
        "longterm": {"enabled": False},
        "dl2": {"models": "models/dec_2276"},
        "fake": {"duration_s": duration_s, "size_kb": 0},
    }
    dates = [{"first": days[0].isoformat(), "last": days[-1].isoformat()}]
    campaign = {"name": NAME, "type": "campaign", "reconstruction": "fake", "dates": dates, "nights_in_flight": 2}
    (base / "tmp").mkdir()
    (base / "library.json").write_text(json.dumps({"procedures": [fake, campaign]}, indent=1))
    (base / "site.json").write_text(json.dumps(main, indent=1))
    return base / "site.json"


def main() -> None:
    """``python -m tests.drills.campaign``."""
    parser = argparse.ArgumentParser(prog="python -m tests.drills.campaign", description=__doc__)
    parser.add_argument("--nights", type=int, default=20)
    parser.add_argument("--subruns", type=int, default=500, help="of a night, in five runs")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--duration", type=float, default=0.0, help="of a fake step, s")
    parser.add_argument("--tonight", action="store_true", help="only: how long a night waits under a full campaign")
    parser.add_argument("--plot", type=Path, help="a PNG of the memory over time")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    asked = parser.parse_args()
    if reason := why_not():
        sys.exit(f"There can be no SLURM here: {reason}.")
    base = Path(tempfile.mkdtemp(prefix="osa-campaign-"))
    with Cluster(nodes=1, cpus=2, min_job_age_s=7200) if asked.tonight else a_cluster() as cluster:
        campaign = Campaign(cluster, base, asked.nights, asked.subruns, asked.duration)
        if asked.tonight:
            told = tonight(campaign, asked.subruns)
            good = told["waited_s"] <= told["element_s"]["max"]
        else:
            result, memory = Result(asked.nights, asked.subruns, asked.kills), Memory()
            began = time.monotonic()
            drill(campaign, asked.kills, random.Random(asked.seed), result, memory)
            result.seconds = round(time.monotonic() - began, 1)
            memory.close()
            result.memory = memory.summary()
            if asked.plot:
                plot(memory, result, asked.plot)
            told, good = asdict(result) | {"good": result.good}, result.good
    if good:
        shutil.rmtree(base, ignore_errors=True)
    else:
        told["kept"] = str(base)
    print(json.dumps(told, indent=None if asked.json else 1))
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
