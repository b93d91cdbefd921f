"""What tests of several rooms share; it also puts this folder where they can import `fresh`, `fakes` and `crashes`."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from daemon import Luigid
from fresh import Fresh, server

from osa_luigi.products.production import Production


@pytest.fixture
def production(tmp_path: Path) -> Production:
    return Production(tmp_path / "20241115" / "v1")


@pytest.fixture
def fresh() -> Fresh:
    return server()


@pytest.fixture
def luigid(tmp_path: Path) -> Iterator[Luigid]:
    """The installed command; whatever a test does to it, it ends."""
    daemon = Luigid(tmp_path)
    yield daemon
    daemon.end(signal.SIGKILL)
