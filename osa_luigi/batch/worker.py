"""The luigi worker that hands jobs to an executor instead of forking a process for each task.

It relies on these parts of luigi 3.8, each with a test in tests/fast/batch/test_batch_worker.py or test_batch_handout.py:
`Worker._create_task_process`, `_run_task`, `_task_result_queue` (its `get` and `put`), `_handle_next_task`, `_purge_children`, `_get_work`
and `_add_task`; the attributes of a `TaskProcess` that luigi looks at; what a worker keeps (``_running_tasks``, ``_scheduled_tasks``,
``_batch_running_tasks``, ``_add_task_history``, ``_get_work_response_history``); and that an equal task may be made anew at any time
(`Register.clear_instance_cache`).
"""

from __future__ import annotations

import gc
import json
import logging
import queue
import time
from collections import deque
from pathlib import Path
from typing import Any

import luigi
import luigi.worker
from luigi.event import Event as LuigiEvent
from luigi.scheduler import DISABLED, DONE, FAILED
from luigi.task_register import Register

from osa_luigi.batch.executor import Executor
from osa_luigi.batch.flight import JobInFlight, TaskInFlight
from osa_luigi.batch.interrupt import CtrlC, stopped
from osa_luigi.batch.job import Event
from osa_luigi.batch.luigid import LastingWorker
from osa_luigi.batch.messages import Messages
from osa_luigi.batch.task import BatchTask
from osa_luigi.errors import ExecutorError, OsaError

logger = logging.getLogger("luigi-interface")

COLLECT_AFTER = 10_000
"""So many objects more, and Python looks for those that hold each other. A night's thousands of tasks, calls and jobs live to its end: by
default (700) they are gone through again and again while they are made."""

Answer = tuple[str, str, str, list[str], list[Any]]
"""What luigi's worker reads from its queue: task id, status, explanation, missing dependencies, new requirements."""

MOST_TOLD_SINGLY = 5000
"""With more jobs under way, the scheduler hears of a member's success only by that of its batch; of a failure always."""

MOST_SHOWN_SINGLY = 250
"""With more jobs under way, luigi's page tells in numbers how a batch stands, and no more where each member runs: a call for each."""

QUIET_ROUNDS = 10
"""While nothing ends, luigi's scheduler is asked for work only every so many wait intervals: it looks through all pending tasks.

The executor is listened to for as long, unless it has something to tell."""


class PlanningProcess(luigi.worker.ContextManagedTaskProcess):  # type: ignore[misc]
    """Runs a task that only plans (it yields requirements) in the worker itself, and says our own errors plainly."""

    def _handle_run_exception(self, error: BaseException) -> Any:
        if not isinstance(error, OsaError):
            return super()._handle_run_exception(error)
        logger.error("%s failed: %s", self.task, error)
        self.task.trigger_event(LuigiEvent.FAILURE, self.task, error)
        return str(error)


class Answers:
    """The queue that luigi's worker waits on: results of planning, and of tasks as the executor tells of their jobs."""

    def __init__(self, worker: OsaWorker) -> None:
        self._worker = worker
        self.ready: deque[Answer] = deque()
        self.taken = 0

    def put(self, answer: Answer) -> None:
        """What a planning task, the worker, or luigi itself reports."""
        self.ready.append(answer)

    def close(self) -> None:
        """Luigi closes its queue at the end; there is nothing to release here."""

    def get(self, timeout: float) -> Answer:
        """The next result; listens to the executor if there is none yet.

        Raises
        ------
        queue.Empty
            Nothing ended within the time.
        """
        if not self.ready:
            self._worker.listen(timeout)
        if not self.ready:
            raise queue.Empty
        self.taken += 1
        return self.ready.popleft()


