"""One production of a simulated night: a luigi that asks again after every crash, what its engines told, and how it is judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import nextafter
from pathlib import Path

from osa_luigi.batch.slurm import exchange as ex
from osa_luigi.batch.slurm import model as m
from osa_luigi.batch.slurm.core import decide, due
from osa_luigi.batch.slurm.engine import Engine
from osa_luigi.batch.slurm.journal import Journal
from osa_luigi.batch.slurm.model import Wish
from osa_luigi.batch.slurm.policies import ENDING, Asked
from osa_luigi.batch.slurm.recorder import Recorder
from osa_luigi.batch.slurm.seen import Sighting
from osa_luigi.batch.slurm.states import Cause
from osa_luigi.batch.slurm.world import World
from tests.simulation.danger import Crash, Disk
from tests.simulation.world import Files, Nature, Slurm


@dataclass
class Production:
    """What is to be made, through all lives of its engine.

    Parameters
    ----------
    settings
        Of an engine, by its generation.
    natures
        Of its jobs.
    events
        Where each life of the engine is recorded, if anywhere.
    request
        What jobs ask for, by the generation of the engine: the configuration may have been changed. By default what the wishes say.
    """

    slurm: Slurm
    disk: Disk
    wishes: Sequence[Wish]
    natures: dict[str, Nature]
    settings: Callable[[int], m.Settings]
    events: Path | None = None
    request: Callable[[int], Asked] | None = None
    engine: Engine | None = None
    generation: int = 0
    told: dict[str, str] = field(default_factory=dict)
    retried: dict[str, int] = field(default_factory=dict)
    """What an operator had tried again, and how often it had been handed in by then."""
    trouble: list[str] = field(default_factory=list)
    _asked: set[str] = field(default_factory=set)
    _queue: Mapping[str, Mapping[int, Sighting]] = field(default_factory=dict)
    """As the engine last saw it."""

    def turn(self) -> None:
        """What luigi and the engine do between two looks at the queue; an engine is begun where there is none. `Crash` kills it."""
        if self.engine is None:
            self._begin()
        engine = self.engine
        assert engine is not None
        if wishes := [wish for wish in self.wishes if wish.name not in self._asked and self._is_ready(wish)]:
            engine.want([self._asking(wish) for wish in wishes])
            self._asked |= {wish.name for wish in wishes}
        engine.submit()
        self._expect_quiet(engine)
        self._expect_calm(engine)
        engine.look()
        self._listen(engine)

    def _asking(self, wish: Wish) -> Wish:
        return replace(wish, asked=self.request(self.generation)) if self.request else wish

    def kill(self) -> None:
        """The engine is gone; what it had written is there."""
        self.engine = None

    def retry(self) -> None:
        """An operator mends the cause and has tried again what was given up, whether an engine is there or not."""
        journal = Journal(self.disk.as_others_see_it())
        names = [job.wish.name for job in journal.given_up()]
        journal.forgive(names)
        for name in names:
            self.natures[name].broken = False
            self.told[name] = "again"
            self.retried[name] = self.slurm.submissions[name]

    def holds(self) -> bool:
        """Of the lease: always."""
        return True

    def is_over(self) -> bool:
        """Nothing is left to ask for, and the engine has put everything away."""
        if not (self.engine and self.engine.is_idle()):
            return False
        ready = (wish for wish in self.wishes if self.slurm.made.issuperset(wish.after))
        return all(self.told.get(wish.name) in ("done", "given up") for wish in ready)

    def judge(self) -> list[str]:
        """What went wrong with it, as far as its engines and the journal say."""
        found = list(self.trouble)
        for name, kind in self.told.items():
            if kind == "done" and name not in self.slurm.made:
                found.append(f"{name} is said to be done, and is not made")
        for name, before in self.retried.items():
            if self.slurm.submissions[name] == before and self.told[name] != "done" and not self._is_held_back(name):
                found.append(f"{name} was to be tried again, and was not")
        return found + self._unfounded() + self._unjust()

    def _begin(self) -> None:
        self.generation += 1
        self._asked = set()
        settings = self.settings(self.generation)
        recorder = Recorder(self.events / f"{self.generation}.jsonl", settings) if self.events else None

        def watch(event: ex.Event, commands: tuple[ex.Command, ...]) -> None:
            if isinstance(event, ex.Polled) and event.queue is not None:
                self._queue = event.queue
            if recorder:
                recorder(event, commands)

        slurm = self.slurm
        world = World(slurm, Files(slurm), Journal(self.disk), self, lambda: slurm.now, watch)
        try:
            self.engine = Engine(settings, world)
        except OSError as error:  # the journal cannot be read: it says so, and is started again
            raise Crash from error

    def _expect_quiet(self, engine: Engine) -> None:
        """A tick that the engine passes over would have brought nothing."""
        at, state = self.slurm.now, engine.state
        brings = bool(decide(state, ex.Tick(at))[1])
        if brings and engine.due > at:
            self.trouble.append(f"a tick at {at} would have brought something, and the engine rests until {engine.due}")
        for until in {due(state, at), engine.due} if not brings else ():
            if until > at and decide(state, ex.Tick(nextafter(until, at)))[1]:
                self.trouble.append(f"a tick before {until} would have brought something")

    def _expect_calm(self, engine: Engine) -> None:
        """What the engine does not go through at a look, because SLURM says the same as before, would have brought nothing."""
        state, look = engine.state, ex.Polled(self.slurm.now, (), self.slurm.now, self._queue)
        anew = replace(state, arrays={name: replace(array, calm=None) for name, array in state.arrays.items()})
        if anew.arrays != state.arrays and decide(state, look) != decide(anew, look):
            self.trouble.append(f"at {look.at} the same queue again would have brought something")

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
        if wish.name in self.slurm.made and wish.name not in self._asked:
            self.told[wish.name] = "done"
            return False
        return self.slurm.made.issuperset(wish.after)

    def _is_held_back(self, name: str) -> bool:
        """Whether its stage was given up before its turn came."""
        job = self.engine.state.jobs.get(name) if self.engine else None
        return job is not None and job.text.startswith("not tried")

    def _unjust(self) -> list[str]:
        """Jobs that pay for others of their element.

        The next one may be charged once: where the engine was killed before it closed the array, or a lost copy has made the other since.
        """
        excused = self.generation > 1 or bool(self.slurm.made_by_lost)
        found = []
        for job in self.engine.state.jobs.values() if self.engine else ():
            spared = [failure for failure in job.failures if (job.wish.name, failure.where) in self.slurm.spared]
            charged = [failure.where for failure in spared if failure.cause in ENDING]
            if len(charged) > excused:
                found.append(f"{job.wish.name} is charged at {', '.join(charged)}, which died before it came to it")
        return found

    def _unfounded(self) -> list[str]:
        """Failures that nothing in the world explains: a query that failed is no failure of a job."""
        found = []
        for job in self.engine.state.jobs.values() if self.engine else ():
            for failure in job.failures:
                real = self.slurm.happened.get(failure.where, set())
                if failure.cause not in real and failure.cause is not Cause.REFUSED:
                    found.append(
                        f"{job.wish.name}: {failure.cause} at {failure.where}, but there was {real or 'nothing'}"
                    )
        return found
