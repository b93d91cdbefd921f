"""Processes of one thread each, for what forks: the test runner's own has whatever threads other tests' libraries started.

A small server, started once, forks one process for each piece of work. Work is a function of a module that imports little, and its
arguments; its result or exception comes back. As the server has imported osa_luigi, a process costs a fork, not an import.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import os
import pickle
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

PATIENCE_S = 60.0
"""When a test gives up waiting for what should have happened long ago."""


class Run:
    """A process at work."""

    def __init__(self, pid: int, answer: Path) -> None:
        self.pid = pid
        self._answer = answer

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal, if it still runs."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def wait(self) -> Run:
        """Until it has ended."""
        with contextlib.suppress(ProcessLookupError):
            handle = os.pidfd_open(self.pid)
            poll = select.poll()
            poll.register(handle, select.POLLIN)
            ended = poll.poll(PATIENCE_S * 1000)
            os.close(handle)
            assert ended, f"process {self.pid} still runs"
        return self

    @property
    def answered(self) -> bool:
        """Whether it came to its end, rather than being killed."""
        return self._answer.exists()

    def result(self) -> Any:
        """What the function returned, or its exception again."""
        self.wait()
        good, value = pickle.loads(self._answer.read_bytes())
        if not good:
            raise value
        return value


class Fresh:
    """The server, as tests see it: it has imported these modules."""

    def __init__(self, *modules: str) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._count = 0
        command = [sys.executable, __file__, *modules]
        self._server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def start(self, function: Callable[..., Any], *arguments: Any) -> Run:
        """Begin a piece of work."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._count += 1
        answer = Path(self._folder.name) / str(self._count)
        work = (function.__module__, function.__name__, arguments)
        pickle.dump((sys.path, pickle.dumps(work), answer), self._server.stdin)
        self._server.stdin.flush()
        return Run(pickle.load(self._server.stdout), answer)

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Do it and wait for the result."""
        return self.start(function, *arguments).result()

    def close(self) -> None:
        """End the server."""
        self._server.communicate()
        self._folder.cleanup()


@cache
def server(*modules: str) -> Fresh:
    """The one of this test session with these modules; for attempts and jobs unless told otherwise."""
    fresh = Fresh(*(modules or ("osa_luigi.batch.pool", "osa_luigi.runner.leg")))
    atexit.register(fresh.close)
    return fresh


def until(condition: Callable[[], Any], what: str, every_s: float = 0.005) -> Any:
    """Wait for something that happens soon; a generous deadline, so that a busy machine fails no test."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(every_s)
    raise AssertionError(f"still not so: {what}")


def is_running(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _serve() -> None:
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    while True:
        _reap()
        try:
            path, work, answer = pickle.load(requests)
        except EOFError:
            break
        if (pid := os.fork()) == 0:
            try:
                _work(path, work, answer)
            finally:
                os._exit(1)
        pickle.dump(pid, replies)
        replies.flush()


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass


def _work(path: list[str], work: bytes, answer: Path) -> None:
    sys.path[:] = path
    os.close(0)
    os.open(os.devnull, os.O_RDONLY)
    try:
        module, name, arguments = pickle.loads(work)
        __import__(module)
        said = (True, getattr(sys.modules[module], name)(*arguments))
    except BaseException as error:
        said = (False, error)
    draft = answer.with_suffix(".draft")
    draft.write_bytes(pickle.dumps(said))
    draft.rename(answer)
    sys.stdout.flush()


if __name__ == "__main__":
    for module in sys.argv[1:]:
        importlib.import_module(module)
    _serve()
