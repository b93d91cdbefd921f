"""Drills on what hands jobs to SLURM: the engine killed, two of them at once, luigid killed or gone."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from pathlib import Path

from osa_luigi.cli.demo.luigid import ADDRESS, free_port
from tests.drills.nights import script
from tests.drills.slurm.night import Night, Outcome, a_cluster

KILLS = 8
"""Kills of one unit, on one night after the other."""

TRAPS = {"": 50, "after": 30, "before": 12, "never": 8}
"""Where an engine dies → how often, in per cent: anywhere, or between sbatch and its record; by what then became of sbatch."""

WORK_S = 8.0
LUIGID = "luigid"


def engine_killed(
    folder: Path, outcome: Outcome, chance: random.Random, runs: int, size: tuple[int, int] = (2, 4)
) -> None:
    """``kill -9`` of the engine again and again, the next one at once; each kill is a run."""
    with a_cluster() as cluster:
        while outcome.runs < runs:
            night = Night(cluster, folder / f"night{outcome.nights}", outcome, size)
            while not night.is_closed and outcome.runs < runs:
                kind = chance.choices(list(TRAPS), list(TRAPS.values()))[0]
                killed = _killed(night, chance) if not kind else _trapped(night, kind, chance)
                outcome.runs += killed
            night.finish()


def _killed(night: Night, chance: random.Random) -> bool:
    leases = len(list((night.production.state / "engine").glob("*.json")))
    engine = night.start()
    night.wait(lambda: len(list((night.production.state / "engine").glob("*.json"))) > leases, engine)
    time.sleep(chance.uniform(0, WORK_S))
    return night.kill(engine)


def _trapped(night: Night, kind: str, chance: random.Random) -> bool:
    engine = night.start(f"{kind}:{chance.randint(1, 3)}:{chance.uniform(0, 6):.1f}")
    engine.wait()
    night.look()
    return engine.returncode == -signal.SIGKILL


def two_engines(folder: Path, outcome: Outcome, chance: random.Random, runs: int) -> None:
    """Two at the same moment: one of them works, the other says why it does not; then both are killed, and two more are started."""
    with a_cluster() as cluster:
        while outcome.runs < runs:
            night = Night(cluster, folder / f"night{outcome.nights}", outcome)
            while not night.is_closed and outcome.runs < runs:
                before = len(night.submissions.logged())
                engines = [night.start(), night.start()]
                while all(engine.poll() is None for engine in engines):
                    time.sleep(0.05)
                time.sleep(chance.uniform(0, WORK_S / 2))
                for engine in engines:
                    night.kill(engine)
                at_work = {one.engine for one in night.submissions.logged()[before:]}
                if len(at_work) > 1:
                    outcome.troubles.append(f"engines {sorted(at_work)} submitted side by side")
                outcome.runs += 1
            night.finish()
            outcome.seen += night.said("is being worked on")[:1]


class Scheduler:
    """Luigi's own command, on one port, which may be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self.url = f"http://{ADDRESS}:{self._port}"
        self.start()

    def start(self) -> None:
        """With the state that was saved, if there is one."""
        command = [script(LUIGID), "--address", ADDRESS, "--port", str(self._port)]
        with (self._folder / "luigid.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "--state-path", str(self._folder / "state.pickle")],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def end(self, number: int = signal.SIGKILL) -> None:
        """SIGTERM: it saves its state. SIGKILL: it does not, and what it saved before is lost, too."""
        self._process.send_signal(number)
        self._process.wait()
        if number == signal.SIGKILL:
            (self._folder / "state.pickle").unlink(missing_ok=True)


def luigid_killed(folder: Path, outcome: Outcome, chance: random.Random, runs: int) -> None:
    """luigid killed without state while a night is at work, and started again; each kill is a run."""
    with a_cluster() as cluster:
        scheduler = Scheduler(folder)
        try:
            while outcome.runs < runs:
                _kill_luigid(Night(cluster, folder / f"night{outcome.nights}", outcome), scheduler, chance, runs)
        finally:
            scheduler.end()


def _kill_luigid(night: Night, scheduler: Scheduler, chance: random.Random, runs: int) -> None:
    engine = night.start(scheduler=scheduler.url)
    night.at_work(engine)
    while engine.poll() is None and night.outcome.runs < runs:
        time.sleep(chance.uniform(0, WORK_S))
        if engine.poll() is None:
            scheduler.end()
            night.look()
            time.sleep(chance.uniform(0, 2))
            scheduler.start()
            night.outcome.runs += 1
    night.finish(engine, starts=2, scheduler=scheduler.url)
    night.outcome.seen += night.said(LUIGID)


def luigid_cases(folder: Path, outcome: Outcome, chance: random.Random, runs: int) -> None:
    """luigid restarted with its state, killed without, and left with a worker that was killed: what the operator reads."""
    cases = {signal.SIGTERM: "restarted", signal.SIGKILL: "killed without state", 0: "stale worker"}
    with a_cluster() as cluster:
        for number, what in cases.items():
            night = Night(cluster, folder / f"night{outcome.nights}", outcome, (1, 2))
            scheduler = Scheduler(night.base)  # of its own: the nights are of one date, and the same tasks to a luigid
            try:
                _hurt_luigid(night, scheduler, number)
            finally:
                scheduler.end()
            outcome.seen += [f"{what}: {line}" for line in night.said() or ["(no warning)"]]
            outcome.runs += 1


def _hurt_luigid(night: Night, scheduler: Scheduler, number: int) -> None:
    """Ended by a signal and started again; or (0) left alone, and the engine killed instead."""
    engine = night.start(scheduler=scheduler.url)
    night.at_work(engine, 2)
    if number:
        scheduler.end(number)
        time.sleep(1)
        scheduler.start()
    else:
        night.kill(engine)
    night.finish(engine if number else None, starts=2, scheduler=scheduler.url)
