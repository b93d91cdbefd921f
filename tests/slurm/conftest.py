"""One real SLURM for all tests here; where there can be none they are skipped, and say why."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from slurm_site import Site

from osa_luigi.batch.slurm.client import SlurmClient
from tests.cluster import Cluster
from tests.cluster.available import why_not


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here needs a real SLURM."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.slurm)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With a test that failed stands how it was with the cluster: what fails once in a hundred times cannot be asked later."""
    report = yield
    if report.failed:
        for cluster in getattr(item, "funcargs", {}).values():
            if isinstance(cluster, Cluster):
                report.sections.append(("SLURM", cluster.condition()))
    return report


@pytest.fixture(scope="session")
def slurm_is_there() -> None:
    """Installs it where that can be done."""
    if reason := why_not():
        pytest.skip(f"no real SLURM: {reason}")


@pytest.fixture(scope="session")
def cluster(slurm_is_there: None) -> Iterator[Cluster]:
    """Without accounting; a test leaves it as it found it, but for its jobs."""
    with Cluster(extra=["EnforcePartLimits=ALL"]) as cluster:
        yield cluster


@pytest.fixture
def hurt_cluster(slurm_is_there: None) -> Iterator[Cluster]:
    """For a test that kills nodes: none but it has jobs there."""
    with Cluster(nodes=1) as cluster:
        yield cluster


@pytest.fixture
def client(cluster: Cluster) -> SlurmClient:
    return SlurmClient(environment=cluster.environment)


@pytest.fixture
def script(tmp_path: Path) -> Callable[..., Path]:
    """Makes batch scripts."""

    def make(*lines: str) -> Path:
        path = tmp_path / "job.sh"
        path.write_text("\n".join(("#!/bin/sh", *lines, "")))
        return path

    return make


@pytest.fixture
def site(cluster: Cluster, tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path, cluster)
    try:
        yield site
    finally:
        for engine in site.engines:
            engine.kill()
            engine.wait()
        client = SlurmClient(environment=cluster.environment)
        for path in site.engine.glob("arrays/*/submitted.json"):
            with contextlib.suppress(Exception):
                client.cancel(json.loads(path.read_text())["job"])
