"""Nothing outlives its parent: a killed engine must leave no orphans that a rerun would work beside."""

from __future__ import annotations

import ctypes
import os
import signal
from pathlib import Path

from osa_luigi.process import start_of as start_of

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def die_with(parent: int) -> None:
    """Ask the kernel to kill this process when its parent dies.

    Parameters
    ----------
    parent
        Process id of the parent as it was before the fork: it may have died before the kernel was asked.
    """
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(128 + signal.SIGKILL)


def die_with_every_parent() -> None:
    """Do the same in every process that is forked from this one, however deep (a tool's own worker processes, too)."""
    parents: list[int] = []
    os.register_at_fork(
        before=lambda: parents.append(os.getpid()),
        after_in_parent=parents.clear,
        after_in_child=lambda: die_with(parents.pop()),
    )


def native_threads() -> int:
    """Number of threads that the kernel sees in this process, Python's and the libraries' alike."""
    return len(list(Path("/proc/self/task").iterdir()))


def require_one_thread() -> None:
    """To be asked before a fork.

    Raises
    ------
    RuntimeError
        If this process has more than one thread: a fork would copy locks that nobody releases.
    """
    if (threads := native_threads()) != 1:
        raise RuntimeError(
            f"refusing to fork from a process with {threads} threads; set OMP_NUM_THREADS=1 before imports"
        )
