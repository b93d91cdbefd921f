"""The luigi worker that hands jobs to an executor instead of forking a process for each task.

Importing `osa_luigi` registers it, so luigi's own command picks it up. It relies on these parts of luigi 3.8, each with a test in
tests/fast/batch/test_batch_worker.py: `Worker._create_task_process`, `Worker._task_result_queue` (its `get` and `put`), the attributes of a
`TaskProcess` that `_purge_children` and `__exit__` look at, and `luigi.interface._WorkerSchedulerFactory`.
"""

from __future__ import annotations

import logging
import os
import queue
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import luigi
import luigi.interface
import luigi.worker
from luigi.cmdline_parser import CmdlineParser
from luigi.event import Event as LuigiEvent
from luigi.scheduler import DONE, FAILED, RUNNING

from osa_luigi.batch.executor import Executor
from osa_luigi.batch.interrupt import end_quietly, stopped
from osa_luigi.batch.job import Event
from osa_luigi.batch.luigid import LastingWorker, PatientScheduler
from osa_luigi.batch.task import BatchTask
from osa_luigi.errors import ExecutorError, OsaError
from osa_luigi.runner.environment import host

logger = logging.getLogger("luigi-interface")

Answer = tuple[str, str, str, list[str], list[Any]]
"""What luigi's worker reads from its queue: task id, status, explanation, missing dependencies, new requirements."""


class JobInFlight:
    """Stands where luigi expects a task's process, and owns none."""

    use_multiprocessing = False
    exitcode = None
    timeout_time = None
    worker_timeout = 0

    def __init__(self, worker: OsaWorker, task: BatchTask, reporter: Any) -> None:
        self.task = task
        self.reporter = reporter
        self.made = 0
        self.log = ""
        self._worker = worker

    def run(self) -> None:
        """Hand the job over; the worker hears of its end from the executor."""
        self._worker.hand_over(self)

    def is_alive(self) -> bool:
        """It runs elsewhere; the executor says when it ended."""
        return True

    def terminate(self) -> None:
        """The executor's `close` decides what becomes of its jobs."""


class PlanningProcess(luigi.worker.ContextManagedTaskProcess):  # type: ignore[misc]
    """Runs a task that only plans (it yields requirements) in the worker itself, and says our own errors plainly."""

    def _handle_run_exception(self, error: BaseException) -> Any:
        if not isinstance(error, OsaError):
            return super()._handle_run_exception(error)
        logger.error("%s failed: %s", self.task, error)
        self.task.trigger_event(LuigiEvent.FAILURE, self.task, error)
        return str(error)


class Answers:
    """The queue that luigi's worker waits on: results of planning, and of jobs as the executor tells them."""

    def __init__(self, worker: OsaWorker) -> None:
        self._worker = worker
        self._ready: deque[Answer] = deque()

    def put(self, answer: Answer) -> None:
        """What a planning task, or luigi itself, reports."""
        self._ready.append(answer)

    def close(self) -> None:
        """Luigi closes its queue at the end; there is nothing to release here."""

    def get(self, timeout: float) -> Answer:
        """The next result; waits for the executor if there is none yet.

        Raises
        ------
        queue.Empty
            Nothing ended within the time.
        """
        if not self._ready:
            self._ready.extend(self._worker.listen(timeout))
        if not self._ready:
            raise queue.Empty
        return self._ready.popleft()


