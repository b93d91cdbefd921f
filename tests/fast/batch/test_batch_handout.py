"""Luigi's batches as arrays: how often luigid is asked, what it knows of each member; failures, restarts, a luigid that lost its state."""

from __future__ import annotations

import inspect
import signal
from collections import Counter
from typing import Any

import luigi.worker
import pytest
from arrays import Arrays, Counting, Element, Merged, Runs, run, worker
from daemon import Luigid
from luigi.execution_summary import LuigiStatusCode, _partition_tasks, _tasks_status
from luigi.execution_summary import _summary_dict as summary_of
from luigi.scheduler import Scheduler

from osa_luigi.batch import worker as engine
from osa_luigi.batch.job import Event


def names(run_id: int, *subruns: int) -> list[str]:
    return [Element(run_id=run_id, subrun=number).task_id for number in subruns]


def statuses(scheduler: Scheduler) -> dict[str, str]:
    return {task.id: task.status for task in scheduler._state.get_active_tasks()}


def prompt() -> Scheduler:
    """A scheduler that tries again at once what failed."""
    return Scheduler(retry_delay=0.0, prune_on_get_work=True, stable_done_cooldown_secs=0)


def outcome(worker: Any) -> tuple[LuigiStatusCode, dict[str, int]]:
    """What luigi's summary says, which makes the exit code: tasks by what became of them."""
    sets = summary_of(worker)
    return _tasks_status(sets), {name: len(tasks) for name, tasks in sets.items() if tasks}


def test_a_thousand_subruns_cost_few_calls_of_luigid(luigid: Luigid) -> None:
    scheduler, arrays = Counting(luigid.url), Arrays(per_poll=50)
    arrays.announce = True
    done = run(scheduler, arrays, Runs(runs=10, subruns=100))
    assert [len(array) for array in arrays.arrays if len(array) > 1] == [100] * 10
    assert all(len({name.split("_")[1] for name in array}) == 1 for array in arrays.arrays), "an array is of one run"
    assert luigid.statuses() == {"DONE"}
    assert done.run_succeeded
    assert scheduler.calls["get_work"] < 100
    told = scheduler.calls["set_task_status_message"]
    assert told <= 1010 + 10 * arrays.polls, "a message per member, and of each batch one per poll"
    assert scheduler.calls["add_task"] < 2 * (1000 + 10 + 1) + 3 * 10
    status, counts = outcome(done)
    assert status == LuigiStatusCode.SUCCESS
    assert counts == {"completed": 1011}
    assert len(done._get_work_response_history) == 0, "replies are kept for what others run only"


def test_a_member_that_runs_says_where_also_after_its_batch_has_spoken() -> None:
    """Luigi's scheduler gives a batch's message to all that run in it."""
    scheduler, arrays = Scheduler(), Arrays(per_poll=1)
    arrays.announce = True
    shown: list[str] = []

    def poll(number: int) -> None:
        tasks = scheduler.task_list(status="BATCH_RUNNING", upstream_status="")
        shown.extend(str(tasks[name]["status_message"]) for name in arrays.waiting if name in tasks)

    arrays.before = poll
    run(scheduler, arrays, Runs(runs=1, subruns=4))
    assert len(shown) > 5
    assert not [message for message in shown if "done" in message], shown


def test_a_run_is_merged_while_others_are_still_under_way() -> None:
    arrays = Arrays(per_poll=3)
    run(Scheduler(), arrays, Runs(runs=3, subruns=4))
    order = [name.split("_")[0] for name in arrays.done]
    assert order.index("Merged") < len(order) - 1 - order[::-1].index("Element")
    merges = [name for array in arrays.arrays for name in array if name.startswith("Merged")]
    assert len(merges) == 3


