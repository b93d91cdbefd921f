"""Run a function in a forked child, with everything that an attempt must not share with others, and measure it."""

from __future__ import annotations

import contextlib
import os
import resource
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from osa_luigi.errors import OsaError
from osa_luigi.runner.lifeline import die_with, require_one_thread

SAMPLE_S = 1.0
"""Seconds between two looks at the memory of the process tree."""

GRACE_S = 5.0
"""Seconds between SIGTERM and SIGKILL for an attempt that is over its time."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a child ended.

    Parameters
    ----------
    exit_code
        The child's exit code; negative: killed by that signal.
    timed_out
        Whether it was ended for being over its time.
    wall_s, cpu_s
        Elapsed time, and CPU time of the child with all its own children (s).
    peak_memory_mb
        Largest resident memory of the whole process tree (MiB): pages shared with the parent are counted.
    """

    exit_code: int
    timed_out: bool
    wall_s: float
    cpu_s: float
    peak_memory_mb: float

    def reason(self, limit_s: float) -> str:
        """What a person wants to read of a bad end; empty for a good one."""
        if self.timed_out:
            return f"ran over its time limit of {limit_s:.0f} s"
        if self.exit_code < 0:
            name = _signal_name(-self.exit_code)
            hint = " (out of memory?)" if name == "SIGKILL" else ""
            return f"killed by {name}{hint}"
        return f"exit code {self.exit_code}" if self.exit_code else ""


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"


def run_forked(function: Callable[[], int | None], log: Path, folder: Path, limit_s: float) -> Outcome:
    """Fork, call, wait.

    Parameters
    ----------
    function
        What the child does; its result is the exit code. An `OsaError` is printed as one message, anything else with its
        traceback; both exit with 1.
    log
        Standard output and standard error of the child are appended here.
    folder
        The child's working directory.
    limit_s
        Wall time after which the child and its process group are ended (s).

    Raises
    ------
    RuntimeError
        If this process has more than one thread: a fork would copy locks that nobody releases.
    """
    require_one_thread()
    sys.stdout.flush()
    sys.stderr.flush()
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    started = time.monotonic()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        _child(function, descriptor, folder, parent)
    os.close(descriptor)
    return _wait(pid, started, limit_s)


def _child(function: Callable[[], int | None], descriptor: int, folder: Path, parent: int) -> None:
    """The child's whole life; never returns."""
    code = 1
    try:
        die_with(parent)
        os.setsid()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        _redirect(descriptor)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.chdir(folder)
        code = int(function() or 0)
    except SystemExit as error:
        code = _exit_code(error)
    except OsaError as error:
        print(error, file=sys.stderr)  # noqa: T201 (the log is this process's standard error)
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        # not sys.exit: nothing of the parent's (atexit hooks, pending buffers) is this child's to finish
        os._exit(code & 0xFF)


def _redirect(descriptor: int) -> None:
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    # The parent's Python-level streams may point elsewhere (a test's capture, say), and the locale of a compute node may know no
    # arrows and degree signs: a tool must not fail for what it prints.
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout = os.fdopen(1, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)


def _exit_code(error: SystemExit) -> int:
    if error.code is None:
        return 0
    if isinstance(error.code, int):
        return error.code
    print(error.code, file=sys.stderr)  # noqa: T201 (what the interpreter itself would do)
    return 1


def _wait(pid: int, started: float, limit_s: float) -> Outcome:
    """Wait for the child; whatever ends the waiting, nothing of it runs on."""
    try:
        peak, timed_out = _watch(pid, started, limit_s)
    finally:
        _kill_group(pid, signal.SIGKILL)  # before it is reaped: until then nobody else can have its number
        _, status, usage = os.wait4(pid, 0)
    return Outcome(
        exit_code=os.waitstatus_to_exitcode(status),
        timed_out=timed_out,
        wall_s=round(time.monotonic() - started, 3),
        cpu_s=round(usage.ru_utime + usage.ru_stime, 3),
        peak_memory_mb=round(max(peak, usage.ru_maxrss / 1024), 1),
    )


def _watch(pid: int, started: float, limit_s: float) -> tuple[float, bool]:
    """Until the child ended: its largest memory (MiB) as seen from time to time, and whether it had to be ended."""
    peak = 0.0
    ending: float | None = None
    handle = os.pidfd_open(pid)
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    try:
        while not poll.poll(SAMPLE_S * 1000):
            peak = max(peak, tree_memory_mb(pid))
            now = time.monotonic()
            if ending is None and now - started > limit_s:
                ending = now + GRACE_S
                _kill_group(pid, signal.SIGTERM)
            elif ending is not None and now > ending:
                _kill_group(pid, signal.SIGKILL)
    finally:
        os.close(handle)
    return peak, ending is not None


def tree_memory_mb(pid: int) -> float:
    """Resident memory of a process and all its descendants (MiB)."""
    total = 0
    try:
        parent = psutil.Process(pid)
        family = [parent, *parent.children(recursive=True)]
    except psutil.Error:
        return 0.0
    for process in family:
        with contextlib.suppress(psutil.Error):
            total += process.memory_info().rss
    return total / 2**20


def _kill_group(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)  # by itself, too: it may not have a group of its own yet
        os.killpg(pid, number)