class OsaWorker(LastingWorker):
    """Luigi's worker with an executor behind it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._executor: Executor | None = None
        self._in_flight: dict[str, JobInFlight] = {}
        super().__init__(*args, **kwargs)
        self._task_result_queue = Answers(self)

    @property
    def worker_processes(self) -> int:
        """How many tasks luigi may hand out: the executor's business, whatever ``--workers`` says."""
        return self._executor.capacity if self._executor else 1

    @worker_processes.setter
    def worker_processes(self, number: int) -> None:
        """Luigi sets it from ``--workers``, which counts processes that this worker does not have."""

    def __exit__(self, kind: Any, error: Any, trace: Any) -> Any:
        if kind is KeyboardInterrupt:
            logger.warning("%s", stopped([flight.task for flight in self._in_flight.values()]))
        if self._executor:
            self._executor.close()
        return super().__exit__(kind, error, trace)

    def _create_task_process(self, task: luigi.Task) -> Any:
        reporter = luigi.worker.TaskStatusReporter(self._scheduler, task.task_id, self._id, None)
        if isinstance(task, BatchTask):
            return JobInFlight(self, task, reporter)
        return PlanningProcess(
            None,
            task,
            self._id,
            self._task_result_queue,
            reporter,
            use_multiprocessing=False,
            check_unfulfilled_deps=self._config.check_unfulfilled_deps,
        )

    def hand_over(self, flight: JobInFlight) -> None:
        """Submit a task's job."""
        task = flight.task
        try:
            if self._executor is None:
                self._executor = task.make_executor()
            task.trigger_event(LuigiEvent.START, task)
            self._executor.submit([task.job()])
        except OsaError as error:
            self._end(task, FAILED, str(error))
            return
        self._in_flight[task.task_id] = flight
        flight.reporter.update_status_message("waiting for a free core")

    def listen(self, timeout_s: float) -> list[Answer]:
        """Results of jobs that ended; everything else that the executor tells becomes messages in luigi's web page."""
        if self._executor is None:
            return []
        try:
            events = self._executor.poll(timeout_s)
        except ExecutorError as error:
            return [self._answer(flight, FAILED, str(error)) for flight in list(self._in_flight.values())]
        return [answer for event in events if (answer := self._hear(event))]

    def _hear(self, event: Event) -> Answer | None:
        flight = self._in_flight.get(event.job)
        if flight is None:
            if event.kind == "rider failed":
                logger.warning("%s: %s", event.job, event.text)
            return None
        flight.task.heard(event)
        match event.kind:
            case "done":
                return self._answer(flight, DONE, "")
            case "given up":
                return self._answer(flight, FAILED, event.text)
            case _:
                self._show(flight, event)
                return None

    def _show(self, flight: JobInFlight, event: Event) -> None:
        """Progress, status message and log of a running job."""
        flight.made += event.kind == "made"
        flight.log = event.log or flight.log
        total = len(flight.task.job().calls)
        words = {"step": f"running {event.call}", "made": f"made {event.call}", "failed": f"failed: {event.text}"}
        message = f"{words[event.kind]} ({flight.made} of {total} steps made)"
        with suppress(Exception):  # a scheduler that is away must not fail a job; luigi's own calls retry
            flight.reporter.update_status_message(f"{message}\nlog: {flight.log}" if flight.log else message)
            flight.reporter.update_progress_percentage(100 * flight.made // total)
            if flight.log:
                self._link_log(flight)

    def _link_log(self, flight: JobInFlight) -> None:
        """With all that makes a task: one that has lost its state would hand back a nameless one."""
        task = flight.task
        self._scheduler.add_task(
            task_id=task.task_id,
            worker=self._id,
            status=RUNNING,
            family=task.task_family,
            module=task.task_module,
            params=task.to_str_params(),
            tracking_url=Path(flight.log).as_uri(),
        )

    def _answer(self, flight: JobInFlight, status: str, reason: str) -> Answer:
        task = flight.task
        del self._in_flight[task.task_id]
        if status == FAILED:
            logger.error("%s failed: %s", task, reason)
            task.trigger_event(LuigiEvent.FAILURE, task, ExecutorError(reason))
        else:
            logger.info("%s done", task)
            task.trigger_event(LuigiEvent.SUCCESS, task)
        return task.task_id, status, reason, [], []

    def _end(self, task: BatchTask, status: str, reason: str) -> None:
        logger.error("%s failed: %s", task, reason)
        task.trigger_event(LuigiEvent.FAILURE, task, ExecutorError(reason))
        self._task_result_queue.put((task.task_id, status, reason, [], []))


@runtime_checkable
class Exclusive(Protocol):
    """A root task that only one process may work on at a time."""

    def become_engine(self) -> None:
        """Take the lease; an `ExecutorError` says who holds it."""
        ...


class OsaFactory(luigi.interface._WorkerSchedulerFactory):  # type: ignore[misc]
    """Makes luigi's own command use this worker."""

    def create_remote_scheduler(self, url: str) -> PatientScheduler:
        return PatientScheduler(url)

    def create_worker(self, scheduler: Any, worker_processes: int, assistant: bool = False) -> OsaWorker:
        root = None if assistant else _root_task()
        if root:
            end_quietly()
        # Before luigid hears of this process: it would give a second one the first one's tasks.
        if isinstance(root, Exclusive):
            _become_engine(root)
        chosen = {"worker_id": _stable_id(root)} if root else {}
        return OsaWorker(scheduler=scheduler, worker_processes=worker_processes, assistant=assistant, **chosen)


def _root_task() -> luigi.Task | None:
    """The task that luigi's command line names."""
    parser = CmdlineParser.get_instance()
    return parser.get_task_obj() if parser and parser.known_args.root_task else None


def _become_engine(root: Exclusive) -> None:
    try:
        root.become_engine()
    except ExecutorError as error:
        logger.error("%s", error)  # noqa: TRY400 (said plainly; luigi's exit code for "already running" follows)
        raise luigi.interface.PidLockAlreadyTakenExit from error


def _stable_id(root: luigi.Task) -> str:
    """The same for the same root task on the same machine.

    A worker that was killed is then handed its RUNNING tasks back at once when it is started again; under a new id it would
    wait until luigid gives up on the old one (a minute, and 15 more for its tasks).
    """
    return f"osa-{host()}-{os.getuid()}-{root.task_id}"


EXIT_CODES = {
    "already_running": 10,
    "missing_data": 20,
    "not_run": 25,
    "task_failed": 30,
    "scheduling_error": 35,
    "unhandled_exception": 40,
}
"""Luigi's exit codes; its own defaults are 0 for every kind of failure."""


UNDECLARED = ("rpc_retry_attempts", "rpc_retry_wait")
"""Settings that luigi reads from its section ``core``, and warns of as unknown there."""


def register() -> None:
    """Put the worker and the exit codes where luigi's command looks for them; settings of the user's win."""
    luigi.interface._WorkerSchedulerFactory = OsaFactory
    config = luigi.configuration.get_config()
    defaults = {("retcode", name): str(code) for name, code in EXIT_CODES.items()}
    defaults["core", "log_level"] = "INFO"  # luigi's DEBUG says every second that it waits
    # The lease keeps two engines from one night. Luigi's own lock goes by the command line alone, so it would keep two sites apart, too.
    defaults["core", "no_lock"] = "true"
    # A scheduler that restarts is away for a while; luigi's default (3 tries, 30 s apart) would end the engine meanwhile.
    defaults |= {("core", "rpc_retry_attempts"): "20", ("core", "rpc_retry_wait"): "15"}
    luigi.interface.core.ignore_unconsumed = {*luigi.interface.core.ignore_unconsumed, *UNDECLARED}
    for (section, name), value in defaults.items():
        if not config.has_option(section, name):
            config.set(section, name, value)
