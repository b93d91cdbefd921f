"""The engine and a SLURM that does not answer: what the operator reads meanwhile, and how often the engine thinks it over."""

from __future__ import annotations

import re
from collections.abc import Mapping

from slurm_work import SETTINGS, seen, wish

from osa_luigi.batch.slurm import exchange as ex
from osa_luigi.batch.slurm import model as m
from osa_luigi.batch.slurm.engine import Engine
from osa_luigi.batch.slurm.journal import Journal
from osa_luigi.batch.slurm.news import AGAIN_S, News, Silence
from osa_luigi.batch.slurm.seen import Sighting
from osa_luigi.batch.slurm.world import World
from osa_luigi.errors import AccountingAway, SlurmAway
from tests.simulation.danger import Disk


def test_a_silence_is_told_of_once_now_and_then_and_at_its_end() -> None:
    news, silence = News(30.0), Silence(100.0, "squeue did not end within 30 s.")
    assert news.of(None, 90.0) == ""
    told = news.of(silence, 130.0)
    assert re.fullmatch(
        r"SLURM has not answered since \d\d:\d\d:\d\d \(30 s\): squeue did not end within 30 s\. What SLURM has goes on; "
        r"nothing is taken for failed, and nothing is submitted twice\. It is asked every 30 s\.",
        told,
    )
    assert [news.of(silence, 130.0 + wait) for wait in (30, AGAIN_S - 1)] == ["", ""]
    assert "(10 min)" in news.of(silence, 130.0 + AGAIN_S)
    assert news.of(None, 100.0 + 7500) == "SLURM answers again, after 2 h 5 min."
    assert news.of(None, 9000.0) == ""


class Slow:
    """A SLURM that takes what it is given, and does not say so; and files that say nothing."""

    def __init__(self) -> None:
        self.now = 0.0
        self.away = True
        self.hidden = False
        """Whether its queue does not hold what it has."""
        self.array = ""
        self.asked: list[str] = []
        self.taken: list[str] = []

    def submit(self, array: m.ArrayState) -> int:
        self.asked.append("sbatch")
        self.array = array.name
        if not self.away:
            return 7
        self.now += 10.0
        raise SlurmAway("sbatch did not end within 10 s.")

    def queue(self) -> tuple[float, Mapping[str, Mapping[int, Sighting]]]:
        self.asked.append("squeue")
        if self.away:
            self.now += 10.0
            raise SlurmAway("squeue did not end within 10 s.")
        return self.now, {} if self.hidden else self.held()

    def held(self) -> dict[str, dict[int, Sighting]]:
        return {self.array: {0: seen("PENDING", name=self.array)}}

    def find(self, name: str) -> list[Sighting]:
        return list(self.held()[name].values())

    def accounting(self, arrays: Mapping[str, int]) -> Mapping[str, Mapping[int, Sighting]]:
        raise SlurmAway("sacct: slurmdbd does not answer.")

    def holds(self) -> bool:
        return True

    def prepare(self, array: m.ArrayState, jobs: Mapping[str, m.JobState]) -> None:
        """Nothing to write."""

    def notes(self, arrays: object) -> list[ex.Note]:
        return []


def test_an_sbatch_that_hangs_is_told_of_with_what_becomes_of_it(no_chance: Disk) -> None:
    slurm, news = Slow(), News(30.0)
    engine = Engine(SETTINGS, World(slurm, slurm, Journal(no_chance), slurm, lambda: slurm.now))  # type: ignore[arg-type]
    engine.want([wish(0)])
    lines: list[str] = []

    def turn() -> None:
        engine.submit()
        engine.look()
        lines.extend([*engine.said, news.of(engine.silence, slurm.now)])
        engine.said.clear()

    turn()
    turn()
    assert slurm.asked == ["sbatch", "squeue", "squeue"], "while it is away, no more than once a look"
    slurm.away = False
    turn()
    told = [line for line in lines if line]
    assert told[0] == f"Whether SLURM has taken {slurm.array} is not known: it is looked up, and not submitted twice."
    assert "(20 s): sbatch did not end within 10 s." in told[1], "since it was asked"
    assert told[2:] == [f"{slurm.array} is with SLURM, as 7.", "SLURM answers again, after 30 s."]
    assert engine.state.jobs[wish(0).name].phase is m.Phase.PLACED


