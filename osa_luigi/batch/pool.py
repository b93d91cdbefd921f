"""The process behind the local executor: imports lstchain once, and forks each job of the night.

``python -m osa_luigi.batch.pool`` reads jobs as lines of JSON on standard input and writes events to standard output. It ends, with
everything that it forked, when its standard input closes or the process that started it dies.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import selectors
import signal
import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from osa_luigi.batch.afterwards import afterwards
from osa_luigi.batch.archiving import archive_after, archive_before
from osa_luigi.batch.job import Event, Job
from osa_luigi.batch.local import LOG
from osa_luigi.batch.queueing import Budget, Queue
from osa_luigi.products.production import Production
from osa_luigi.runner.attempt import Result
from osa_luigi.runner.leg import run_calls, sweep_scratch, warm_up
from osa_luigi.runner.lifeline import die_with, die_with_every_parent, require_one_thread
from osa_luigi.steps.call import StepCall

RIDER_PRIORITY = -100
RIDER_PAUSE_S = 1.0
"""Seconds after a job's end in which no rider starts: the job's successors (a merge) come first, and a rider is not interrupted."""

LINE_LIMIT = 4000
"""Characters of a message that an event carries; the whole is in the log."""


@dataclass(slots=True)
class _Child:
    """A forked process that runs one job."""

    ticket: int
    job: Job
    riding: bool
    pid: int
    handle: int
    pipe: int
    said: bytes = b""
    failure: str = ""


class Pool:
    """One loop: take jobs, start what fits, pass on what the children say, reap them."""

    def __init__(self, budget: Budget, cache: Path, output: int) -> None:
        self._queue = Queue(budget)
        self._cache = cache
        self._output = output
        self._selector = selectors.DefaultSelector()
        self._children: dict[int, _Child] = {}
        self._failed: dict[tuple[Path, str, str], str] = {}
        self._input = b""
        self._last_done = -RIDER_PAUSE_S

    def serve(self, descriptor: int) -> None:
        """Until the input closes."""
        self._selector.register(descriptor, selectors.EVENT_READ, None)
        while True:
            self._start()
            for key, _ in self._selector.select(self._pause_left() or None):
                if key.data is not None:
                    self._listen(key.data, ended=key.fd == key.data.handle)
                elif not self._take(descriptor):
                    return

    def _take(self, descriptor: int) -> bool:
        block = os.read(descriptor, 1 << 20)
        *lines, self._input = (self._input + block).split(b"\n")
        for line in lines:
            self._queue.add(Job.from_json(json.loads(line)))
        return bool(block)

    def _start(self) -> None:
        while (chosen := self._queue.next(riders=not self._pause_left())) is not None:
            ticket, job, riding = chosen
            if reason := self._failed_before(job) or self._launch(ticket, job, riding):
                self._queue.end(ticket)
                self._tell(Event(job.name, "rider failed" if riding else "given up", text=reason))

    def _pause_left(self) -> float:
        """Seconds until a rider may start; 0 when one may."""
        return max(0.0, self._last_done + RIDER_PAUSE_S - time.monotonic())

    def _failed_before(self, job: Job) -> str:
        """Why a call of this job would fail again: it did in this very pool, with the same step key."""
        reasons = (self._failed.get(_ident(job, call.name, call.key), "") for call in job.calls)
        return next(filter(None, reasons), "")

    def _launch(self, ticket: int, job: Job, riding: bool) -> str:
        """Start a job; why not, where one cannot be started: that must not end the others."""
        try:
            warm_up(job.calls, self._cache)
            require_one_thread()
            self._fork(ticket, job, riding)
        except Exception as error:
            traceback.print_exc()
            return f"{job.name}: cannot be started ({type(error).__name__}: {error}). Read {self._cache / LOG}."
        return ""

    def _fork(self, ticket: int, job: Job, riding: bool) -> None:
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        pid = os.fork()
        if pid == 0:
            try:
                os.close(reading)
                os._exit(_run(job, writing))
            finally:
                os._exit(1)  # whatever happens, the loop above is not this process's
        os.close(writing)
        child = _Child(ticket, job, riding, pid, os.pidfd_open(pid), reading)
        self._children[pid] = child
        self._selector.register(child.handle, selectors.EVENT_READ, child)
        self._selector.register(child.pipe, selectors.EVENT_READ, child)

    def _listen(self, child: _Child, *, ended: bool) -> None:
        if child.pid not in self._children:
            return
        self._pass_on(child)
        if ended:
            self._reap(child)

    def _pass_on(self, child: _Child) -> None:
        try:
            while block := os.read(child.pipe, 1 << 16):
                child.said += block
        except BlockingIOError:
            pass
        *lines, child.said = child.said.split(b"\n")
        for line in lines:
            event = Event(**json.loads(line))
            if event.kind == "failed":
                child.failure = event.text
                self._failed[_ident(child.job, event.call, event.record.get("key", ""))] = event.text
            self._tell(event)

    def _reap(self, child: _Child) -> None:
        for descriptor in (child.handle, child.pipe):
            self._selector.unregister(descriptor)
            os.close(descriptor)
        _, status = os.waitpid(child.pid, 0)
        del self._children[child.pid]
        self._queue.end(child.ticket)
        code = os.waitstatus_to_exitcode(status)
        if code == 0:
            self._succeed(child)
        else:
            if code < 0:  # it could not clear away after itself, and this may be the night's last engine
                with contextlib.suppress(OSError):
                    sweep_scratch(Production(child.job.production))
            reason = child.failure or f"{child.job.name}: its process ended with {code}; run the night again"
            self._tell(Event(child.job.name, "rider failed" if child.riding else "given up", text=reason))

    def _succeed(self, child: _Child) -> None:
        if child.riding:
            return
        for rider in child.job.riders:
            alone = replace(child.job, calls=(rider,), riders=(), after=(), priority=RIDER_PRIORITY)
            self._queue.add(alone, riding=True)
        self._last_done = time.monotonic()
        self._tell(Event(child.job.name, "done"))

    def _tell(self, event: Event) -> None:
        _write(self._output, asdict(replace(event, text=event.text[:LINE_LIMIT])))

    def end(self) -> None:
        """Kill what runs; each child takes its own children along."""
        for child in self._children.values():
            os.kill(child.pid, signal.SIGKILL)


def _ident(job: Job, call: str, key: str) -> tuple[Path, str, str]:
    """What failed: the same call may do well in another production."""
    return job.production, call, key


def _run(job: Job, writing: int) -> int:
    """In the child: run the job's calls, telling of each."""

    def report(call: StepCall, result: Result | None) -> None:
        _write(writing, asdict(_event(job, call, result)))

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        _tell_trouble(archive_before(job), writing)
        if not run_calls(Production(job.production), job.calls, report):
            return 1
        _tell_trouble(archive_after(job), writing)
        _tell_trouble(afterwards(job), writing)
        return 0
    except BaseException as error:
        # A defect of ours: say it, rather than die silently between two forks.
        reason = f"{job.name}: {type(error).__name__}: {error}"
        _write(writing, asdict(Event(job.name, "failed", text=reason[:LINE_LIMIT])))
        return 1


