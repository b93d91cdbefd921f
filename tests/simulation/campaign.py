"""A simulated campaign: many nights, a few at a time, on one SLURM; its process and its engines are killed and stopped until all is made.

The engines, the decisions of the campaign, its notes and its pauses are the real ones, the latter in real files. Simulated are time,
processes, SLURM, what runs there, and luigi; a night is closed when the last of its jobs, the closing, is made.
"""

from __future__ import annotations

import gc
import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from random import Random

from osa_luigi.batch.slurm import model as m
from osa_luigi.batch.slurm.policies import Policies
from osa_luigi.config import Point, load_campaign, load_main
from osa_luigi.night.dates import compact
from osa_luigi.tasks.campaign import core
from osa_luigi.tasks.campaign.standing import DONE, Nights, Standing, finished
from tests.simulation.campaign_process import Process
from tests.simulation.campaign_site import NAME, RUNS, some_nature, wishes_of, write_site
from tests.simulation.danger import Crash, Danger, Dice, Disk
from tests.simulation.production import Production
from tests.simulation.world import Nature, Slurm

SLOTS = 500
POLL_S = 60.0
TURNS_PER_NIGHT = 400
"""After so many for each night, the campaign counts as stuck."""

LONGEST_MERGE_S = 200.0


@dataclass
class Engine:
    """Luigi's process for a production of a night, as the campaign started it."""

    production: Production
    night: date
    point: Point
    interrupted: bool = False


@dataclass
class Memory:
    """How much there is of everything when a night's last production has been closed."""

    night: int
    rss_mb: float
    objects: int


@dataclass
class Result:
    """What became of a campaign; all that counts on the way, and what went wrong."""

    nights: int
    subruns: int
    points: int
    seed: int
    closed: int = 0
    products: int = 0
    starts: int = 0
    engines: int = 0
    hurt: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    sbatch_calls: int = 0
    turns: int = 0
    simulated_h: float = 0.0
    most_nights_at_work: int = 0
    trouble: list[str] = field(default_factory=list)
    memory: list[Memory] = field(default_factory=list)


