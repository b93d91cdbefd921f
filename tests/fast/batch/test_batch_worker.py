"""What the worker relies on of luigi 3.8, hook by hook, so that an upgrade which changes one is noticed."""

from __future__ import annotations

import gc
import inspect
import queue
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import luigi
import luigi.interface
import luigi.retcodes
import luigi.worker
import pytest
from luigi.scheduler import Scheduler
from luigi.task_register import Register
from worker_work import Hands, Losing, Night, Part, Whole, statuses

from osa_luigi.batch import flight, luigid, messages, worker
from osa_luigi.batch.job import Event, Job
from osa_luigi.batch.task import BatchTask
from osa_luigi.batch.worker import COLLECT_AFTER, QUIET_ROUNDS, OsaWorker
from osa_luigi.errors import ExecutorError
from osa_luigi.tasks import night, part
from osa_luigi.tasks import run as run_tasks


def test_the_parts_of_luigi_that_are_overridden_are_there() -> None:
    assert luigi.__version__.startswith("3.8.")
    worker = luigi.worker.Worker
    assert list(inspect.signature(worker._create_task_process).parameters) == ["self", "task"]
    assert "if self._keep_alive(get_work_response):" in inspect.getsource(worker.run)
    source = inspect.getsource(worker._handle_next_task)
    assert "self._task_result_queue.get(timeout=self._config.wait_interval)" in source
    assert "task_id, status, expl, missing, new_requirements" in source
    assert "Queue.Empty" in source
    assert "_WorkerSchedulerFactory()" in inspect.getsource(luigi.interface._schedule_and_run)


def test_what_luigi_asks_of_a_task_s_process_a_job_in_flight_has() -> None:
    for hook in (luigi.worker.Worker._purge_children, luigi.worker.Worker.__exit__, luigi.worker.Worker._run_task):
        source = inspect.getsource(hook)
        for name in ("is_alive", "exitcode", "timeout_time", "worker_timeout", "terminate", "use_multiprocessing"):
            if f".{name}" in source:
                assert hasattr(flight.TaskInFlight, name)


def test_jobs_go_to_the_executor_and_their_tasks_are_done(run: Any) -> None:
    hands = Hands()
    worker = run(Part("x"), hands)
    assert [job.name for job in hands.jobs] == [Part("x").task_id]
    assert statuses(worker) == {Part("x").task_id: "DONE"}
    assert worker.run_succeeded
    assert hands.closed


def test_what_a_planning_task_yields_is_run(run: Any) -> None:
    hands = Hands()
    worker = run(Whole(), hands)
    assert {job.name for job in hands.jobs} >= {Part("a").task_id, Part("b").task_id}
    assert statuses(worker)[Part("b").task_id] == "DONE"


def test_a_job_that_is_given_up_fails_its_task_with_the_reason(run: Any, caplog: pytest.LogCaptureFixture) -> None:
    worker = run(Part("x"), Hands({"Part": ("given up", "no light: open the lid")}))  # type: ignore[dict-item]
    assert statuses(worker) == {Part("x").task_id: "FAILED"}
    assert "no light: open the lid" in caplog.text
    assert not worker.run_succeeded


class LeftOut(Part):
    """A part that it is decided to do without: before it is handed out, or while it is under way."""

    known = luigi.BoolParameter()

    def jobs(self) -> list[Job]:
        return [] if self.known else super().jobs()

    def is_excused(self) -> bool:
        return True


@pytest.mark.parametrize("known", [True, False])
def test_what_it_was_decided_to_do_without_holds_nothing_back(
    run: Any, caplog: pytest.LogCaptureFixture, known: bool
) -> None:
    task = LeftOut("x", known=known)
    worker = run(task, Hands({"LeftOut": ("given up", "no light")}))  # type: ignore[dict-item]
    assert statuses(worker) == {task.task_id: "DONE"}
    assert worker.run_succeeded
    assert "no light" not in caplog.text
    assert len(Part.hands.jobs) == (0 if known else 1)


