"""Drills on SLURM itself: its controller stopped or killed, a node lost, elements cancelled, requeued, or ended for what they took."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from osa_luigi.batch.slurm.journal import Journal
from osa_luigi.batch.slurm.store import FileStore
from tests.cluster import Cluster
from tests.drills.arrays import array_file, array_names
from tests.drills.slurm.night import Night, Outcome, a_cluster

SIZE = (1, 3)
SLOW_S = 2.0
"""Steps that last so long can be met while they run."""

Hurt = Callable[[Night, Cluster, subprocess.Popen[bytes], random.Random], None]


def on_slurm(hurt: Hurt, trap: str = "") -> Callable[[Path, Outcome, random.Random, int], None]:
    """A drill: each run a night of its own that is hurt once."""

    def drill(folder: Path, outcome: Outcome, chance: random.Random, runs: int) -> None:
        for _ in range(runs):
            with a_cluster() as cluster:
                night = Night(cluster, folder / f"night{outcome.nights}", outcome, SIZE, duration_s=SLOW_S)
                engine = night.start(trap)
                hurt(night, cluster, engine, chance)
                night.finish(engine, starts=2)
                outcome.seen += night.said("SLURM", "scancel", "sbatch", "squeue", "Slurm")[:4]
                outcome.runs += 1

    return drill


def stopped(night: Night, cluster: Cluster, engine: subprocess.Popen[bytes], chance: random.Random) -> None:
    """slurmctld hangs over a submission, every other time for longer than sbatch may take, and then works off what it was sent."""
    night.wait(night.submissions.trapped, engine)
    cluster.stop_slurmctld()
    try:
        night.submissions.go.touch()
        time.sleep(chance.uniform(2, 8))  # sbatch may take 10 s
        if night.outcome.number % 2 == 0:
            if not night.wait(lambda: night.said("SLURM has not answered"), engine, 30):
                night.outcome.troubles.append("nobody was told that sbatch hangs")
            time.sleep(chance.uniform(0, 10))
    finally:
        cluster.continue_slurmctld()
    night.look()


def controller_killed(night: Night, cluster: Cluster, engine: subprocess.Popen[bytes], chance: random.Random) -> None:
    """slurmctld is killed at work, some seconds later it is there again with what it had saved."""
    night.at_work(engine, chance.randint(1, 4))
    time.sleep(chance.uniform(0, 2))
    cluster.kill_slurmctld()
    night.look()
    time.sleep(chance.uniform(0, 15))
    cluster.restart_slurmctld()


def controller_restarted(
    night: Night, cluster: Cluster, engine: subprocess.Popen[bytes], chance: random.Random
) -> None:
    """slurmctld is killed and started again at once, three times.

    Now and then a node cannot start then what it is sent, and SLURM takes it out of service. The engine says so, and an operator puts the
    node back.
    """
    for arrays in (1, 3, 5):
        night.at_work(engine, arrays)
        time.sleep(chance.uniform(0, 1))
        cluster.kill_slurmctld()
        cluster.restart_slurmctld()
        night.look()
    if night.wait(lambda: night.said("UnavailableNodes"), engine):
        cluster.ask("scontrol", "update", f"nodename={','.join(cluster.nodes)}", "state=resume")


def node_killed(night: Night, cluster: Cluster, engine: subprocess.Popen[bytes], chance: random.Random) -> None:
    """The node that works loses its power, and is there again some seconds later."""
    place = _running(night, cluster, engine)
    if place:
        name = cluster.ask("squeue", "-h", "-j", place, "-o", "%N").strip() or cluster.nodes[0]
        cluster.kill_node(name, jobs=True)
        night.look()
        cluster.ask("scontrol", "update", f"nodename={name}", "state=down", "reason=drill")
        time.sleep(chance.uniform(1, 5))
        cluster.restart_node(name)
        cluster.ask("scontrol", "update", f"nodename={name}", "state=resume")


def requeued(night: Night, cluster: Cluster, engine: subprocess.Popen[bytes], chance: random.Random) -> None:
    """An element is requeued by hand while it runs."""
    place = _running(night, cluster, engine)
    cluster.ask("scontrol", "requeue", place)
    night.look()
    time.sleep(2.5)  # not within the second of its first end, or SLURM counts both as one
    cluster.ask("scontrol", "update", f"jobid={place}", "StartTime=now")


def cancelled(night: Night, cluster: Cluster, engine: subprocess.Popen[bytes], chance: random.Random) -> None:
    """An element is cancelled by hand: given up, until its mark is taken away."""
    cluster.ask("scancel", _running(night, cluster, engine))
    engine.wait()
    night.look()
    journal = Journal(FileStore(night.production.state / "engine"))
    given_up = journal.given_up()
    if night.is_closed or not given_up:
        night.outcome.troubles.append("what was cancelled by hand was not given up")
    night.outcome.seen += [job.text[:300] for job in given_up]
    journal.forgive([job.wish.name for job in given_up])


def _running(night: Night, cluster: Cluster, engine: subprocess.Popen[bytes]) -> str:
    """An element that is at work: ``<job>_<index>``."""
    found: list[str] = []

    def look() -> bool:
        attempts = any(night.production.scratch.glob("*"))
        found[:] = cluster.ask("squeue", "-h", "-r", "-t", "R", "-o", "%i").split() if attempts else []
        return bool(found)

    night.wait(look, engine)
    return found[-1] if found else ""


GREEDY = f"""#!{sys.executable}
import os, sys, time
from osa_luigi.batch.slurm import element
from osa_luigi.steps import fake

