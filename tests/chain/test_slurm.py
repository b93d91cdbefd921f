"""The tiny night of the real chain through a real SLURM: the same graph, by configuration alone."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from osa_luigi.products.names import REPORT
from tests.chain.conftest import DAY, ID, Configured
from tests.cluster import Cluster
from tests.cluster.available import why_not
from tests.drills.arrays import array_names
from tests.drills.nights import ROOT, Site, copy_inputs
from tests.drills.witness import judge, look

PATIENCE_S = 120
PUBLISHED = "default_procedure: tiny\n\npublication:\n  enabled: true"
TREE = [
    "DL1/20241115/tiny/tailcut84/dl1_LST-1.Run02003.h5",
    "DL1/20241115/tiny/muons/muons_LST-1.Run02003.fits",
    "DL1/datacheck_files/20241115/datacheck_dl1_LST-1.Run02003.h5",
    "DL2/20241115/tiny/tailcut84/nsb_tuning_0.00/dl2_LST-1.Run02003.h5",
    "OSA/Closer/20241115/tiny/NightFinished.txt",
]
"""Of what is published, some."""

SLURM = "type: slurm\n  slurm: {poll_seconds: 1, grace_seconds: 20, partition: long}"


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    if reason := why_not():
        pytest.skip(f"no real SLURM: {reason}")
    with Cluster(nodes=1, cpus=2, memory_mb=8000) as cluster:
        yield cluster


def test_the_night_is_made_as_arrays_on_slurm(night: Site, cluster: Cluster, tmp_path: Path) -> None:
    bare = copy_inputs(night, tmp_path / "bare")
    site = Configured(bare, tmp_path / "config")(("type: local", SLURM), ("default_procedure: tiny", PUBLISHED))
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
    assert there.keys() - here.keys() == {"publish.night"}
    assert {name: there[name].key for name in here} == {name: receipt.key for name, receipt in here.items()}
    arrays = sorted(array_names(production))
    assert sum("dl1" in name for name in arrays) == 1, arrays
    assert [place for place in TREE if not (site.base / place).is_file()] == []
    assert site.osa("verify", "--date", DAY.isoformat()).returncode == 0
    _tells_what_slurm_was_asked_for(site)


def _tells_what_slurm_was_asked_for(site: Site) -> None:
    """A job of the leg asks for the largest of its steps; the report has that."""
    page = json.loads(site.osa("report", "--date", DAY.isoformat(), "--json").stdout)
    given = {use["step"]: (use["asked_memory_mb"], use["given_memory_mb"]) for use in page["uses"]}
    assert given["dl1ab"] == (800, [1200, 1200])
    assert given["r0_to_dl1"] == (1200, [1200, 1200])
    until = time.monotonic() + PATIENCE_S
    while not (site.production(ID).root / REPORT).is_file():  # made after the job said that the night is closed
        assert time.monotonic() < until
        time.sleep(0.5)
