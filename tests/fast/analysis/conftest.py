"""A finished fake night, and the session's pool, for analyses."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_nights import Borrowed, FakeSite, run_night
from quick_pool import quick_pool

from osa_luigi.batch.local import LocalExecutor


@pytest.fixture(scope="session")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalExecutor]:
    executor = quick_pool(tmp_path_factory.mktemp("cache"), 1_000_000)
    yield executor
    executor.close()


@pytest.fixture
def borrowed(pool: LocalExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
    """The jobs of a test run in the session's pool."""
    monkeypatch.setattr("osa_luigi.tasks.part.executor", lambda configuration: Borrowed(pool))


@pytest.fixture(scope="session")
def _night(pool: LocalExecutor, tmp_path_factory: pytest.TempPathFactory) -> FakeSite:
    site = FakeSite(tmp_path_factory.mktemp("night") / "site")
    site.write()
    site.night()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("osa_luigi.tasks.part.executor", lambda configuration: Borrowed(pool))
        assert run_night(site).scheduling_succeeded
    return site


@pytest.fixture
def night(_night: FakeSite, borrowed: None, tmp_path: Path) -> FakeSite:
    """A site of which one night is finished."""
    return _night.copy(tmp_path / "site")
