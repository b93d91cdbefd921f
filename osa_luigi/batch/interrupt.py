"""Ctrl-C: it is never lost, one line says what it stopped, and there is no traceback."""

from __future__ import annotations

import signal
import sys
import threading
from collections import Counter
from collections.abc import Iterable
from types import TracebackType

import luigi


class CtrlC:
    """Whether Ctrl-C was pressed.

    Python drops a KeyboardInterrupt that is raised while an object is cleaned up: in the callback of a weak reference, say, of which every
    import has some. An engine that was asked to end once, by ``osa campaign``, would go on for the whole night. So it is noted, too,
    and raised again where the worker comes by.
    """

    def __init__(self) -> None:
        self._noted = False
        self._listens = False

    def listen(self) -> None:
        """From now on; not where Ctrl-C is ignored, or somebody else's."""
        ours = threading.current_thread() is threading.main_thread()
        if ours and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._note)
            self._listens = True

    def leave(self) -> None:
        """It means what it meant before."""
        if self._listens:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            self._listens = False

    def check(self) -> None:
        """Raise it again.

        Raises
        ------
        KeyboardInterrupt
            It was pressed.
        """
        if self._noted:
            raise KeyboardInterrupt

    def _note(self, *_: object) -> None:
        self._noted = True
        raise KeyboardInterrupt


def stopped(under_way: Iterable[luigi.Task]) -> str:
    """What to say, given the tasks that were handed out."""
    families = Counter(task.task_family for task in under_way)
    what = ", ".join(f"{count} {family}" for family, count in families.items()) or "nothing"
    return (
        f"stopped by Ctrl-C; under way: {what}. What was made stays, what is half made does not count. "
        "Give the same command again: it goes on where it was."
    )


def end_quietly() -> None:
    """No traceback after Ctrl-C. The process still dies by the signal, as a shell expects that is to end its loop, too."""
    usual = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if not issubclass(kind, KeyboardInterrupt):
            usual(kind, error, trace)

    sys.excepthook = hook
