from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from fakes import fake_call
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from osa_luigi.batch.job import Job
from osa_luigi.batch.queueing import Budget, Queue
from osa_luigi.steps.call import Needs

BUDGET = Budget(cores=4, memory_mb=1000)
RIDERS = [fake_call("datacheck", f"Run00001.{number:04}") for number in range(3)]
PRODUCTIONS = [Path("/night/v1"), Path("/night/v2")]
units = iter(range(10**9))


def job(
    cores: int = 1,
    memory_mb: int = 100,
    priority: int = 0,
    after: tuple[str, ...] = (),
    production: Path = PRODUCTIONS[0],
) -> Job:
    call = replace(fake_call(unit=f"Run{next(units):05}"), needs=Needs(memory_mb, cores, 60.0))
    return Job(call.unit, production, (call,), (), after, priority)


def rider(number: int, production: Path = PRODUCTIONS[0]) -> Job:
    return Job(f"rider{number}", production, (RIDERS[number],), priority=-100)


jobs = st.builds(
    job,
    cores=st.integers(1, 6),
    memory_mb=st.sampled_from([10, 400, 900, 2000]),
    priority=st.integers(0, 3),
    after=st.lists(st.sampled_from([call.name for call in RIDERS]), max_size=2, unique=True).map(tuple),
    production=st.sampled_from(PRODUCTIONS),
)
riders = st.builds(rider, st.integers(0, len(RIDERS) - 1), st.sampled_from(PRODUCTIONS))


@dataclass
class Model:
    """What must hold, said plainly."""

    waiting: list[tuple[Job, bool]] = field(default_factory=list)
    running: dict[int, tuple[Job, bool]] = field(default_factory=dict)

    def held(self, job: Job) -> bool:
        under_way = [other for other, riding in (*self.waiting, *self.running.values()) if riding]
        names = {(other.production, call.name) for other in under_way for call in other.calls}
        return any((job.production, name) in names for name in job.after)

    def first(self) -> tuple[Job, bool] | None:
        """By priority, then by arrival, of those that nothing holds; `sorted` keeps the order of arrival."""
        free = [item for item in self.waiting if not self.held(item[0])]
        return sorted(free, key=lambda item: -item[0].priority)[0] if free else None

    def fits(self, job: Job) -> bool:
        needs = [other.needs for other, _ in self.running.values()] + [job.needs]
        within = (
            sum(one.cores for one in needs) <= BUDGET.cores and sum(one.memory_mb for one in needs) <= BUDGET.memory_mb
        )
        return within or not self.running


class QueueMachine(RuleBasedStateMachine):
    """Jobs come, start and end in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = Queue(BUDGET)
        self.model = Model()

    @rule(job=jobs)
    def add(self, job: Job) -> None:
        self.queue.add(job)
        self.model.waiting.append((job, False))

    @rule(job=riders)
    def add_rider(self, job: Job) -> None:
        self.queue.add(job, riding=True)
        self.model.waiting.append((job, True))

    @rule()
    def start(self) -> None:
        expected = self.model.first()
        chosen = self.queue.next()
        if expected is None or not self.model.fits(expected[0]):
            assert chosen is None
            return
        assert chosen is not None
        ticket, job, riding = chosen
        assert (job, riding) == expected
        self.model.waiting.remove(expected)
        self.model.running[ticket] = expected

    @precondition(lambda self: self.model.running)
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        ticket = data.draw(st.sampled_from(sorted(self.model.running)))
        assert self.queue.end(ticket) == self.model.running.pop(ticket)

    @invariant()
    def the_budget_holds_unless_a_job_too_large_for_it_is_alone(self) -> None:
        running = [job.needs for job, _ in self.queue.running.values()]
        assert len(running) <= 1 or (
            sum(needs.cores for needs in running) <= BUDGET.cores
            and sum(needs.memory_mb for needs in running) <= BUDGET.memory_mb
        )

    def teardown(self) -> None:
        """Nothing starves: when nothing more comes, everything starts."""
        while self.model.waiting or self.model.running:
            self.start()
            if self.model.running:
                ticket = min(self.model.running)
                assert self.queue.end(ticket) == self.model.running.pop(ticket)
        assert not self.queue.waiting
        assert not self.queue.riders


TestQueue = QueueMachine.TestCase
TestQueue.settings = settings(max_examples=60, stateful_step_count=25)


@given(st.lists(st.integers(-2, 2), max_size=20))
def test_by_priority_then_by_arrival(priorities):
    queue = Queue(Budget(1, 1000))
    for number, priority in enumerate(priorities):
        queue.add(replace(job(priority=priority), name=str(number)))
    started = []
    while (chosen := queue.next()) is not None:
        started.append(int(chosen[1].name))
        queue.end(chosen[0])
    assert started == sorted(range(len(priorities)), key=lambda number: (-priorities[number], number))


def test_a_large_job_is_not_overtaken_by_small_ones():
    queue = Queue(BUDGET)
    small, large, later = job(), job(cores=4), job()
    for one in (small, large, later):
        queue.add(one)
    ticket, *_ = queue.next()
    assert queue.next() is None
    queue.end(ticket)
    assert queue.next()[1] == large
    assert queue.next() is None


def test_a_job_that_never_fits_gets_the_pool_to_itself():
    queue = Queue(BUDGET)
    queue.add(job(cores=64, memory_mb=10**6))
    queue.add(job())
    ticket, large, _ = queue.next()
    assert large.needs.cores == 64
    assert queue.next() is None
    queue.end(ticket)
    assert queue.next() is not None


def test_riders_hold_what_comes_after_them_until_they_have_ended():
    queue = Queue(BUDGET)
    queue.add(rider(0), riding=True)
    merge = job(priority=100, after=(RIDERS[0].name,))
    queue.add(merge)
    ticket, first, riding = queue.next()
    assert (first.name, riding) == ("rider0", True)
    assert queue.next() is None
    queue.end(ticket)
    assert queue.next()[1] == merge


def test_what_is_held_does_not_hold_up_the_rest():
    queue = Queue(Budget(1, 1000))
    held, free = job(priority=100, after=(RIDERS[0].name,)), job(priority=1)
    queue.add(held)
    queue.add(rider(0), riding=True)
    queue.add(free)
    assert queue.next()[1] == free


def test_a_rider_of_another_production_holds_nothing():
    queue = Queue(BUDGET)
    queue.add(rider(0, PRODUCTIONS[1]), riding=True)
    merge = job(after=(RIDERS[0].name,))
    queue.add(merge)
    assert queue.next()[1] == merge


def test_the_same_rider_twice_holds_until_both_have_ended():
    queue = Queue(BUDGET)
    for _ in range(2):
        queue.add(rider(0), riding=True)
    queue.add(job(after=(RIDERS[0].name,)))
    tickets = [queue.next()[0] for _ in range(2)]
    queue.end(tickets[0])
    assert queue.next() is None
    queue.end(tickets[1])
    assert queue.next() is not None


def test_names_that_nobody_rides_hold_nothing():
    queue = Queue(BUDGET)
    queue.add(job(after=("datacheck.Run09999",)))
    assert queue.next() is not None


def test_riders_that_must_pause_let_others_by():
    queue = Queue(BUDGET)
    queue.add(rider(0), riding=True)
    assert queue.next(riders=False) is None
    merge = job(priority=-1000)
    queue.add(merge)
    assert queue.next(riders=False)[1] == merge
    assert queue.next()[2]