class OsaWorker(LastingWorker):
    """Luigi's worker with an executor behind it."""

    def __init__(self, *args: Any, ctrl_c: CtrlC | None = None, **kwargs: Any) -> None:
        self._ctrl_c = ctrl_c or CtrlC()
        self._executor: Executor | None = None
        self._jobs: dict[str, JobInFlight] = {}
        self._given_up: set[str] = set()
        self._logs: dict[str, str] = {}
        """Of jobs that were handed out alone and have ended, until luigi tells its scheduler."""
        self._collecting = gc.get_threshold()
        self._ended = 0
        """Counts what may give luigi's scheduler more to hand out."""
        self._handed_over = False
        """Whether jobs were handed over since the executor was last listened to."""
        self._quiet_until = 0.0
        """Luigi's scheduler need not be asked for work before, if nothing ends; by the clock that nobody sets."""
        self._messages = Messages()
        super().__init__(*args, **kwargs)
        self._task_result_queue = Answers(self)

    @property
    def worker_processes(self) -> int:
        """How many tasks luigi may have running: one more, until as many jobs are under way as the executor wants."""
        if self._executor is None:
            return 1
        running = len(self._running_tasks)
        return running + 1 if len(self._jobs) < self._executor.capacity else max(1, running)

    @worker_processes.setter
    def worker_processes(self, number: int) -> None:
        """Luigi sets it from ``--workers``, which counts processes that this worker does not have."""

    def __enter__(self) -> Any:
        self._collecting = gc.get_threshold()
        gc.set_threshold(COLLECT_AFTER, *self._collecting[1:])
        return super().__enter__()

    def __exit__(self, kind: Any, error: Any, trace: Any) -> Any:
        gc.set_threshold(*self._collecting)
        self._ctrl_c.leave()
        if kind is KeyboardInterrupt:
            logger.warning("%s", stopped([job.task for job in self._jobs.values()]))
        if self._executor:
            self._executor.close()
        return super().__exit__(kind, error, trace)

    # ---- what luigi asks of its worker ------------------------------------------------------------------------------

    def _get_work(self) -> Any:
        self._ctrl_c.check()
        reply = super()._get_work()
        self._batch_running_tasks.clear()  # this worker tells of each member itself
        self._trim_replies()
        return reply

    def _trim_replies(self) -> None:
        """Luigi's summary looks in all replies for tasks that other workers run; what this one runs stands in each."""
        replies = self._get_work_response_history
        if not replies:
            return
        last = replies.pop()
        others = [task for task in last["running_tasks"] if task["worker"] != str(self._id)]
        if others and not (replies and replies[-1]["running_tasks"] == others):
            replies.append({**last, "running_tasks": others})

    def _run_task(self, task_id: str) -> None:
        """What is under way and handed out again stays under way: by having asked, the scheduler knows of it again."""
        if task_id not in self._running_tasks:
            super()._run_task(task_id)

    def _create_task_process(self, task: luigi.Task) -> Any:
        if isinstance(task, BatchTask):
            return TaskInFlight(self, task)
        return PlanningProcess(
            None,
            task,
            self._id,
            self._task_result_queue,
            luigi.worker.TaskStatusReporter(self._scheduler, task.task_id, self._id, None),
            use_multiprocessing=False,
            check_unfulfilled_deps=self._config.check_unfulfilled_deps,
        )

    def _purge_children(self) -> None:
        """Nothing here has a process; luigi's own loop looks at everything under way for each result."""

    def _handle_next_task(self) -> None:
        """All results that are there, before luigi asks for work again."""
        before = (self._ended, self._task_result_queue.taken)
        self._quiet_until = time.monotonic() + QUIET_ROUNDS * self._config.wait_interval
        for _ in range(QUIET_ROUNDS):
            super()._handle_next_task()
            while self._task_result_queue.ready:
                super()._handle_next_task()
            if (self._ended, self._task_result_queue.taken) != before or time.monotonic() >= self._quiet_until:
                return

    def _add_task(self, *args: Any, **kwargs: Any) -> None:
        """What luigi tells its scheduler, and notes for its summary."""
        task = self._scheduled_tasks.get(kwargs["task_id"])
        noted = len(self._add_task_history)
        joined = isinstance(task, BatchTask) and len(task.members()) > 1
        if isinstance(task, BatchTask) and not joined and task.batchable and kwargs["status"] in (DONE, FAILED):
            # Detached from the batch that it was in: run again and DONE, it would mark those of its siblings DONE that still run.
            kwargs |= {"batch_id": f"alone.{task.task_id}", "batchable": True}
        if log := self._logs.pop(kwargs["task_id"], ""):
            kwargs["tracking_url"] = Path(log).as_uri()
        super()._add_task(*args, **kwargs)
        if joined:
            del self._add_task_history[noted:]  # its members stand for it

    # ---- jobs -------------------------------------------------------------------------------------------------------

    def hand_over(self, flight: TaskInFlight) -> None:
        """Submit a task's jobs, those that are under way already excepted: they are waited for."""
        new = self._begin(flight)
        try:
            if self._executor is None:
                self._executor = flight.task.make_executor()
            made = {name for name, job in new.items() if flight.is_batch and job.task.complete()}
            jobs = [job for job in flight.task.jobs() if job.name in new.keys() - made]
            for job in jobs:
                new[job.name].calls = len(job.calls)
                new[job.name].task.trigger_event(LuigiEvent.START, new[job.name].task)
            if jobs:
                self._executor.submit(jobs)
                self._handed_over = True
        except OsaError as error:
            for job_in_flight in new.values():
                self._end(job_in_flight, str(error))
            return
        for name in new.keys() - {job.name for job in jobs}:
            self._end(new[name])
        self._show()

    def _begin(self, flight: TaskInFlight) -> dict[str, JobInFlight]:
        """Have the task wait for the job of each member; returns those that are not under way yet."""
        new: dict[str, JobInFlight] = {}
        for member in flight.members:
            name = member.task_id
            self._scheduled_tasks.setdefault(name, member)  # of a batch that a killed engine had, luigi knows no member
            if name not in self._jobs:
                self._jobs[name] = new[name] = JobInFlight(member)
            flight.wait_for(self._jobs[name])
            self._messages.note(self._jobs[name])
        return new

    def listen(self, timeout_s: float) -> None:
        """Hear from the executor: ends of jobs are told at once; everything else becomes messages in luigi's web page."""
        self._ctrl_c.check()
        if self._executor is None:
            return
        if self._handed_over:
            # Luigi keeps every task that was ever made, with its parameters; those under way are kept here.
            Register.clear_instance_cache()
            self._handed_over = False
            self._ctrl_c.check()  # such things end there that Python drops a Ctrl-C in
        try:
            events = self._executor.poll(max(timeout_s, self._quiet_until - time.monotonic()))
        except ExecutorError as error:
            for job in list(self._jobs.values()):
                self._end(job, str(error))
            return
        for event in events:
            self._hear(event)
        self._show()

    def _hear(self, event: Event) -> None:
        job = self._jobs.get(event.job)
        if job is None:
            if event.kind == "rider failed":
                logger.warning("%s: %s", event.job, event.text)
            elif event.kind == "again":
                self._take_up_again(event.job)
            return
        job.task.heard(event)
        job.log = event.log or job.log
        match event.kind:
            case "done":
                self._end(job)
            case "given up":
                self._end(job, None if job.task.is_excused() else event.text)
            case _:
                job.hear(event)
                self._messages.note(job)

    def _take_up_again(self, name: str) -> None:
        """An operator had a job tried again that was given up: luigi's scheduler is to hand it out once more, to be waited for here."""
        task = self._scheduled_tasks.get(name)
        if task is None:
            return
        if self._scheduler.forgive_failures(task_id=name)["status"] == DISABLED:  # by luigi's own retry_count
            self._scheduler.re_enable_task(task_id=name)
            self._scheduler.forgive_failures(task_id=name)
        self._given_up.discard(name)
        self._ended += 1
        logger.info("%s is tried again", task)

    def _show(self) -> None:
        for flight in self._messages.batches:
            if flight.ended != flight.said:
                flight.said = flight.ended
                logger.info("%s: %s", flight.task, flight.summary)
        few = len(self._jobs) <= MOST_SHOWN_SINGLY
        self._messages.send(self._scheduler, self._id, self._jobs, members=few)

    def _end(self, job: JobInFlight, failure: str | None = None) -> None:
        """A job has ended; with a failure: badly. Those who wait for it are told, and end with their last one."""
        many = len(self._jobs) > MOST_TOLD_SINGLY
        del self._jobs[job.task.task_id]
        self._ended += 1
        self.run_succeeded &= failure is None
        self._say_end(job, failure)
        for flight in job.awaited_by:
            flight.end(job, failure)
            self._messages.note_batch(flight)
        if job.is_handed_out_alone:
            self._logs[job.task.task_id] = job.log
        else:
            self._tell_member(job, failure, many=many)
        for flight in job.awaited_by:
            if not flight.left:
                self._task_result_queue.put((flight.task.task_id, flight.status, flight.reason, [], []))

    def _say_end(self, job: JobInFlight, failure: str | None) -> None:
        task = job.task
        if failure is None:
            if not any(flight.is_batch for flight in job.awaited_by):  # of a batch, a line for each look is enough
                logger.info("%s done", task)
            task.trigger_event(LuigiEvent.SUCCESS, task)
        elif task.task_id in self._given_up and not job.heard:
            # luigi's scheduler tries what failed again after its retry_delay; the executor remembers, and nothing was done.
            logger.info("%s was given up before", task)
        else:
            self._given_up.add(task.task_id)
            logger.error("%s failed: %s", task, failure)
            task.trigger_event(LuigiEvent.FAILURE, task, ExecutorError(failure))

    def _tell_member(self, job: JobInFlight, failure: str | None, *, many: bool) -> None:
        """Tell the scheduler of a batch's member by itself: it unlocks what waits for it, while others still run."""
        if many and failure is None:
            for flight in job.awaited_by:
                flight.untold = True
            self._add_task_history.append((job.task, DONE, True))
            return
        task = job.task
        self._add_task(
            worker=self._id,
            task_id=task.task_id,
            status=DONE if failure is None else FAILED,
            expl=None if failure is None else json.dumps(failure),
            resources=task.process_resources(),
            runnable=None,
            params=task.to_str_params(),
            family=task.task_family,
            module=task.task_module,
            new_deps=[],
            assistant=self._assistant,
            retry_policy_dict=luigi.worker._get_retry_policy_dict(task),
            tracking_url=Path(job.log).as_uri() if job.log else None,
        )
