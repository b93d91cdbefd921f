"""SLURM takes its time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")


def eventually(ask: Callable[[], Found], seconds: float = 60) -> Found:
    """What a question gives once that is something."""
    end = time.monotonic() + seconds
    while not (found := ask()):
        assert time.monotonic() < end, "SLURM did not come to it"
        time.sleep(0.1)
    return found