def test_an_executor_that_died_fails_what_it_had(run: Any, caplog: pytest.LogCaptureFixture) -> None:
    class Dead(Hands):
        def poll(self, timeout_s: float) -> list[Event]:
            raise ExecutorError("the pool has died; run again")

    worker = run(Part("x"), Dead())
    assert statuses(worker) == {Part("x").task_id: "FAILED"}
    assert "the pool has died" in caplog.text


def test_our_own_errors_in_planning_are_said_plainly(run: Any, caplog: pytest.LogCaptureFixture) -> None:
    worker = run(Whole(trouble="ours"), Hands())
    assert statuses(worker) == {Whole(trouble="ours").task_id: "FAILED"}
    assert "look elsewhere" in caplog.text
    assert "Traceback" not in caplog.text


def test_a_defect_in_planning_shows_its_traceback(run: Any, caplog: pytest.LogCaptureFixture) -> None:
    run(Whole(trouble="defect"), Hands())
    assert "Traceback" in caplog.text


def test_a_scheduler_that_lost_the_night_is_given_it_again(run: Any, caplog: pytest.LogCaptureFixture) -> None:
    hands = Losing(2)
    worker = run(Night(), hands)
    assert worker.run_succeeded
    assert set(statuses(worker).values()) == {"DONE"}
    assert len({job.name for job in hands.jobs}) == len(hands.jobs) == 4, "nothing is done twice"
    assert 1 <= caplog.text.count(f"luigid has lost {Night()}") <= 2


def test_what_failed_fails_again_when_the_scheduler_lost_it_and_that_is_the_end(run: Any) -> None:
    hands = Losing(1, {"Part": ("given up", "no light")})  # type: ignore[dict-item]
    worker = run(Night(jobs=1), hands)
    assert not worker.run_succeeded
    assert worker._added_again == 1
    assert len(hands.jobs) == 2


def test_a_night_is_not_added_again_because_it_failed(run: Any, caplog: pytest.LogCaptureFixture) -> None:
    run(Night(), Hands({"Part": ("given up", "no light")}))  # type: ignore[dict-item]
    assert "luigid has lost" not in caplog.text


def test_nor_because_the_scheduler_has_disabled_what_failed(run: Any, caplog: pytest.LogCaptureFixture) -> None:
    class Once(Part):
        retry_count = 1

    class Fragile(Night):
        def parts(self) -> list[Part]:
            return [Once("x")]

    worker = run(Fragile(), Hands({"Once": ("given up", "no light")}))  # type: ignore[dict-item]
    assert statuses(worker)[Once("x").task_id] == "DISABLED"
    assert "luigid has lost" not in caplog.text


