"""A hundred ``kill -9`` at random moments of a night, each followed by the same command again.

``python -m tests.drills.kill --points 100 --json``. Fake steps in most points, the real chain in a few; luigi's process, the
pool, the process of a job or that of a tool is killed, sometimes several times in a row, and two copies of one attempt race. What
was committed before a kill must be there at the end, intact, and not executed again; no product may lie there without its receipt; nothing
may live on. The same seed draws the same kills, if not at the same instruction.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import psutil

from osa_luigi.cli.placeholder import PlaceholderNight
from osa_luigi.runner.environment import ONE_THREAD
from tests.drills.nights import DAY, ROOT, Site, copy_inputs, tiny_night
from tests.drills.witness import Seen, judge, look, marked

MARK = "OSA_DRILL"
LIMIT_S = 900.0
GONE_S = 5.0
"""Seconds within which everything below a killed process must be gone."""

VICTIMS = ("engine", "pool", "job", "tool")
KINDS = {
    "engine": 20,
    "engine, early": 10,
    "pool": 15,
    "job": 10,
    "tool": 15,
    "again and again": 10,
    "race": 10,
    "archiving": 10,
}
"""What is killed → how often, in per cent."""

TRIES = 5
"""How often a night may be over before its kill; it is judged all the same."""
WORK_S = {"fake": 1.6, "real": 30.0}
"""Seconds after the first attempt's begin within which a kill falls: a fake night works for about two."""


@dataclass
class Report:
    """What the drill prints: counts, which must be 0, and a line for each trouble."""

    seed: int
    points: int = 0
    kills: int = 0
    lost: int = 0
    executed_again: int = 0
    unverified: int = 0
    orphans: int = 0
    unfinished: int = 0
    left: int = 0
    kinds: dict[str, int] = field(default_factory=dict)
    troubles: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def good(self) -> bool:
        """Whether every count that must be 0 is."""
        return not (self.lost or self.executed_again or self.unverified or self.orphans or self.unfinished or self.left)


