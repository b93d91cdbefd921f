"""What the processes of these tests do: hold leases, be an engine."""

from __future__ import annotations

import atexit
import os
import time
from pathlib import Path
from typing import Any

import psutil
from fresh import is_running

from osa_luigi.batch.executor import Executor
from osa_luigi.batch.job import Event, Job
from osa_luigi.batch.lease import take_lease
from osa_luigi.batch.local import LocalExecutor
from osa_luigi.errors import ExecutorError
from osa_luigi.products.production import Production
from osa_luigi.steps.call import StepCall


def take(root: Path) -> int | str:
    """Take the lease, or say why not."""
    try:
        return take_lease(Production(root))
    except ExecutorError as error:
        return str(error)


def take_together(root: Path, go: Path, answers: Path) -> None:
    """Wait for the others, take the lease, leave the answer, and stay until killed."""
    while not go.exists():
        time.sleep(0.001)
    answer = take(root)
    draft = answers / f".{os.getpid()}"
    draft.write_text(str(answer))
    draft.rename(answers / f"{os.getpid()}")
    while True:
        time.sleep(1)


def take_twice(root: Path) -> list[int | str]:
    """Once more from the same process, then from a child of it."""
    answers = [take(root), take(root)]
    reading, writing = os.pipe()
    if (pid := os.fork()) == 0:
        os.write(writing, str(take(root)).encode())
        os._exit(0)
    os.waitpid(pid, 0)
    return [*answers, os.read(reading, 10_000).decode()]


def take_and_end_well(root: Path) -> int | str:
    """As an interpreter does that comes to its end."""
    answer = take(root)
    atexit._run_exitfuncs()
    return answer


def be_an_engine(root: Path, calls: tuple[StepCall, ...], cache: Path) -> None:
    """Hand out jobs, and wait to be killed."""
    executor = LocalExecutor(cache, cores=2, memory_mb=1000)
    for call in calls:
        executor.submit([Job(call.name, root, (call,))])
    while True:
        executor.poll(1)


def family(pid: int) -> list[int]:
    """All living descendants of a process."""
    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=True) if is_running(child.pid)]
    except psutil.NoSuchProcess:
        return []


def finish(executor: Executor, *jobs: Job) -> list[Event]:
    """Submit jobs; the events of their productions until each is over, and all that rides along."""
    for job in jobs:
        executor.submit([job])
    waiting: list[Any] = [job.name for job in jobs]
    riders = {job.name: [call.name for call in job.riders] for job in jobs}
    events: list[Event] = []
    while waiting:
        for event in executor.poll(60):
            if not event.job.startswith(tuple(str(job.production) for job in jobs)):
                continue  # the end of what an earlier test left riding
            events.append(event)
            for over, follow in _ends(event, riders):
                if over in waiting:
                    waiting.remove(over)
                    waiting += follow
    return events


def _ends(event: Event, riders: dict[str, list[str]]) -> list[tuple[Any, list[Any]]]:
    """What is over by this event, and what is still to come after it."""
    if event.kind in ("done", "given up"):
        follow = riders.get(event.job, []) if event.kind == "done" else []
        return [(event.job, [(event.job, rider) for rider in follow])]
    if event.kind in ("made", "failed"):
        return [((event.job, event.call), ["rider failed"] if event.kind == "failed" else [])]
    return [("rider failed", [])] if event.kind == "rider failed" else []