def _tell_trouble(failures: Mapping[str, str], writing: int) -> None:
    for what, why in failures.items():
        _write(writing, asdict(Event(what, "rider failed", what, why[:LINE_LIMIT])))


def _event(job: Job, call: StepCall, result: Result | None) -> Event:
    if result is None:
        return Event(job.name, "step", call.name)
    kind = "made" if result.good else "failed"
    record = {**result.record, "key": call.key, "outcome": result.outcome}
    return Event(job.name, kind, call.name, result.reason[:LINE_LIMIT], str(result.log or ""), record)


def _write(descriptor: int, message: Mapping[str, Any]) -> None:
    data = json.dumps(message).encode() + b"\n"
    while data:
        data = data[os.write(descriptor, data) :]


def main() -> None:
    """``python -m osa_luigi.batch.pool``."""
    parser = argparse.ArgumentParser(description="Run jobs on this machine; for the local executor, not for people")
    parser.add_argument("--cores", type=int, required=True)
    parser.add_argument("--memory-mb", type=int, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--parent", type=int, required=True)
    asked = parser.parse_args()
    die_with(asked.parent)
    die_with_every_parent()
    # Ctrl-C in a terminal goes to every process of the group; the engine decides what ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    output = os.dup(1)
    os.dup2(2, 1)  # what an import prints must not look like an event
    sys.stdout = sys.stderr
    pool = Pool(Budget(asked.cores, asked.memory_mb), asked.cache, output)
    try:
        pool.serve(0)
    finally:
        pool.end()


if __name__ == "__main__":
    main()