def test_a_member_that_failed_fails_its_own_run_alone() -> None:
    scheduler = Scheduler()
    (bad,) = names(0, 2)
    done = run(scheduler, Arrays(fail=(bad,)), Runs(runs=2, subruns=4))
    known = statuses(scheduler)
    assert known[bad] == "FAILED"
    assert {known[name] for name in (*names(0, 0, 1, 3), *names(1, 0, 1, 2, 3))} == {"DONE"}
    assert known[Merged(run_id=1, subruns=4).task_id] == "DONE"
    assert known[Merged(run_id=0, subruns=4).task_id] == "PENDING"
    assert not done.run_succeeded
    status, counts = outcome(done)
    assert status == LuigiStatusCode.FAILED
    assert (counts["completed"], counts["failed"], counts["upstream_failure"]) == (8, 1, 1)


def test_a_member_tried_again_and_done_says_nothing_of_its_siblings() -> None:
    """It keeps its batch_id in luigi's scheduler unless it is given one of its own."""
    scheduler = prompt()
    first, *others = names(0, 0, 1, 2)
    seen: list[set[str]] = []

    def poll(number: int) -> None:
        arrays.per_poll = int(number in (0, 1, 6, 7, 8))
        if number == 0:
            arrays.waiting.rotate(-list(arrays.waiting).index(first))
            arrays.fail = (first,)
        if first in arrays.waiting and number > 0:
            arrays.fail = ()
            arrays.waiting.remove(first)
            arrays.waiting.appendleft(first)
        if first in arrays.done:
            seen.append({statuses(scheduler)[name] for name in others if name not in arrays.done})

    arrays = Arrays(before=poll)
    run(scheduler, arrays, Runs(runs=1, subruns=3))
    assert arrays.submitted.count(first) == 2
    assert seen[0] == {"BATCH_RUNNING"}
    assert statuses(scheduler)[Merged(run_id=0, subruns=3).task_id] == "DONE"
    assert len(arrays.submitted) == 5


def test_above_a_limit_successes_are_told_with_the_batch_and_failures_singly(
    luigid: Luigid, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "MOST_TOLD_SINGLY", 30)
    monkeypatch.setattr(engine, "MOST_SHOWN_SINGLY", 30)
    scheduler = Counting(luigid.url)
    (bad,) = names(0, 7)
    arrays = Arrays(per_poll=10, fail=(bad,))
    arrays.announce = True
    done = run(scheduler, arrays, Runs(runs=2, subruns=40))
    known = {name: task["status"] for name, task in luigid.tasks().items()}
    assert known[bad] == "FAILED"
    assert {known[name] for name in (*names(0, *range(7), *range(8, 40)), *names(1, *range(40)))} == {"DONE"}
    assert known[Merged(run_id=1, subruns=40).task_id] == "DONE"
    assert not done.run_succeeded
    status, counts = outcome(done)
    assert (status, counts["completed"], counts["failed"]) == (LuigiStatusCode.FAILED, 80, 1)
    # the graph, the root once more, 2 batches taken on and ended, merging; singly: the one that failed, and the last 30
    assert scheduler.calls["add_task"] <= 83 + 1 + 4 + 1 + 31
    assert scheduler.calls["set_task_status_message"] <= 2 * (arrays.polls + 1) + 2 * 30


def test_a_batch_handed_back_to_a_new_process_is_told_member_by_member() -> None:
    """It was killed with the batch under way, one of it done meanwhile; the new one has not added the members."""
    scheduler = Scheduler()
    killed = worker(scheduler, Arrays())
    killed.add(Merged(run_id=0, subruns=5))
    reply = killed._get_work()
    joined = Element(run_id=0, subrun=range(5))
    assert reply.task_id == joined.task_id

    arrays = Arrays(per_poll=1)
    arrays.done += names(0, 3)
    again = worker(scheduler, arrays)
    assert again._get_work().task_id == joined.task_id
    again.run()
    assert arrays.submitted[:4] == names(0, 0, 1, 2, 4)
    assert {statuses(scheduler)[name] for name in names(0, *range(5))} == {"DONE"}
    assert again.run_succeeded
    assert _partition_tasks(again)["already_done"] >= {Element(run_id=0, subrun=number) for number in range(5)}