def test_where_nothing_is_heard_nothing_is_thought_over_again(no_chance: Disk) -> None:
    slurm = Slow()
    thought: list[str] = []
    watch = lambda event, commands: thought.append(type(event).__name__)  # noqa: E731
    world = World(slurm, slurm, Journal(no_chance), slurm, lambda: slurm.now, watch)  # type: ignore[arg-type]
    engine = Engine(SETTINGS, world)

    def turns(number: int) -> list[str]:
        thought.clear()
        for _ in range(number):
            slurm.now += 1
            engine.submit()
        return list(thought)

    assert turns(3) == ["Tick"]
    engine.want([wish(0)])
    assert turns(1) == ["Tick", "Unanswered"]
    assert turns(3) == [], "SLURM is away: the next look says when it is back"
    slurm.away, slurm.hidden = False, True
    engine.look()
    assert turns(3) == ["Tick", "Looked", "Tick"], "found; and once more, since that changed something"
    engine.look()
    assert turns(3) == ["Tick"]


def test_a_silent_accounting_is_not_told_of_at_each_look(no_chance: Disk) -> None:
    slurm, news = Slow(), News(30.0)
    slurm.away = False
    world = World(slurm, slurm, Journal(no_chance), slurm, lambda: slurm.now)  # type: ignore[arg-type]
    engine = Engine(SETTINGS, world)
    engine.want([wish(0)])
    engine.submit()
    engine.look()
    slurm.hidden = True
    lines = []
    for _ in range(100):
        slurm.now += 30
        engine.submit()
        engine.look()
        lines.append(news.of(engine.silence, slurm.now))
    told = [line for line in lines if line]
    assert len(told) == 5, "every ten minutes"
    assert all(line.startswith("SLURM's accounting has not answered since ") for line in told)
    slurm.hidden = False
    engine.look()
    assert news.of(engine.silence, slurm.now).startswith("SLURM's accounting answers again, after 50 min")


def test_a_silent_accounting_holds_up_nothing_but_what_is_looked_up_there(no_chance: Disk) -> None:
    """An array of which nobody knows whether SLURM has it, with slurmdbd away: the others go on."""

    class Half(Slow):
        lookups = 0

        def find(self, name: str) -> list[Sighting]:
            self.lookups += 1
            raise AccountingAway("sacct did not end within 10 s.")

        def held(self) -> dict[str, dict[int, Sighting]]:
            return {name: {0: seen("RUNNING", name=name, job=8)} for name in self.taken}

        def submit(self, array: m.ArrayState) -> int:
            if self.away:
                return super().submit(array)
            self.taken.append(array.name)
            return 8

    slurm, news = Half(), News(30.0)
    engine = Engine(SETTINGS, World(slurm, slurm, Journal(no_chance), slurm, lambda: slurm.now))  # type: ignore[arg-type]
    engine.want([wish(0)])
    engine.submit()
    slurm.away = False
    engine.look()
    engine.want([wish(1)])
    told = []
    for _ in range(60):
        slurm.now += 30
        for _ in range(3):
            engine.submit()
        engine.look()
        told.append(news.of(engine.silence, slurm.now))
    assert engine.state.jobs[wish(1).name].phase is m.Phase.PLACED
    assert len(slurm.taken) == 1
    assert slurm.lookups <= 61, "once a look"
    assert len([line for line in told if line]) <= 4
    assert all("SLURM's accounting has not answered" in line for line in told if line)
