"""One simulated night: two runs through a leg, then a merge of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from osa_luigi.batch.slurm import model as m
from osa_luigi.batch.slurm.model import Wish
from osa_luigi.batch.slurm.policies import Asked, Policies
from tests.simulation.danger import Crash, Danger, Dice, Disk
from tests.simulation.production import Production
from tests.simulation.world import Nature, Slurm

ASKED = Asked(memory_mb=2000, time_limit_s=600.0)
OTHER = Asked(memory_mb=3000, time_limit_s=450.0)
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

    def play(self) -> Night:
        """From the first wish to the last answer."""
        random = Random(self.seed)
        self._dice = dice = Dice(random, badness=random.choice([0.3, 1.0, 1.0, 2.0]))
        danger = Danger(dice, random.choice([0.0, 0.002, 0.01, 0.03]), random.choice([0.0, 0.0, 0.003, 0.02]))
        wishes = _wishes(random)
        natures = {wish.name: _nature(random) for wish in wishes}
        self._slurm = Slurm(
            dice,
            danger,
            natures,
            slots=random.choice([1, 2, 6]),
            accounts=random.random() < 0.7,
            memory_of=random.choice([20.0, 300.0]),
            limit=random.choice([None, None, 1, 4]),
        )
        self._production = Production(
            self._slurm, Disk(danger), wishes, natures, self._settings, self.events, self._request
        )
        self.told = self._production.told
        while self.turns < LONGEST and not self._production.is_over():
            self.turns += 1
            self._turn()
        self._judge()
        return self

    def _turn(self) -> None:
        if self._slurm.now > QUIET_AFTER_S:
            self._dice.badness = 0.0
        try:
            self._production.turn()
        except Crash:
            self.crashes += 1
            self._production.kill()
        if self._dice.happens(0.05):
            self._production.retry()
        self._slurm.advance(self._dice.random.uniform(1, POLL_S))

    def _settings(self, generation: int) -> m.Settings:
        return m.Settings(
            "night",
            generation,
            Policies(give_up_after=2 if self.seed % 7 == 0 else 20),
            array_size=3,
            max_index=50,
            subruns_per_job=1 + self.seed % 2,
            runs_per_job=1 + self.seed // 2 % 2,
        )

    def _request(self, generation: int) -> Asked:
        """In every third night the configuration is changed before each start of the engine."""
        return OTHER if self.seed % 3 == 0 and generation % 2 == 0 else ASKED

    def _judge(self) -> None:
        self.sbatch = self._slurm.sbatch
        if self.turns >= LONGEST:
            self.trouble.append(f"stuck: {self.told}")
        self.trouble += [*self._slurm.trouble(), *self._production.judge()]


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
