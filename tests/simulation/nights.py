"""One simulated night: two runs through a leg, then a merge of each; a luigi that asks again after every crash."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from osa_luigi.batch.slurm import model as m
from osa_luigi.batch.slurm.engine import Engine, World
from osa_luigi.batch.slurm.journal import Journal
from osa_luigi.batch.slurm.model import Wish
from osa_luigi.batch.slurm.policies import Asked, Policies
from osa_luigi.batch.slurm.recorder import Recorder
from osa_luigi.batch.slurm.states import Cause
from tests.simulation.world import Crash, Danger, Dice, Disk, Files, Nature, Slurm

ASKED = Asked(memory_mb=2000, time_limit_s=600.0)
POLL_S = 40.0
QUIET_AFTER_S = 3000.0
"""Then the world behaves, so that every night has an end."""
LONGEST = 1500
"""Turns of the engine, after which a night counts as stuck."""


@dataclass
class Night:
    """A night by its seed, and what became of it."""

    seed: int
    events: Path | None = None
    """Where each life of the engine is recorded."""
    trouble: list[str] = field(default_factory=list)
    turns: int = 0
    crashes: int = 0
    sbatch: int = 0
    told: dict[str, str] = field(default_factory=dict)
    retried: dict[str, int] = field(default_factory=dict)
    """What an operator had tried again, and how often it had been handed in by then."""

    def play(self) -> Night:
        """From the first wish to the last answer."""
        random = Random(self.seed)
        self._dice = dice = Dice(random, badness=random.choice([0.3, 1.0, 1.0, 2.0]))
        self._danger = Danger(dice, random.choice([0.0, 0.002, 0.01, 0.03]))
        self._disk = Disk(self._danger)
        self._wishes = _wishes(random)
        self._natures = natures = {wish.name: _nature(random) for wish in self._wishes}
        self._slurm = Slurm(
            dice, self._danger, natures, accounts=random.random() < 0.7, memory_of=random.choice([20.0, 300.0])
        )
        self._generation = 0
        self._engine: Engine | None = None
        while self.turns < LONGEST and not self._is_over():
            self.turns += 1
            self._turn()
        self._judge()
        return self

    def _turn(self) -> None:
        if self._slurm.now > QUIET_AFTER_S:
            self._dice.badness = 0.0
        try:
            if self._engine is None:
                self._begin()
            assert self._engine is not None
            if wishes := [wish for wish in self._wishes if wish.name not in self._asked and self._is_ready(wish)]:
                self._engine.want(wishes)
                self._asked |= {wish.name for wish in wishes}
            self._engine.submit()
            self._engine.look()
            self._listen(self._engine)
        except Crash:
            self.crashes += 1
            self._engine = None
        if self._dice.happens(0.05):
            self._retry()
        self._slurm.advance(self._dice.random.uniform(1, POLL_S))

    def _retry(self) -> None:
        """An operator mends the cause and has tried again what was given up, whether an engine is there or not."""
        journal = Journal(self._disk.as_others_see_it())
        names = [job.wish.name for job in journal.given_up()]
        journal.forgive(names)
        for name in names:
            self._natures[name].broken = False
            self.told[name] = "again"
            self.retried[name] = self._slurm.submissions[name]

    def _begin(self) -> None:
        self._generation += 1
        self._asked: set[str] = set()
        settings = m.Settings(
            "night",
            self._generation,
            Policies(),
            array_size=3,
            max_index=50,
            subruns_per_job=1 + self.seed % 2,
            runs_per_job=1 + self.seed // 2 % 2,
        )
        watch = Recorder(self.events / f"{self._generation}.jsonl", settings) if self.events else None
        world = World(self._slurm, Files(self._slurm), Journal(self._disk), self, lambda: self._slurm.now, watch)
        self._engine = Engine(settings, world)

    def holds(self) -> bool:
        """Of the lease: always."""
        return True

    def _listen(self, engine: Engine) -> None:
        for told in engine.told:
            if told.kind != "state":
                before = self.told.get(told.job)
                if before == "done" and told.kind != "done":
                    self.trouble.append(f"{told.job} was done, then {told.kind}")
                self.told[told.job] = told.kind
            if told.kind == "again":  # luigi hands it out once more
                self._asked.discard(told.job)
        engine.told.clear()

    def _is_ready(self, wish: Wish) -> bool:
        """Luigi asks for what is not complete and whose requirements are."""
        if wish.name in self._slurm.made and wish.name not in self._asked:
            self.told[wish.name] = "done"
            return False
        return self._slurm.made.issuperset(wish.after)

    def _is_over(self) -> bool:
        """Nothing is left to ask for, and the engine has put everything away."""
        if not (self._engine and self._engine.is_idle()):
            return False
        ready = (wish for wish in self._wishes if self._slurm.made.issuperset(wish.after))
        return all(self.told.get(wish.name) in ("done", "given up") for wish in ready)

    def _judge(self) -> None:
        slurm = self._slurm
        self.sbatch = slurm.sbatch
        if self.turns >= LONGEST:
            self.trouble.append(f"stuck: {self.told}")
        self.trouble += [f"{name} was submitted twice" for name in slurm.submitted_twice]
        self.trouble += [f"{name} was made already and submitted again" for name in slurm.submitted_made]
        self.trouble += [f"{name} was executed {count} times" for name, count in slurm.runs.items() if count > 1]
        for name, kind in self.told.items():
            if kind == "done" and name not in slurm.made:
                self.trouble.append(f"{name} is said to be done, and is not made")
        for name, before in self.retried.items():
            if self._slurm.submissions[name] == before and self.told[name] != "done" and not self._is_held_back(name):
                self.trouble.append(f"{name} was to be tried again, and was not")
        self.trouble += self._unfounded()

    def _is_held_back(self, name: str) -> bool:
        """Whether its stage was given up before its turn came."""
        job = self._engine.state.jobs.get(name) if self._engine else None
        return job is not None and job.text.startswith("not tried")

    def _unfounded(self) -> list[str]:
        """Failures that nothing in the world explains: a query that failed is no failure of a job."""
        found = []
        for job in self._engine.state.jobs.values() if self._engine else ():
            for failure in job.failures:
                real = self._slurm.happened.get(failure.where, set())
                if failure.cause not in real and failure.cause is not Cause.REFUSED:
                    found.append(
                        f"{job.wish.name}: {failure.cause} at {failure.where}, but there was {real or 'nothing'}"
                    )
        return found


def _wishes(random: Random) -> list[Wish]:
    wishes = []
    for run in (2001, 2002):
        subruns = [Wish(f"dl1.{run}.{n}", f"Run{run}.dl1", "dl1", ASKED, index=n) for n in range(random.randint(1, 4))]
        # `after` stands here for luigi's requirements; none of it is a rider, so it holds back nothing in the engine.
        merge = Wish(f"merge.{run}", "merge", "merge", ASKED, after=tuple(wish.name for wish in subruns))
        wishes += [*subruns, merge]
    return wishes


def _nature(random: Random) -> Nature:
    return Nature(
        duration_s=random.choice([5.0, 30.0, 200.0, 200.0, 700.0]) if random.random() < 0.9 else 1.0,
        memory_mb=random.choice([1000, 1000, 1000, 1000, 2500, 5000, 90_000]),
        broken=random.random() < 0.05,
    )
