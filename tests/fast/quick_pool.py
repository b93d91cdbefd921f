"""A real pool in which riders wait a moment, not a second, after each job: of a night that takes no time it would be the most."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any
from unittest import mock

from osa_luigi.batch.local import LocalExecutor

QUICK = "from osa_luigi.batch import pool; pool.RIDER_PAUSE_S = 0.05; pool.main()"


def quick_pool(cache: Path, memory_mb: int) -> LocalExecutor:
    """The local executor of two cores."""
    real = subprocess.Popen

    def start(command: list[str], **options: Any) -> Any:
        python, _, _, *arguments = command  # python -m osa_luigi.batch.pool
        return real([python, "-c", QUICK, *arguments], **options)

    with mock.patch("osa_luigi.batch.local.subprocess.Popen", start):
        return LocalExecutor(cache, cores=2, memory_mb=memory_mb)
