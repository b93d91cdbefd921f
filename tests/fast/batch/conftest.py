"""Running a task under the worker; a disk that is well."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from random import Random
from typing import Any

import luigi
import pytest
from luigi.scheduler import Scheduler
from luigi.task_register import Register
from worker_work import Hands, Losing, Part

from osa_luigi.batch.worker import OsaWorker
from tests.simulation.danger import Danger, Dice, Disk


@pytest.fixture
def run(caplog: pytest.LogCaptureFixture) -> Iterator[Any]:
    """Run a task under the worker; gives the worker back."""
    caplog.set_level(logging.INFO, logger="luigi-interface")

    def run(task: luigi.Task, hands: Hands, **more: Any) -> OsaWorker:
        Register.clear_instance_cache()
        Part.hands = hands
        worker = OsaWorker(scheduler=Scheduler(), worker_processes=1, wait_interval=0.01, wait_jitter=0.0, **more)
        if isinstance(hands, Losing):
            hands.worker = worker
        with worker:
            worker.add(task)
            worker.run()
        return worker

    yield run
    Part.hands = None


@pytest.fixture
def no_chance() -> Disk:
    """A disk on which nothing goes wrong."""
    return Disk(Danger(Dice(Random(1)), 0.0))
