"""What the worker relies on of luigi 3.8, hook by hook, so that an upgrade which changes one is noticed."""

from __future__ import annotations

import inspect
import logging
import queue
from collections.abc import Iterator
from typing import Any

import luigi
import luigi.interface
import luigi.retcodes
import luigi.worker
import pytest
from luigi.scheduler import Scheduler
from luigi.task_register import Register

from osa_luigi.batch import worker as engine
from osa_luigi.batch.job import Event, Job
from osa_luigi.batch.task import BatchTask
from osa_luigi.batch.worker import EXIT_CODES, OsaFactory, OsaWorker
from osa_luigi.errors import ExecutorError, NightError
from osa_luigi.tasks import night


class Hands:
    """An executor that does what it is told to, one job a poll."""

    capacity = 3

    def __init__(self, ends: dict[str, Event] | None = None) -> None:
        self.jobs: list[Job] = []
        self.told: list[str] = []
        self.closed = 0
        self._ends = ends or {}

    def submit(self, job: Job) -> None:
        self.jobs.append(job)

    def poll(self, timeout_s: float) -> list[Event]:
        waiting = [job for job in self.jobs if job.name not in self.told]
        if not waiting:
            return []
        self.told.append(waiting[0].name)
        kind, text = self._ends.get(waiting[0].name.partition("_")[0], ("done", ""))  # type: ignore[misc]
        return [Event(waiting[0].name, kind, text=text)]

    def close(self) -> None:
        self.closed += 1


class Part(BatchTask):
    """A job that other tests' executors do."""

    name = luigi.Parameter(default="one")
    hands: Any = None

    def job(self) -> Job:
        return Job(self.task_id, engine.Path("/nowhere"), ())

    def make_executor(self) -> Any:
        return type(self).hands

    def complete(self) -> bool:
        return self.task_id in type(self).hands.told


class Whole(luigi.Task):
    """Plans only: two jobs, found out when it runs."""

    trouble = luigi.Parameter(default="")

    def run(self) -> Iterator[Any]:
        if self.trouble == "ours":
            raise NightError("the night is not there: look elsewhere")
        if self.trouble == "defect":
            raise ZeroDivisionError("a defect")
        yield [Part("a"), Part("b")]

    def complete(self) -> bool:
        return False


@pytest.fixture
def run(caplog: pytest.LogCaptureFixture) -> Iterator[Any]:
    """Run a task under the worker; gives the worker back."""
    caplog.set_level(logging.INFO, logger="luigi-interface")

    def run(task: luigi.Task, hands: Hands) -> OsaWorker:
        Register.clear_instance_cache()
        Part.hands = hands
        worker = OsaWorker(scheduler=Scheduler(), worker_processes=1, wait_interval=0.01, wait_jitter=0.0)
        with worker:
            worker.add(task)
            worker.run()
        return worker

    yield run
    Part.hands = None


def statuses(worker: OsaWorker) -> dict[str, str]:
    return {
        task.task_id: worker._scheduler._state.get_task(task.task_id).status
        for task in worker._scheduled_tasks.values()
    }


def test_the_parts_of_luigi_that_are_overridden_are_there() -> None:
    assert luigi.__version__.startswith("3.8.")
    worker = luigi.worker.Worker
    assert list(inspect.signature(worker._create_task_process).parameters) == ["self", "task"]
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
                assert hasattr(engine.JobInFlight, name)


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


def test_the_executor_says_how_many_tasks_are_handed_out(run: Any) -> None:
    worker = run(Part("x"), Hands())
    assert worker.worker_processes == Hands.capacity
    worker.worker_processes = 40  # what --workers=40 does
    assert worker.worker_processes == Hands.capacity


def test_the_queue_that_luigi_waits_on_is_empty_when_nothing_ended() -> None:
    worker = OsaWorker(scheduler=Scheduler())
    with pytest.raises(queue.Empty):
        worker._task_result_queue.get(timeout=0.0)
    worker._task_result_queue.put(("task", "DONE", "", [], []))
    assert worker._task_result_queue.get(timeout=0.0)[0] == "task"


def test_luigi_s_own_worker_does_no_work_of_a_job(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(RuntimeError, match="luigi --module osa_luigi"):
        Part("x").run()


def test_luigi_s_command_finds_the_worker_and_the_exit_codes() -> None:
    assert luigi.interface._WorkerSchedulerFactory is OsaFactory
    codes = luigi.retcodes.retcode()
    assert {name: getattr(codes, name) for name in EXIT_CODES} == EXIT_CODES
    assert all(EXIT_CODES.values())


def test_the_lease_stands_in_for_luigi_s_lock_by_command_line() -> None:
    assert luigi.interface.core().no_lock is True


def test_the_user_s_exit_codes_win(monkeypatch: pytest.MonkeyPatch) -> None:
    config = luigi.configuration.get_config()
    before = config.get("retcode", "task_failed")
    config.set("retcode", "task_failed", "77")
    try:
        engine.register()
        assert luigi.retcodes.retcode().task_failed == 77
    finally:
        config.set("retcode", "task_failed", before)


TASKS = [
    task
    for _, task in inspect.getmembers(night, inspect.isclass)
    if issubclass(task, luigi.Task) and task.__module__ == night.__name__
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
