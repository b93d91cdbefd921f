"""Makes the checkout importable for all tests (the drills' nights serve the tests of the chain, too), and shares them out when several
processes run them: ``pytest -n 2``, as ``make test`` does.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

TESTS = Path(__file__).parent

# A shell starts what runs in its background with Ctrl-C ignored, and all processes inherit that: tests stop engines by it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    with suppress(ValueError):  # not in the main thread
        signal.signal(signal.SIGINT, signal.default_int_handler)
# Machines are shared: how long an example takes says nothing about the code.
settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")

FIRST = ("fast/tasks", "fast/telescope", "fast/cli", "fast/runner")
"""What takes longest comes first, so that all processes end at about the same time; the chain, with the fast tests done, last."""

SLOW = (
    *(f"fast/{room}/" for room in ("analysis", "cli", "tasks", "telescope")),
    *(
        f"fast/batch/test_batch_{part}.py"
        for part in ("handout", "slurm_element", "slurm_environment", "slurm_simulation")
    ),
    "fast/config/test_config_fuzz.py",
)
"""Whole fake nights, commands, simulated telescopes, elements as SLURM starts them, hundreds of files: `make quick` leaves them out."""

TOGETHER = ("tests/fast/telescope/", "tests/fast/cli/", "tests/slurm/", "tests/servers/", "tests/chain/")
"""Folders that one process runs: each shares nights, or a cluster, that are made once."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The same order in one process and in several."""
    for item in items:
        if os.path.relpath(item.path, TESTS).startswith(SLOW):
            item.add_marker("slow")
    items.sort(key=lambda item: _rank(os.path.relpath(item.path, TESTS)))


def _rank(path: str) -> int:
    if path.startswith("chain/"):
        return len(FIRST) + 1
    return next((rank for rank, folder in enumerate(FIRST) if path.startswith(f"{folder}/")), len(FIRST))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """A process takes a file at a time, or a folder whose tests share something expensive."""
    from xdist.scheduler import LoadScopeScheduling

    class ByRoom(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return next((folder for folder in TOGETHER if nodeid.startswith(folder)), nodeid.partition("::")[0])

    config.option.loadscopereorder = False
    return ByRoom(config, log)
