"""The tiny night of the real chain through a real SLURM: the same graph, by configuration alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chain.conftest import ID, Configured
from tests.cluster import Cluster
from tests.cluster.available import why_not
from tests.drills.arrays import array_names
from tests.drills.nights import ROOT, Site, copy_inputs
from tests.drills.witness import judge, look

SLURM = "type: slurm\n  slurm: {poll_seconds: 1, grace_seconds: 20, partition: long}"


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    if reason := why_not():
        pytest.skip(f"no real SLURM: {reason}")
    with Cluster(nodes=1, cpus=2, memory_mb=8000) as cluster:
        yield cluster


def test_the_night_is_made_as_arrays_on_slurm(night: Site, cluster: Cluster, tmp_path: Path) -> None:
    bare = copy_inputs(night, tmp_path / "bare")
    site = Configured(bare, tmp_path / "config")(("type: local", SLURM))
    environment = {"PYTHONPATH": str(ROOT), **{name: cluster.environment[name] for name in ("SLURM_CONF", "PATH")}}
    before = dict(os.environ)
    try:
        os.environ.update(environment)
        done = site.run_night()
    finally:
        os.environ.clear()
        os.environ.update(before)
    assert done.returncode == 0, done.stdout
    production = site.production(ID)
    assert (production.root / "NightFinished.txt").exists()
    seen = look(production)
    verdict = judge(production, [seen])
    assert (verdict.lost, verdict.unverified, verdict.left) == ([], [], [])
    here, there = (look(place.production(ID)).receipts for place in (night, site))
    assert {name: receipt.key for name, receipt in there.items()} == {
        name: receipt.key for name, receipt in here.items()
    }
    arrays = sorted(array_names(production))
    assert sum("dl1" in name for name in arrays) == 1, arrays