def test_a_luigid_killed_without_state_is_given_the_night_again_while_jobs_run(luigid: Luigid) -> None:
    """The same batches, parts of them and single ones are handed out again; nothing is submitted twice."""
    scheduler = Counting(luigid.url)
    known: list[int] = []

    def poll(number: int) -> None:
        if number in (2, 40):
            luigid.end(signal.SIGKILL)
            luigid.start()
            arrays.per_poll = 0
        if not arrays.per_poll and luigid.statuses() & {"BATCH_RUNNING"}:
            known.append(len(arrays.waiting))
            arrays.per_poll = 7 if number > 40 else 1
        assert number < 400, "the night was not added again while jobs were under way"

    arrays = Arrays(per_poll=1, before=poll)
    done = run(scheduler, arrays, Runs(runs=3, subruns=20))
    assert len(known) == 2, "it knew of what was under way, because that was handed out again"
    assert all(known)
    assert done.run_succeeded
    assert max(Counter(arrays.submitted).values()) == 1
    assert len(arrays.submitted) == 63
    assert luigid.statuses() == {"DONE"}
    assert 1 <= done._added_again <= 2


def test_what_is_handed_out_twice_shares_the_job_under_way() -> None:
    engine = worker(Scheduler(), Arrays(per_poll=0))
    engine.add(Merged(run_id=0, subruns=3))
    for subruns in ((0, 1, 2), (1, 2), (2,)):
        task = Element(run_id=0, subrun=subruns)
        engine._scheduled_tasks[task.task_id] = task
        engine._run_task(task.task_id)
        engine._run_task(task.task_id)
    executor = engine._executor
    assert isinstance(executor, Arrays)
    assert executor.arrays == [names(0, 0, 1, 2)]
    executor.per_poll = 3
    engine._handle_next_task()
    assert not engine._running_tasks
    assert {statuses(engine._scheduler)[name] for name in names(0, 0, 1, 2)} == {"DONE"}


