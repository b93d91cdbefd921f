"""Processes that the demo started end with it, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from osa_luigi.runner.lifeline import die_with

PATIENCE_S = 15.0


@contextmanager
def until_stopped() -> Iterator[None]:
    """SIGTERM and SIGHUP end the demo as Ctrl-C does, so that what it started is stopped."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def dying_with_us() -> Callable[[], None]:
    """For `subprocess.Popen(preexec_fn=…)`: the child is killed when this process is."""
    parent = os.getpid()
    return lambda: die_with(parent)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End one process, by its id: asked first, then killed."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