class Point:
    """One night: killed, run again to its end, judged."""

    def __init__(self, site: Site, procedure: str, production: str, report: Report) -> None:
        self.site = site
        self.production = site.production(production)
        self.report = report
        self.mark = uuid.uuid4().hex
        self.log = site.base / "drill.log"
        self._arguments = ("--procedure", procedure)
        self._work_s = WORK_S["fake" if procedure == "fake" else "real"]
        self._seen: list[Seen] = []

    def kill(self, victim: str, after_s: float, *, early: bool = False, settle: bool = True) -> bool:
        """Start the night, and kill when it has worked (`early`: has existed) for some time.

        Returns
        -------
        bool
            False if the night was at its end before.
        """
        night = self._start(self.site.night_command(*self._arguments))
        deadline = time.monotonic() + LIMIT_S
        if not early:
            self._wait_for_work(night, deadline)
        time.sleep(after_s)
        chosen = self._victim(night, victim, deadline)
        if chosen is None:
            night.wait(LIMIT_S)
            return False
        self._seen.append(look(self.production))
        try:
            chosen.kill()
        except psutil.NoSuchProcess:
            night.wait(LIMIT_S)
            return False
        self.report.kills += 1
        night.wait(LIMIT_S)  # without its engine at once; else the engine ends by itself
        if settle:
            self.settle()
        return True

    def kill_archiving(self, after_s: float) -> bool:
        """Kill the engine so long after a run's archive was begun; what works for it dies with it.

        Returns
        -------
        bool
            False if the night was at its end before it was seen to archive.
        """
        night = self._start(self.site.night_command(*self._arguments))
        while night.poll() is None and not any(self.production.scratch.glob("archive.*")):
            time.sleep(0.002)
        time.sleep(after_s)
        if night.poll() is not None:
            return False
        night.kill()
        night.wait(LIMIT_S)
        self.report.kills += 1
        self.settle()
        return True

    def race(self, call: int, delay_s: float) -> None:
        """Two copies of one attempt, one of them killed."""
        command = [sys.executable, "-m", "tests.drills.race", f"--call={call}", f"--delay={delay_s}"]
        # One native thread, or an attempt refuses to fork; the pool sees to that by itself.
        racing = self._start(command, cwd=ROOT, more=dict.fromkeys(ONE_THREAD, "1"))
        said, _ = racing.communicate(timeout=LIMIT_S)
        self.report.kills += 1
        try:
            told = json.loads(said)
        except ValueError:
            self._trouble("unfinished", f"the race did not end well: {said.decode()[-300:]}")
            return
        if not told["survivor"]:
            self._trouble("unfinished", f"the surviving copy of {told['call']} failed")
        self.settle()

    def forget(self) -> None:
        """Begin anew."""
        shutil.rmtree(self.production.root, ignore_errors=True)
        self._seen.clear()

    def settle(self) -> None:
        """What was killed is gone with all that it had started; look at what it left."""
        until = time.monotonic() + GONE_S
        while (alive := marked(MARK, self.mark)) and time.monotonic() < until:
            time.sleep(0.02)
        for process in alive:
            self._trouble("orphans", f"process {process.pid} lived on: {' '.join(_command(process))[:120]}")
            process.kill()
        self._seen.append(look(self.production))

    def finish(self) -> None:
        """Run the same command to its end, and judge."""
        night = self._start(self.site.night_command(*self._arguments))
        night.wait(LIMIT_S)
        self.settle()
        if night.returncode or not (self.production.root / "NightFinished.txt").is_file():
            self._trouble("unfinished", f"exit code {night.returncode}, read {self.log}")
        verdict = judge(self.production, self._seen)
        for count, lines in asdict(verdict).items():
            for line in lines:
                self._trouble(count, line)

    def _trouble(self, count: str, line: str) -> None:
        setattr(self.report, count, getattr(self.report, count) + 1)
        self.report.troubles.append(f"{self.site.base.name}: {count}: {line}")

    def _start(
        self, command: list[str], cwd: Path | None = None, more: dict[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            log.write(f"\n### {time.time():.3f} {' '.join(command)}\n".encode())
            log.flush()
            return subprocess.Popen(
                command,
                cwd=cwd or self.site.base,
                env=self.site.environment({MARK: self.mark, **(more or {})}),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if cwd else log,
                stderr=log,
            )

    def _wait_for_work(self, night: subprocess.Popen[bytes], deadline: float) -> None:
        # A receipt or a working folder that was there before does not count: this engine's lease comes first.
        leases = self.production.state / "engine"
        before = len(list(leases.glob("*.json")))
        while night.poll() is None and time.monotonic() < deadline:
            if len(list(leases.glob("*.json"))) > before and self.production.scratch.is_dir():
                return
            time.sleep(0.01)

    def _victim(self, night: subprocess.Popen[bytes], kind: str, deadline: float) -> psutil.Process | None:
        while night.poll() is None and time.monotonic() < deadline:
            if (found := _find(night.pid, kind)) is not None:
                return found
            time.sleep(0.005)
        return None


def _find(engine: int, kind: str) -> psutil.Process | None:
    """The engine, its pool, one of the pool's jobs, or what one of these has forked for a tool or a verification."""
    try:
        generation = [psutil.Process(engine)]
        for _ in range(VICTIMS.index(kind)):
            generation = [child for process in generation for child in process.children()]
        return generation[0] if generation and generation[0].status() != psutil.STATUS_ZOMBIE else None
    except psutil.Error:
        return None


def _command(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []


def fake_point(folder: Path, number: int, report: Report) -> None:
    """A night of fake steps: two DATA runs of two subruns, 28 steps."""
    chance = random.Random(f"{report.seed}:{number}")
    site = Site(folder / f"point{number:03d}")
    PlaceholderNight(site.base, DAY, data_runs=2, subruns=2).write()
    point = Point(site, "fake", "fake", report)
    kind = chance.choices(list(KINDS), list(KINDS.values()))[0]
    FAKE[kind](point, chance)
    report.kinds[kind] = report.kinds.get(kind, 0) + 1
    _end(point, report)


def _once(point: Point, chance: random.Random, victim: str) -> None:
    for _ in range(TRIES):
        if point.kill(victim, chance.uniform(0, WORK_S["fake"])):
            break
        point.forget()  # it was over before the kill
    point.settle()


def _early(point: Point, chance: random.Random) -> None:
    point.kill("engine", chance.uniform(0, 2.5), early=True)


def _again_and_again(point: Point, chance: random.Random) -> None:
    for _ in range(chance.randint(2, 4)):
        # Without a pause: the next engine starts while what is left of the last one may still be dying.
        point.kill(chance.choice(VICTIMS), chance.uniform(0, WORK_S["fake"] / 2), settle=False)
    point.settle()


def _race(point: Point, chance: random.Random) -> None:
    point.race(chance.randrange(1000), chance.uniform(0, 0.25))


def _archiving(point: Point, chance: random.Random) -> None:
    for _ in range(TRIES):
        if point.kill_archiving(chance.uniform(0, 0.03)):
            break
        point.forget()


FAKE: dict[str, Callable[[Point, random.Random], None]] = {
    **{victim: partial(_once, victim=victim) for victim in VICTIMS},
    "engine, early": _early,
    "again and again": _again_and_again,
    "race": _race,
    "archiving": _archiving,
}


def real_points(folder: Path, points: int, report: Report) -> None:
    """The real chain on the tiny night, killed so many times on its way to its end."""
    chance = random.Random(f"{report.seed}:real")
    point = Point(copy_inputs(tiny_night(), folder / "real"), "tiny", "tiny", report)
    for number in range(points):
        victim = VICTIMS[number % len(VICTIMS)]
        point.kill(victim, chance.uniform(2, WORK_S["real"]))
        report.kinds["real"] = number + 1
    _end(point, report, points)


def _end(point: Point, report: Report, points: int = 1) -> None:
    point.finish()
    report.points += points
    if not any(line.startswith(f"{point.site.base.name}:") for line in report.troubles):
        shutil.rmtree(point.site.base)  # what went wrong is kept for a look


def drill(points: int, real: int, seed: int, tell: Callable[[str], None] = lambda _: None) -> Report:
    """All points, in a temporary folder that is removed if all went well."""
    report = Report(seed)
    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="osa-kill-"))
    numbers: Iterable[int] = range(points - min(real, points))
    for number in numbers:
        fake_point(folder, number, report)
        tell(f"{report.points} of {points}, {len(report.troubles)} troubles")
    if real and points:
        real_points(folder, min(real, points), report)
    report.seconds = round(time.monotonic() - began, 1)
    if report.good:
        shutil.rmtree(folder)
    return report


def main() -> None:
    """``python -m tests.drills.kill``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=100)
    parser.add_argument("--real-points", type=int, default=3, help="of these, how many with the real chain")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    report = drill(asked.points, asked.real_points, asked.seed, lambda line: print(line, file=sys.stderr, flush=True))
    if asked.json:
        print(json.dumps(asdict(report)))
    else:
        for name, value in asdict(report).items():
            print(f"{name:15} {value}")
    sys.exit(0 if report.good else 1)


if __name__ == "__main__":
    main()
