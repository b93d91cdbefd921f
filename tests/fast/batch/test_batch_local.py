"""The local executor with its real pool, and fake steps in it."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import batch_work as work
import pytest
from batch_work import family, finish
from fakes import NEEDS, fake_call, product
from fresh import is_running, until
from quick_pool import quick_pool

from osa_luigi.batch.job import Event, Job
from osa_luigi.batch.local import LOG, LocalExecutor
from osa_luigi.errors import ExecutorError
from osa_luigi.products.production import Production
from osa_luigi.products.receipt import current_receipt
from osa_luigi.runner.leg import sweep_scratch

UNITS = [f"Run02008.{number:04}" for number in range(8)]


@pytest.fixture(scope="module")
def executor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalExecutor]:
    """One pool for all tests that leave it alive: to start it takes longer than each of them."""
    executor = quick_pool(tmp_path_factory.mktemp("cache"), 1000)
    yield executor
    executor.close()


def job(production: Production, *calls, name: str = "", **more) -> Job:
    """Named by the production, too: other tests have used the same pool."""
    return Job(f"{production.root} {name or calls[0].name}", production.root, calls, **more)


def told(events: list[Event], job: str | None = None) -> list[str]:
    return [f"{event.kind} {event.call}".strip() for event in events if job is None or event.job.endswith(job)]


def attempts(production: Production) -> list[dict]:
    return [json.loads(path.read_text()) for path in sorted((production.state / "attempts").rglob("*.json"))]


def leg(production: Production, unit: str = UNITS[0], **fakes):
    first = fake_call("r0_to_dl1", unit, **fakes)
    return first, fake_call("dl1ab", unit, inputs=(product(first, production.root),), **fakes)


def pool_pid(executor: LocalExecutor) -> int:
    return executor._process.pid


# ---- what is told -------------------------------------------------------------------------------------------------------


def test_a_job_tells_of_each_step_and_of_its_end(executor, production):
    calls = leg(production)
    events = finish(executor, job(production, *calls))
    names = [call.name for call in calls]
    assert told(events) == [f"step {names[0]}", f"made {names[0]}", f"step {names[1]}", f"made {names[1]}", "done"]
    made = [event for event in events if event.kind == "made"]
    assert [event.record["key"] for event in made] == [call.key for call in calls]
    assert [event.record["outcome"] for event in made] == ["made", "made"]
    assert all(Path(event.log).is_file() for event in made)
    assert all((production.root / output.path).is_file() for call in calls for output in call.outputs)


def test_a_job_whose_products_are_there_is_done_at_once(executor, production):
    calls = leg(production)
    finish(executor, job(production, *calls))
    events = finish(executor, job(production, *calls))
    assert [event.record["outcome"] for event in events if event.kind == "made"] == ["present", "present"]
    assert told(events)[-1] == "done"
    assert len(attempts(production)) == 2


def test_the_first_failure_gives_the_job_up(executor, production):
    calls = leg(production, fail=["r0_to_dl1:*"])
    rider = fake_call("datacheck", UNITS[0])
    events = finish(executor, job(production, *calls, riders=(rider,)))
    assert told(events) == [f"step {calls[0].name}", f"failed {calls[0].name}", "given up"]
    assert events[1].text == events[2].text == "this fake step was told to fail (section `fake` of the procedure)"
    assert events[1].record["exit_code"] == 1
    assert Path(events[1].log).is_file()


def test_many_jobs_end_whatever_becomes_of_some(executor, production):
    jobs = [job(production, *leg(production, unit, fail=["dl1ab:*.0003"], die=["r0_to_dl1:*.0005"])) for unit in UNITS]
    events = finish(executor, *jobs)
    ends = {event.job: event.kind for event in events if event.kind in ("done", "given up")}
    bad = {job.name for job in (jobs[3], jobs[5])}
    assert ends == {job.name: "given up" if job.name in bad else "done" for job in jobs}
    assert all("killed by SIGKILL" in event.text for event in events if event.job == jobs[5].name and event.text)


def test_no_more_run_at_a_time_than_there_are_cores(executor, production):
    two_cores = replace(NEEDS, cores=2)
    jobs = [
        job(production, fake_call(unit=unit, duration_s=0.05, needs=two_cores if number == 4 else NEEDS))
        for number, unit in enumerate(UNITS)
    ]
    finish(executor, *jobs)
    spans = [(one["started"], one["ended"], 2 if one["unit"] == UNITS[4] else 1) for one in attempts(production)]
    assert len(spans) == len(UNITS)
    assert max(sum(cores for s, e, cores in spans if s <= start < e) for start, _, _ in spans) <= 2


def test_long_lines_pass_both_ways(executor, production):
    """Several of a megabyte each, handed over before anything is read: neither side may wait for the other for ever."""
    jobs = [
        job(production, fake_call(unit=unit, settings={"text": "µ" * 200_000}), name=unit + "x" * 1_000_000)
        for unit in UNITS[:4]
    ]
    events = finish(executor, *jobs)
    assert sorted(event.job for event in events if event.kind == "done") == sorted(job.name for job in jobs)


def test_the_message_of_an_event_is_short_enough_to_show(executor, production):
    inputs = tuple(product(fake_call(unit=f"Run02008.{number:04}"), production.root) for number in range(500))
    events = finish(executor, job(production, fake_call("merge_dl1", "Run02008", inputs=inputs)))
    assert told(events)[-1] == "given up"
    assert len(events[-1].text) == 4000
    assert "missing input" in events[-1].text


def test_capacity_is_a_little_more_than_the_cores(executor):
    assert executor.capacity == 6


def test_nothing_happens_and_nothing_is_told(executor):
    assert executor.poll(0) == []


# ---- riders -------------------------------------------------------------------------------------------------------------


def test_riders_come_after_the_job_is_done(executor, production):
    calls, rider = leg(production), fake_call("datacheck", UNITS[0])
    events = finish(executor, job(production, *calls, riders=(rider,)))
    assert told(events)[-3:] == ["done", f"step {rider.name}", f"made {rider.name}"]


def test_a_rider_that_fails_is_told_and_holds_nothing_back(executor, production):
    call = fake_call()
    riders = (fake_call("datacheck", UNITS[0], fail=["*"]), fake_call("run_plots", UNITS[0]))
    one = job(production, call, riders=riders)
    events = finish(executor, one)
    assert told(events).index("done") < told(events).index(f"failed {riders[0].name}")
    assert "given up" not in told(events)
    assert "rider failed" in told(events)
    assert current_receipt(production, "run_plots", UNITS[0])


@pytest.mark.parametrize("fails", [False, True])
def test_what_comes_after_riders_waits_until_they_have_ended(executor, production, fails):
    rider = fake_call("datacheck", UNITS[0], duration_s=0.2, fail=["*"] if fails else [])
    subrun = job(production, fake_call(), riders=(rider,))
    later = job(production, fake_call("run_datacheck", "Run02008"), after=(rider.name,), priority=1000)
    executor.submit([subrun])
    events: list[Event] = []
    while "done" not in told(events):
        events += executor.poll(60)
    events += finish(executor, later)
    ended = f"{'failed' if fails else 'made'} {rider.name}"
    assert told(events).index(ended) < told(events).index(f"step {later.calls[0].name}")


# ---- failures -----------------------------------------------------------------------------------------------------------


def test_what_failed_is_not_executed_again_in_the_same_pool(executor, production):
    call = fake_call(fail=["*"])
    first = finish(executor, job(production, call))
    again = finish(executor, job(production, call))
    assert told(again) == ["given up"]
    assert again[0].text == first[-1].text
    with_more = finish(executor, job(production, fake_call("dl1ab", UNITS[1]), call, name="with more"))
    assert told(with_more) == ["given up"]
    assert len(attempts(production)) == 1


def test_a_failed_rider_is_not_executed_again_either(executor, production):
    rider = fake_call("datacheck", UNITS[0], fail=["*"])
    finish(executor, job(production, fake_call(), riders=(rider,)))
    events = finish(executor, job(production, rider, name="datacheck of the run"))
    assert "given up" in told(events, "datacheck of the run")
    assert [one["step"] for one in attempts(production)].count("datacheck") == 1


def test_another_key_and_another_production_are_tried(executor, production):
    finish(executor, job(production, fake_call(fail=["*"])))
    assert told(finish(executor, job(production, fake_call(settings={"picture": 10}))))[-1] == "done"
    other = Production(production.root.parent / "v2")
    assert told(finish(executor, job(other, fake_call())))[-1] == "done"


def test_a_job_that_cannot_be_started_does_not_end_the_others(executor, production):
    unknown = replace(fake_call("no_such_step"), fake=None)
    good = job(production, fake_call())
    events = finish(executor, job(production, unknown), good)
    (given_up,) = [event for event in events if event.kind == "given up"]
    assert "cannot be started (ConfigurationError: " in given_up.text
    assert "'no_such_step' is not a step" in given_up.text
    assert given_up.text.endswith(f"{LOG}.")
    assert told(events, good.name)[-1] == "done"


def test_a_job_whose_process_is_killed_is_given_up_and_may_be_tried_again(executor, production):
    hangs = fake_call(hang=["*"])
    executor.submit([job(production, hangs)])
    until(lambda: list(production.logs(hangs.unit).glob("*")), "the tool runs")
    (tool,) = production.scratch.iterdir()
    os.kill(int(tool.name.split("-")[-2]), signal.SIGKILL)
    events: list[Event] = []
    while "given up" not in told(events):
        events += executor.poll(60)
    assert events[-1].text.endswith(f"{hangs.name}: its process ended with -9; run the night again")
    until(lambda: not family(pool_pid(executor)), "the tool is gone, too")
    assert sweep_scratch(production) == 0  # the pool has
    assert list(production.scratch.iterdir()) == []
    assert told(finish(executor, job(production, replace(hangs, fake={}))))[-1] == "done"


def test_ctrl_c_is_the_engine_s_business(executor, production):
    # A pool that works has started: until then, a Ctrl-C ends it with the engine.
    finish(executor, job(production, fake_call(unit=UNITS[1])))
    os.kill(pool_pid(executor), signal.SIGINT)
    assert told(finish(executor, job(production, fake_call())))[-1] == "done"


# ---- ends ---------------------------------------------------------------------------------------------------------------


def hanging(production: Production, number: int = 2) -> list[Job]:
    return [job(production, fake_call(unit=unit, hang=["*"])) for unit in UNITS[:number]]


def test_a_pool_that_was_killed_is_an_error_that_names_its_log_and_leaves_nothing_running(production, tmp_path):
    executor = LocalExecutor(tmp_path / "cache", cores=2, memory_mb=1000)
    done = job(production, fake_call("dl1ab", UNITS[7]))
    finish(executor, done)
    for one in hanging(production):
        executor.submit([one])
    until(lambda: executor.poll(0.01) is not None and len(list(production.scratch.glob("*"))) == 2, "both work")
    running = until(lambda: len(found := family(pool_pid(executor))) == 4 and found, "two jobs and two tools")
    executor._process.kill()
    until(lambda: not any(map(is_running, running)), "all are gone")
    executor.submit([done])
    with pytest.raises(ExecutorError) as caught:  # noqa: PT012 (what it said last comes first)
        while True:
            executor.poll(60)
    assert str(caught.value) == (
        f"the pool that runs this machine's jobs has died (exit code -9). Read {tmp_path / 'cache' / LOG}, "
        "then run the night again: it goes on where it was."
    )
    executor.close()
    assert sweep_scratch(production) == 2


def test_closing_ends_the_pool_and_all_that_it_runs(production, tmp_path):
    executor = LocalExecutor(tmp_path / "cache", cores=2, memory_mb=1000)
    for one in hanging(production):
        executor.submit([one])
    running = until(lambda: len(found := family(pool_pid(executor))) == 4 and found, "two jobs and two tools")
    executor.close()
    assert not is_running(pool_pid(executor))
    until(lambda: not any(map(is_running, running)), "all are gone")
    executor.close()


def test_nothing_outlives_an_engine_that_is_killed(fresh, production, tmp_path):
    calls = tuple(one.calls[0] for one in hanging(production))
    engine = fresh.start(work.be_an_engine, production.root, calls, tmp_path / "cache")
    running = until(lambda: len(found := family(engine.pid)) == 5 and found, "pool, two jobs and two tools")
    engine.kill()
    until(lambda: not any(map(is_running, running)), "all are gone")
    assert sweep_scratch(production) == 2