def test_a_scheduler_that_keeps_nothing_is_given_up(
    run: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(luigid, "MOST_ADDED_AGAIN", 2)
    monkeypatch.setattr(Scheduler, "task_search", lambda self, task_str: {})
    worker = run(Night(jobs=1), Hands({"Part": ("given up", "no light")}))  # type: ignore[dict-item]
    assert worker._added_again == 2
    assert "added again, 2 of at most 2 times" in caplog.text


def test_a_task_that_a_scheduler_first_hears_of_while_it_runs_is_a_whole_one() -> None:
    scheduler = Scheduler()
    messages._link_log(scheduler, "worker", flight.JobInFlight(Part("x"), log="/log"))
    known = scheduler.task_list(status="RUNNING", upstream_status="")[Part("x").task_id]
    assert (known["name"], known["params"], known["tracking_url"]) == ("Part", {"name": "x"}, "file:///log")


def test_a_link_to_its_log_comes_with_a_job_s_end(run: Any) -> None:
    class Telling(Hands):
        def poll(self, timeout_s: float) -> list[Event]:
            return [replace(event, log=f"/logs/{event.job}.log") for event in super().poll(timeout_s)]

    worker = run(Night(jobs=3), Telling())
    shown = worker._scheduler.task_list(status="DONE", upstream_status="")
    links = {name: task["tracking_url"] for name, task in shown.items() if task["name"] == "Part"}
    assert links == {name: f"file:///logs/{name}.log" for name in links}


class Looking(Hands):
    """Looks whether luigi still keeps what was handed over."""

    kept: Any = None

    def poll(self, timeout_s: float) -> list[Event]:
        self.kept = [task for task in Register._Register__instance_cache.values() if isinstance(task, Part)]
        return super().poll(timeout_s)


def test_what_is_handed_over_luigi_need_not_keep(run: Any) -> None:
    hands = Looking()
    worker = run(Part("x"), hands)
    assert hands.kept == []
    assert Part("x") is not worker._scheduled_tasks[Part("x").task_id]
    assert worker.run_succeeded


def test_the_executor_says_how_many_tasks_are_handed_out(run: Any) -> None:
    worker = run(Part("x"), Hands())
    worker.worker_processes = 40  # what --workers=40 does
    for under_way, more in ((0, 1), (Hands.capacity - 1, 1), (Hands.capacity, 0), (150, 0)):
        worker._jobs = {str(number): flight.JobInFlight(Part(str(number))) for number in range(under_way)}
        worker._running_tasks = {"a batch": None, "another": None}
        assert worker.worker_processes == len(worker._running_tasks) + more
    worker._running_tasks = {}


def test_the_queue_that_luigi_waits_on_is_empty_when_nothing_ended() -> None:
    worker = OsaWorker(scheduler=Scheduler())
    with pytest.raises(queue.Empty):
        worker._task_result_queue.get(timeout=0.0)
    worker._task_result_queue.put(("task", "DONE", "", [], []))
    assert worker._task_result_queue.get(timeout=0.0)[0] == "task"


def test_while_nothing_ends_the_executor_is_listened_to_in_one_piece(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[float] = []
    clock = SimpleNamespace(now=1000.0, monotonic=lambda: clock.now)
    monkeypatch.setattr(worker, "time", clock)

    class Slow(Hands):
        def poll(self, timeout_s: float) -> list[Event]:
            heard.append(timeout_s)
            if len(heard) == 4:
                return super().poll(timeout_s)
            clock.now += timeout_s
            return []

    run(Part("x"), Slow())
    assert heard == pytest.approx([QUIET_ROUNDS * 0.01] * 4)


def test_python_s_collector_is_left_as_it_was(run: Any) -> None:
    class Noting(Hands):
        def poll(self, timeout_s: float) -> list[Event]:
            thresholds.append(gc.get_threshold()[0])
            return super().poll(timeout_s)

    before = gc.get_threshold()
    thresholds: list[int] = []
    run(Part("x"), Noting())
    assert set(thresholds) == {COLLECT_AFTER}
    assert gc.get_threshold() == before


def test_luigi_s_own_worker_does_no_work_of_a_job(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(RuntimeError, match="luigi --module osa_luigi"):
        Part("x").run()


TASKS = [
    task
    for module in (night, part, run_tasks)
    for _, task in inspect.getmembers(module, inspect.isclass)
    if issubclass(task, luigi.Task) and task.__module__ == module.__name__
]


@pytest.mark.parametrize("task", TASKS)
def test_no_task_declares_resources(task: type[luigi.Task]) -> None:
    """With resources luigi's scheduler may give one worker what only another has added."""
    assert not task.resources
    assert task.process_resources is luigi.Task.process_resources


@pytest.mark.parametrize("task", TASKS)
def test_only_the_root_runs_in_luigi_s_process(task: type[luigi.Task]) -> None:
    assert (task is night.NightTask) != issubclass(task, BatchTask)
    assert "run" not in vars(task) or task is night.NightTask
    worker = OsaWorker(scheduler=Scheduler(), force_multiprocessing=True)
    parameters = {
        "date": "2024-11-15",
        "production": "v1",
        "run_id": "2003",
        "subrun": "0-3",
        "leg": "dl1",
    }
    process = worker._create_task_process(task.from_str_params(parameters))
    assert not process.use_multiprocessing
    assert isinstance(process, flight.TaskInFlight) is (task is not night.NightTask)
