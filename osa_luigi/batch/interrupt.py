"""Ctrl-C: one line that says what it stopped, and no traceback."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from types import TracebackType

import luigi


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
