"""Commands as processes of their own, so many at a time, each with a log.

They end with whoever started them: asked to stop, they are stopped as by Ctrl-C; if it is killed, the kernel kills them.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Generic, TypeVar

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
    chain: Iterator[T]
    item: T
    command: Command
    process: subprocess.Popen[bytes]


class Processes(Generic[T]):
    """Chains of commands: those of a chain run one after the other, chains beside each other.

    Parameters
    ----------
    parallel
        Chains at a time, at most.
    command
        What is started for an item of a chain.
    started, ended
        Told of each item; at its end also of the exit code (negative: the signal that ended it).
    may_begin
        Asked before each start; where it says no, nothing more is started.
    meanwhile
        Called again and again while something runs.
    """

    def __init__(
        self,
        parallel: int,
        command: Callable[[T], Command],
        started: Callable[[T, Command], None],
        ended: Callable[[T, Command, int], None],
        may_begin: Callable[[], bool] = lambda: True,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> None:
        self._parallel, self._command = parallel, command
        self._started, self._ended, self._may_begin = started, ended, may_begin
        self._meanwhile = meanwhile
        self._running: list[_Slot[T]] = []
        self._stopping = False

    @property
    def stopped(self) -> bool:
        """Whether somebody asked for the end."""
        return self._stopping

    def run(self, chains: Iterable[Iterable[T]]) -> None:
        """Run all to their end, or until `stop` is called. Chains and their items are taken as a place becomes free.

        Raises
        ------
        ExecutorError
            A log cannot be written; what runs is stopped.
        """
        waiting = map(iter, chains)
        try:
            self._fill(waiting)
            while self._running:
                time.sleep(POLL_S)
                self._meanwhile()
                for slot in [one for one in self._running if one.process.poll() is not None]:
                    self._running.remove(slot)
                    self._ended(slot.item, slot.command, slot.process.returncode)
                    self._next(slot.chain)
                self._fill(waiting)
        except BaseException:
            self._stop_all()
            raise

    def stop(self, *_: object) -> None:
        """Start no more, and end what runs as Ctrl-C would; a handler of signals."""
        self._stopping = True
        for slot in self._running:
            slot.process.send_signal(signal.SIGINT)

    def _fill(self, waiting: Iterator[Iterator[T]]) -> None:
        while len(self._running) < self._parallel and self._goes_on():
            chain = next(waiting, None)
            if chain is None:
                return
            self._next(chain)

    def _goes_on(self) -> bool:
        return not self._stopping and self._may_begin()

    def _next(self, chain: Iterator[T]) -> None:
        item = next(chain, None) if self._goes_on() else None
        if item is None or not self._goes_on():  # to find the next one may have taken a while
            return
        command = self._command(item)
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
        self._running.append(_Slot(chain, item, command, process))
        self._started(item, command)

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
