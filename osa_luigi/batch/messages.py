"""What luigi's web page shows of jobs under way: as few calls of the scheduler as tell it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from luigi.scheduler import RUNNING

from osa_luigi.batch.flight import JobInFlight, TaskInFlight


class Messages:
    """Collects what changed, and tells the scheduler once in a while.

    A batch's message overwrites those of its members (luigi's scheduler hands it down), so it goes first, and only where its numbers
    changed. A member has no link to its log while it runs: the scheduler would give the same to all of its batch. The path stands in
    its message.
    """

    def __init__(self) -> None:
        self._jobs: dict[str, JobInFlight] = {}
        self._batches: dict[str, TaskInFlight] = {}

    @property
    def batches(self) -> list[TaskInFlight]:
        """Those of which something changed."""
        return list(self._batches.values())

    def note(self, job: JobInFlight) -> None:
        """Something about a job changed."""
        self._jobs[job.task.task_id] = job
        for flight in job.awaited_by:
            self.note_batch(flight)

    def note_batch(self, flight: TaskInFlight) -> None:
        """Something about a batch changed."""
        if flight.is_batch:
            self._batches[flight.task.task_id] = flight

    def send(self, scheduler: Any, worker: str, in_flight: dict[str, JobInFlight], *, members: bool) -> None:
        """Tell what changed of that which is still under way.

        Parameters
        ----------
        members
            Whether the members of batches have messages of their own.
        """
        jobs = {name: job for name, job in self._jobs.items() if in_flight.get(name) is job}
        batches = [flight for flight in self._batches.values() if flight.left]
        self._jobs, self._batches = {}, {}
        with suppress(Exception):  # a scheduler that is away must not fail a job; luigi's own calls retry
            for flight in batches:
                if _show_batch(scheduler, flight) and members:
                    jobs |= _overwritten(flight)
            for job in jobs.values():
                if job.is_handed_out_alone:
                    _show_alone(scheduler, worker, job)
                elif members and job.heard:  # its batch's message says that it waits
                    _show(scheduler, job)


def _show_batch(scheduler: Any, flight: TaskInFlight) -> bool:
    """Whether there was something to tell."""
    if flight.summary == flight.shown:
        return False
    flight.shown = flight.summary
    scheduler.set_task_status_message(flight.task.task_id, flight.shown)
    scheduler.set_task_progress_percentage(flight.task.task_id, flight.progress)
    return True


def _overwritten(flight: TaskInFlight) -> dict[str, JobInFlight]:
    """The members of a batch that run: where that is, and their logs, is to be told once more. Of others its message says enough."""
    running = {name: job for name, job in flight.left.items() if job.running}
    for job in running.values():
        job.shown = ""
    return running


def _show(scheduler: Any, job: JobInFlight) -> None:
    if job.message != job.shown:
        job.shown = job.message
        scheduler.set_task_status_message(job.task.task_id, job.shown)


def _show_alone(scheduler: Any, worker: str, job: JobInFlight) -> None:
    """The message last: who reads it finds the rest."""
    if job.log != job.shown_log:
        job.shown_log = job.log
        _link_log(scheduler, worker, job)
    if job.heard and job.message != job.shown:
        scheduler.set_task_progress_percentage(job.task.task_id, 100 * job.made // max(job.calls, 1))
    _show(scheduler, job)


def _link_log(scheduler: Any, worker: str, job: JobInFlight) -> None:
    """With all that makes a task: one that has lost its state would hand back a nameless one."""
    task = job.task
    scheduler.add_task(
        task_id=task.task_id,
        worker=worker,
        status=RUNNING,
        family=task.task_family,
        module=task.task_module,
        params=task.to_str_params(),
        tracking_url=Path(job.log).as_uri(),
    )
