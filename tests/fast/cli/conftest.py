"""Nights that the tests of the command line look at; the slow ones are made once and not changed."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import pytest
from cli_nights import FAKE, Demo, Site, demo_arguments

STUCK = {
    **FAKE,
    "name": "stuck",
    "production_id": "stuck",
    "fake": {
        "duration_s": 0,
        "fail": ["r0_to_dl1:Run02003.0001"],
        "corrupt": ["dl2:Run02005"],
        "hang": ["*:Run02004.0000"],
    },
}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A night that was observed, and nothing done."""
    site = Site(tmp_path / "site")
    site.configure()
    site.observe()
    return site


@pytest.fixture(scope="session")
def demos(tmp_path_factory: pytest.TempPathFactory) -> tuple[Demo, Demo]:
    """A night that closed, and one that was stopped; both at once, since each mostly waits for imports."""
    good, bad = Site(tmp_path_factory.mktemp("closed")), Site(tmp_path_factory.mktemp("stopped"), data_runs=3)
    good.configure()
    bad.configure(STUCK)
    running, stuck = good.start(*demo_arguments(good, "fake")), bad.start(*demo_arguments(bad, "stuck"))
    try:
        seen = _when_stuck(bad, stuck)
        stuck.send_signal(signal.SIGTERM)
        said = stuck.communicate(timeout=60)
        closed = Demo(good, *running.communicate(timeout=100))
    finally:
        for process in (running, stuck):
            process.kill()
    assert stuck.returncode == 130, said
    assert running.returncode == 0, (closed.out, closed.err)
    return closed, Demo(bad, *said, seen)


def _when_stuck(site: Site, running: subprocess.Popen[str]) -> object:
    """What ``osa status`` says once all has happened but what never ends."""
    attempts = site.production("stuck").state / "attempts"
    deadline = time.monotonic() + 90
    while not list(attempts.glob("Run02005/dl2.*.json")) and running.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return site.data("status", "--date", "20241115", "--production", "stuck", code=1)


@pytest.fixture
def closed(demos: tuple[Demo, Demo]) -> Demo:
    """A closed night; not to be changed."""
    return demos[0]


@pytest.fixture
def stopped(demos: tuple[Demo, Demo]) -> Demo:
    """A night with a step that failed, a product found wanting, and one that hung until the demo was stopped."""
    return demos[1]
