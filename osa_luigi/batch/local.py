"""The local executor: a pool of processes on this machine, the embedded default."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from osa_luigi.batch.job import Event, Job
from osa_luigi.config.machine import memory_share_mb
from osa_luigi.errors import ExecutorError

LOG = "pool.log"
"""File in the cache folder where the pool's own messages go."""


class LocalExecutor:
    """Starts the pool's process, sends it jobs, and reads its events.

    Parameters
    ----------
    cache
        Folder for compiled functions, shared by all jobs; the pool's own messages go to ``pool.log`` in it.
    cores, memory_mb
        What jobs may use at a time; `None`: all cores, and most of the memory.
    """

    def __init__(self, cache: Path, cores: int | None = None, memory_mb: int | None = None) -> None:
        self._cores = cores or len(os.sched_getaffinity(0))
        memory_mb = memory_mb or memory_share_mb()
        cache.mkdir(parents=True, exist_ok=True)
        self._log = cache / LOG
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "osa_luigi.batch.pool",
                    f"--cores={self._cores}",
                    f"--memory-mb={memory_mb}",
                    f"--cache={cache}",
                    f"--parent={os.getpid()}",
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._to, self._from = self._process.stdin.fileno(), self._process.stdout.fileno()
        os.set_blocking(self._to, False)
        os.set_blocking(self._from, False)
        self._unsent = bytearray()
        self._unread = b""

    @property
    def capacity(self) -> int:
        """Enough that a free core never waits for the next hand-out, few enough that luigi's priorities still decide."""
        return 2 * self._cores + 2

    def submit(self, jobs: Sequence[Job]) -> None:
        """Queue jobs; that the pool has died, the next `poll` says."""
        for job in jobs:
            self._unsent += json.dumps(job.as_json()).encode() + b"\n"
        self._send()

    def poll(self, timeout_s: float) -> list[Event]:
        """Events since the last call.

        Raises
        ------
        ExecutorError
            If the pool's process has died.
        """
        with selectors.DefaultSelector() as selector:
            selector.register(self._from, selectors.EVENT_READ)
            if self._unsent:
                selector.register(self._to, selectors.EVENT_WRITE)
            selector.select(timeout_s)
        self._send()
        return self._receive()

    def close(self) -> None:
        """End the pool and all that it runs; may be called again."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _send(self) -> None:
        try:
            while self._unsent:
                del self._unsent[: os.write(self._to, self._unsent)]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._unsent.clear()  # `poll` says so, once it has passed on what the pool said last

    def _receive(self) -> list[Event]:
        try:
            while block := os.read(self._from, 1 << 16):
                self._unread += block
            ended = True
        except BlockingIOError:
            ended = False
        *lines, self._unread = self._unread.split(b"\n")
        events = [Event(**json.loads(line)) for line in lines]
        if ended and not events:
            raise self._died()
        return events

    def _died(self) -> ExecutorError:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1)  # its pipes close a moment before it has ended
        return ExecutorError(
            f"the pool that runs this machine's jobs has died (exit code {self._process.poll()}). "
            f"Read {self._log}, then run the night again: it goes on where it was."
        )