def test_what_an_executor_remembers_as_given_up_fails_again_quietly_and_the_run_ends(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Luigi's scheduler puts it back to PENDING while others are under way: here at once, else after its retry_delay."""
    scheduler = prompt()
    (bad,) = names(0, 1)

    def poll(number: int) -> None:
        if bad in arrays.waiting:  # answered at once
            arrays.waiting.remove(bad)
            arrays.waiting.appendleft(bad)
        arrays.per_poll = 1 if number < 3 else 100
        scheduler._config.retry_delay = 0.0 if number < 3 else 900.0

    arrays = Arrays(fail=(bad,), before=poll)
    done = run(scheduler, arrays, Runs(runs=1, subruns=5))
    assert 2 <= arrays.submitted.count(bad) <= 5
    assert caplog.text.count("failed: no light") == 1
    assert statuses(scheduler)[bad] == "FAILED"
    assert outcome(done)[0] == LuigiStatusCode.FAILED


@pytest.mark.parametrize("tries", [999, 1])
def test_what_is_tried_again_after_all_is_waited_for_by_the_same_process(
    luigid: Luigid, monkeypatch: pytest.MonkeyPatch, tries: int
) -> None:
    """Also where luigi's own retry_count has disabled it for a day."""
    monkeypatch.setattr(Element, "retry_count", tries)
    (bad,) = names(0, 1)
    seen: list[str] = []

    def poll(number: int) -> None:
        if number == 1:  # one poll after it failed, while the rest of its batch is under way
            seen.append(luigid.tasks()[bad]["status"])
            arrays.fail = ()
            arrays.tell.append(Event(bad, "again"))
        arrays.per_poll = 2 if number == 0 else 1

    arrays = Arrays(fail=(bad,), before=poll)
    done = run(Counting(luigid.url), arrays, Runs(runs=1, subruns=12))
    assert seen == ["DISABLED" if tries == 1 else "FAILED"]
    assert arrays.submitted.count(bad) == 2
    assert luigid.statuses() == {"DONE"}
    assert arrays.done[-1] == Merged(run_id=0, subruns=12).task_id
    assert outcome(done)[0] == LuigiStatusCode.SUCCESS_WITH_RETRY


def test_the_log_tells_of_a_batch_once_for_each_look(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "luigi-interface")
    engine = worker(Scheduler(), Arrays(per_poll=0))
    engine.add(Merged(run_id=0, subruns=4))
    engine._run_task(engine._get_work().task_id)

    def told(*ended: Event) -> list[str]:
        caplog.clear()
        for event in ended:
            engine._hear(event)
        engine._show()
        engine._show()
        return [line for line in caplog.messages if line.startswith("Element")]

    first, second, third, last = names(0, 0, 1, 2, 3)
    array = "Element(run_id=0, subrun=0-3)"
    assert told(Event(first, "step", "fake.0")) == []
    assert told(Event(first, "done"), Event(second, "done")) == [f"{array}: 4 subruns: 2 waiting, 2 done"]
    assert told(Event(third, "given up", text="out of luck")) == [
        "Element(run_id=0, subrun=2) failed: out of luck",
        f"{array}: 4 subruns: 1 waiting, 2 done, 1 failed",
    ]
    assert told(Event(last, "done")) == [f"{array}: 4 subruns: 3 done, 1 failed"]


def test_a_cluster_s_words_are_shown_and_summed_up() -> None:
    scheduler = Scheduler()
    arrays = Arrays(per_poll=0)
    engine = worker(scheduler, arrays)
    task = Element(run_id=0, subrun=range(4))
    engine.add(Merged(run_id=0, subruns=4))
    engine._run_task(engine._get_work().task_id)
    first, second, third, last = names(0, 0, 1, 2, 3)

    def shown(name: str) -> Any:
        return scheduler._state.get_task(name).status_message

    assert shown(task.task_id) == shown(last) == "4 subruns: 4 waiting"
    for event in (
        Event(first, "state", text="SLURM 12_0 COMPLETING on node3", running=True),
        Event(second, "state", text="SLURM 12_1 PENDING (Priority)"),
        Event(third, "done"),
    ):
        engine._hear(event)
    engine._show()
    assert shown(task.task_id) == "4 subruns: 1 running, 2 waiting, 1 done"
    assert shown(first).startswith("SLURM 12_0 COMPLETING on node3")
    assert shown(second) == "SLURM 12_1 PENDING (Priority)"
    assert scheduler._state.get_task(task.task_id).progress_percentage == 25
    engine._scheduler = None  # any call fails
    engine._messages.note(engine._jobs[second])
    engine._hear(Event(second, "state", text="SLURM 12_1 PENDING (Priority)"))
    for job in engine._jobs.values():
        assert job.message == job.shown or job.shown == ""


def test_the_parts_of_luigi_that_batches_rely_on_are_there() -> None:
    own = luigi.worker.Worker
    for hook in ("_get_work", "_run_task", "_create_task_process", "_purge_children", "_handle_next_task", "_add_task"):
        assert f"self.{hook}(" in inspect.getsource(luigi.worker), hook
        assert hook in vars(own), hook
        assert hook in vars(engine.OsaWorker), hook
    asked = inspect.getsource(own._get_work)
    assert "self._batch_running_tasks[task_id] = batch_tasks" in asked
    assert '"running_tasks": running_tasks,' in asked
    told = inspect.getsource(own._add_task)
    assert 'kwargs["task_id"]' in told
    assert 'kwargs["status"]' in told
    assert "self._add_task_history.append((task, status, runnable))" in told
    assert "if task_id in self._running_tasks:" in inspect.getsource(own._run_task)
    assert "while len(self._running_tasks) >= self.worker_processes > 0:" in inspect.getsource(own.run)
    summary = inspect.getsource(luigi.execution_summary)
    assert "worker._get_work_response_history" in summary
    assert '["worker"]' in summary
    assert "_get_retry_policy_dict(task)" in inspect.getsource(own._handle_next_task)
    assert "max_batch_size=task.max_batch_size" in inspect.getsource(own._add_task_batcher)
    # What a status of a batch means to its members, in luigi's scheduler.
    assert "if task.status == RUNNING and task.batch_id is not None" in inspect.getsource(luigi.scheduler)