if any(word.endswith("dl2") or ".dl2" in word for word in sys.argv) and int(os.environ["SLURM_MEM_PER_NODE"]) < 400:
    def main():
        block = bytearray(b"x" * (500 << 20))
        time.sleep(60)

    fake.main = main
sys.exit(element.main(sys.argv[-1:]))
"""
"""In the place of the interpreter: merged data that take more memory than was asked for at first."""


def out_of_memory(folder: Path, outcome: Outcome, chance: random.Random, runs: int) -> None:
    """A step takes more than it had asked for; the next time it asks for more. The kernel ends it, or SLURM that looks each second."""
    greedy = folder / "greedy"
    greedy.write_text(GREEDY)
    greedy.chmod(0o755)
    kinds = ["poll", *(["cgroup"] if Path("/sys/fs/cgroup/memory/memory.limit_in_bytes").exists() else [])]
    for number in range(runs):
        with a_cluster(kinds[number % len(kinds)]) as cluster:
            settings = {"environment": {"python": str(greedy)}, "retries": {"killed": 3}}
            night = Night(cluster, folder / f"night{outcome.nights}", outcome, SIZE, settings)
            night.finish()
            _expect_retry(night, "memory")
            outcome.runs += 1


def time_limit(folder: Path, outcome: Outcome, chance: random.Random, runs: int) -> None:
    """A step takes longer than it may; the next time it may take longer."""
    for _ in range(runs):
        with a_cluster() as cluster:
            # An attempt is looked at each second: it is over its time at 2 s, and within what it may take then at 2.5 s.
            step = {"dl2": {"time_limit_minutes": 0.025}}
            night = Night(cluster, folder / f"night{outcome.nights}", outcome, SIZE, None, step, duration_s=2.5)
            night.finish()
            _expect_retry(night, "time")
            outcome.runs += 1


def _expect_retry(night: Night, cause: str) -> None:
    found = (array_file(night.production, name, "closed.json") for name in array_names(night.production))
    failed = [one for text in found if text for jobs in json.loads(text)["failed"].values() for one in jobs]
    night.outcome.seen += [f"{one['cause']}: {one['text'][:300]}" for one in failed]
    if cause not in {one["cause"] for one in failed}:
        night.outcome.troubles.append(f"nothing was tried again for {cause}")
