"""Commands as processes of their own, each with a log.

They end with whoever started them: asked to stop, they are stopped as by Ctrl-C; if it is killed, the kernel kills them.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Generic, Self, TypeVar

from osa_luigi.errors import ExecutorError
from osa_luigi.runner.lifeline import die_with

POLL_S = 0.2
STOPPING_S = 60.0
"""A process that was asked to stop is killed after so long."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Command:
    """What is started, where its output goes, and what its environment has besides ours."""

    words: Sequence[str]
    log: Path
    environment: Mapping[str, str]


@dataclass(slots=True)
class _Slot(Generic[T]):
    item: T
    command: Command
    process: subprocess.Popen[bytes]


class Processes(Generic[T]):
    """Commands that run beside each other, each for an item. As a context, it stops them where an error leaves it."""

    def __init__(self) -> None:
        self._running: list[_Slot[T]] = []
        self._stopping = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._stop_all()

    def __len__(self) -> int:
        return len(self._running)

    @property
    def stopped(self) -> bool:
        """Whether somebody asked for the end."""
        return self._stopping

    def start(self, item: T, command: Command) -> None:
        """Start a command.

        Raises
        ------
        ExecutorError
            Its log cannot be written.
        """
        with _opened(command.log) as file:
            process = subprocess.Popen(
                command.words,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env={**os.environ, **command.environment},
                start_new_session=True,  # a terminal's Ctrl-C is for us, and we hand it on once
                preexec_fn=partial(die_with, os.getpid()),
            )
        self._running.append(_Slot(item, command, process))
        if self._stopping:  # a signal came meanwhile, and has not reached this one
            process.send_signal(signal.SIGINT)

    def ended(self) -> list[tuple[T, Command, int]]:
        """What has ended since the last time, with its exit code (negative: the signal that ended it)."""
        over = [slot for slot in self._running if slot.process.poll() is not None]
        for slot in over:
            self._running.remove(slot)
        return [(slot.item, slot.command, slot.process.returncode) for slot in over]

    def stop(self, *_: object) -> None:
        """End what runs as Ctrl-C would; a handler of signals."""
        self._stopping = True
        for slot in self._running:
            slot.process.send_signal(signal.SIGINT)

    def _stop_all(self) -> None:
        self.stop()
        until = time.monotonic() + STOPPING_S
        for slot in self._running:
            try:
                slot.process.wait(max(until - time.monotonic(), 0))
            except subprocess.TimeoutExpired:
                slot.process.kill()
                slot.process.wait()


def _opened(log: Path) -> IO[bytes]:
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        return log.open("ab")
    except OSError as error:
        raise ExecutorError(
            f"{log}: cannot be written ({error.strerror}): make site.paths.logs a folder that all operators may write to "
            "(docs/how-to/every-morning.md)."
        ) from error
