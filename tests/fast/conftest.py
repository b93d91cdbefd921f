"""What tests of several rooms share; it also puts this folder where they can import `fresh`, `fakes` and `crashes`."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from daemon import Luigid
from fake_nights import Borrowed, FakeSite, run_night
from fresh import Fresh, server
from quick_pool import quick_pool

from osa_luigi.batch.local import LocalExecutor
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


@pytest.fixture(scope="session")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalExecutor]:
    """The local executor's process."""
    executor = quick_pool(tmp_path_factory.mktemp("cache"), 1_000_000)
    yield executor
    executor.close()


@pytest.fixture
def borrowed(pool: LocalExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
    """The nights of a test run in the session's pool."""
    monkeypatch.setattr("osa_luigi.tasks.part.executor", lambda configuration: Borrowed(pool))


@pytest.fixture(scope="session")
def _finished(pool: LocalExecutor, tmp_path_factory: pytest.TempPathFactory) -> FakeSite:
    site = FakeSite(tmp_path_factory.mktemp("finished") / "site")
    site.write()
    site.night()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("osa_luigi.tasks.part.executor", lambda configuration: Borrowed(pool))
        assert run_night(site).scheduling_succeeded
    return site


@pytest.fixture
def finished(_finished: FakeSite, tmp_path: Path) -> FakeSite:
    """A site of which the night is finished."""
    return _finished.copy(tmp_path / "finished")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Small file systems of their own; root alone may mount them."""
    mounted: list[Path] = []

    def mount(options: str) -> Path:
        folder = tmp_path / f"disk{len(mounted)}"
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        if shutil.which("mount") is None:
            pytest.skip("a small disk to fill cannot be mounted: there is no mount command")
        if (done := subprocess.run(command, capture_output=True, text=True, check=False)).returncode:
            pytest.skip(f"a small disk to fill cannot be mounted (root may): {done.stderr.strip()}")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", str(folder)], check=True)