class Campaign:
    """The world of a campaign, driven by a seed.

    Parameters
    ----------
    base
        An empty folder.
    subruns
        Of each night, in five runs.
    points
        Productions of each night.
    """

    def __init__(
        self, base: Path, nights: int, subruns: int, seed: int, points: int = 1, nights_in_flight: int = 3
    ) -> None:
        self.result = Result(nights, subruns, points, seed)
        self._random = random = Random(seed)
        self._dice = dice = Dice(random, badness=random.choice([0.3, 1.0, 1.0]))
        few = nights * points <= 20
        self.danger = Danger(dice, random.choice([0.002, 0.006]) if few else 0.0005)
        self._mishap = random.choice([0.01, 0.03]) if few else 0.005
        self._per_job = random.choice([1, 2])
        self._natures: dict[str, Nature] = {}
        self._slurm = Slurm(dice, self.danger, self._natures, accounts=random.random() < 0.7, slots=SLOTS)
        self._base, self._config = base, write_site(base, nights, points, nights_in_flight)
        self._process: Process | None = None
        self._engines: list[Engine] = []
        self._productions: dict[tuple[date, str], Production] = {}
        self._nights = self.open()

    def open(self) -> Nights:
        """The campaign's nights, read anew."""
        main = load_main(self._config, check_files=False)
        return Nights(self._config, main, load_campaign(main, NAME))

    def play(self) -> Result:
        """From the first start to the last product."""
        result = self.result
        while not self._is_over() and result.turns < TURNS_PER_NIGHT * result.nights * result.points:
            result.turns += 1
            self._turn()
        result.sbatch_calls, result.simulated_h = self._slurm.sbatch, round(self._slurm.now / 3600, 1)
        self._judge()
        return result

    # ---- what the campaign's process calls --------------------------------------------------------------------------

    def start(self, day: date, point: Point) -> None:
        """Luigi's command for a production of a night."""
        key = (day, point.production)
        if any((engine.night, engine.point.production) == key for engine in self._engines):
            self.result.trouble.append(f"{key}: an engine was started beside another")
        if finished(self._nights.production(day, point)):
            self.result.trouble.append(f"{key}: closed already, and started again")
        if key not in self._productions:
            self._productions[key] = self._production(day, point)
        self.result.engines += 1
        self._engines.append(Engine(self._productions[key], day, point))

    def interrupt(self) -> None:
        """Ctrl-C for all engines."""
        for engine in self._engines:
            engine.interrupted = True

    def tear(self, path: Path) -> None:
        """A kill in the middle of a line: only the first part of it is on the disk, or nothing, or all."""
        content = path.read_bytes()
        line = len(content) - (content.rstrip(b"\n").rfind(b"\n") + 1)
        os.truncate(path, len(content) - self._random.randint(0, line))

    # ---- time passes ------------------------------------------------------------------------------------------------

    def _turn(self) -> None:
        try:
            self._campaign_turns()
        except Crash:
            self._kill("campaign killed")
        for engine in list(self._engines):
            self._engine_turns(engine)
        self._mishaps()
        self._slurm.advance(self._random.uniform(1, POLL_S))
        self._close_nights()

    def _campaign_turns(self) -> None:
        if self._process is None:
            if self._random.random() < 0.3:  # else nobody has noticed yet
                self._nights.folder.resume()
                self._process = Process(self)
                self.result.starts += 1
            return
        self._process.turn()
        self.result.most_nights_at_work = max(self.result.most_nights_at_work, len(self._process.state.nights))
        if self._process.state.over:
            self._process = None

    def _engine_turns(self, engine: Engine) -> None:
        production = engine.production
        code = 1 if engine.interrupted else None
        try:
            if code is None:
                production.turn()
                if production.is_over():
                    code = 0
        except Crash:
            code = -9
            self.result.hurt["engine killed"] += 1
        if code == 0:
            self.result.trouble += production.judge()
            production.trouble.clear()
        if code is not None:
            production.kill()
            self._engines.remove(engine)
            if self._process:
                self._process.has_ended(engine, code)

    def _kill(self, what: str) -> None:
        """The kernel ends a campaign's engines with it."""
        self.result.hurt[what] += 1
        self._process = None
        for engine in self._engines:
            engine.production.kill()
        self._engines.clear()

    def _mishaps(self) -> None:
        if self._random.random() < self._mishap:
            self._kill("machine restarted")
        if self._process and self._random.random() < self._mishap:
            self.result.hurt["campaign stopped"] += 1
            try:
                self._process.hear(core.Stopped())
            except Crash:
                self._kill("campaign killed")
        if self._random.random() < self._mishap:
            now = self._random.random() < 0.5
            self._nights.folder.pause("the disk is full", now=now)
            self.result.hurt["paused, nights stopped" if now else "paused"] += 1
        elif self._random.random() < 0.1:
            self._nights.folder.resume()
        if self._random.random() < 0.05:
            for production in self._productions.values():
                production.retry()

    # ---- nights -----------------------------------------------------------------------------------------------------

    def _production(self, day: date, point: Point) -> Production:
        label = f"{compact(day)}.{point.production}"
        wishes = wishes_of(label, self.result.subruns)
        natures = {wish.name: some_nature(self._random) for wish in wishes}
        # Merges of several runs share an element: together, too, they must fit into what a job may grow to.
        for nature in (natures[wish.name] for wish in wishes if wish.index is None):
            nature.duration_s = min(nature.duration_s, LONGEST_MERGE_S)
        self._natures |= natures

        def settings(generation: int) -> m.Settings:
            return m.Settings(label, generation, Policies(), subruns_per_job=self._per_job, runs_per_job=RUNS)

        return Production(self._slurm, Disk(self.danger), wishes, natures, settings)

    def _close_nights(self) -> None:
        """Markers for nights that have just been closed; what nothing runs for any more is judged and forgotten."""
        at_work = {id(engine.production) for engine in self._engines}
        for (day, name), production in list(self._productions.items()):
            if production.wishes[-1].name not in self._slurm.made:
                continue
            root = self._nights.main.site.paths.running_analysis / compact(day) / name
            if not (root / "NightFinished.json").exists():
                root.mkdir(parents=True)
                (root / "NightFinished.json").write_text(json.dumps({"products": len(production.wishes)}))
            names = [wish.name for wish in production.wishes]
            if id(production) not in at_work and self._slurm.is_done_with(names):
                self._forget(day, name, production)

    def _forget(self, day: date, name: str, production: Production) -> None:
        label = f"{compact(day)}.{name}"
        result, slurm = self.result, self._slurm
        missing = [wish.name for wish in production.wishes if wish.name not in slurm.made]
        result.trouble += [f"{one} is not made, and the night is closed" for one in missing]
        result.trouble += slurm.trouble()
        for fault in (slurm.submitted_twice, slurm.submitted_made):
            fault.clear()
        for array in [array for array in slurm.accepted if array.startswith(f"{label}.")]:
            if f"arrays/{array}/intent.json" not in production.disk.files:
                result.trouble.append(f"{array} is not in the journal")
        result.closed += 1
        result.products += len(production.wishes) - len(missing)
        names = [wish.name for wish in production.wishes]
        slurm.forget(names, label)
        for one in names:
            del self._natures[one]
        del self._productions[day, name]
        result.memory.append(_memory(result.closed))

    def _is_over(self) -> bool:
        """All is closed, and the campaign says so."""
        result = self.result
        return (
            result.closed == result.nights * result.points
            and not self._process
            and all(standing.state in DONE for standing in self._standings())
        )

    def _standings(self) -> Iterator[Standing]:
        return self._nights.standings()

    def _judge(self) -> None:
        result = self.result
        expected = result.nights * result.points
        if result.closed != expected:
            left = {f"{day}": production.told for (day, _), production in self._productions.items()}
            told = {day: Counter(kinds.values()) for day, kinds in left.items()}
            result.trouble.append(f"stuck: {result.closed} of {expected} closed; {told}")
        result.trouble += [f"{one.date}: {one.state} {one.why}" for one in self._standings() if one.state not in DONE]
        result.trouble += self._slurm.trouble()
        if result.most_nights_at_work > (most := self._nights.campaign.nights_in_flight):
            result.trouble.append(f"{result.most_nights_at_work} nights at a time, and {most} are asked for")


def _memory(night: int) -> Memory:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return Memory(night, round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20, 1), len(gc.get_objects()))
