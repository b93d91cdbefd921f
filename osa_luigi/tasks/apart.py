"""A question that is answered in a process of its own: what it takes of memory to answer goes with that."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import TypeVar

from osa_luigi.errors import ExecutorError, OsaError
from osa_luigi.runner.lifeline import die_with

Answer = TypeVar("Answer")


def in_child(question: Callable[[], Answer]) -> Answer:
    """What a function returns, asked in a forked process.

    Raises
    ------
    OsaError, OSError
        As the function does.
    ExecutorError
        The process ended without an answer.
    """
    context = multiprocessing.get_context("fork")
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=_tell, args=(sending, question), daemon=True)
    process.start()
    sending.close()
    try:
        good, answer = receiving.recv()
    except EOFError:
        process.join()
        raise ExecutorError(
            f"the process that looked at a night ended without an answer (exit code {process.exitcode}): is there enough memory? "
            "Run the same command again."
        ) from None
    process.join()
    if good:
        return answer  # type: ignore[no-any-return]
    raise answer


def _tell(sending: Connection, question: Callable[[], object]) -> None:
    die_with(os.getppid())
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # meant for who asked, whose handlers this process has, too
    try:
        answer: tuple[bool, object] = (True, question())
    except (OsaError, OSError) as error:
        answer = (False, ExecutorError(str(error)) if isinstance(error, OsaError) else error)
    sending.send(answer)
