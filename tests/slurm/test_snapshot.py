"""Several engines and a real SLURM: one squeue per interval, and the same look for all."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from osa_luigi.batch.slurm.client import SlurmAway, SlurmClient
from osa_luigi.batch.slurm.snapshot import SharedSnapshot
from tests.cluster import Cluster

INTERVAL_S = 0.5

ENGINE = f"""
import sys, time
from pathlib import Path
from osa_luigi.batch.slurm.client import SlurmClient
from osa_luigi.batch.slurm.snapshot import SharedSnapshot
client = SlurmClient()
shared = SharedSnapshot(client, Path(sys.argv[1]), {INTERVAL_S})
looks = set()
end = time.monotonic() + 2
while time.monotonic() < end:
    looks.add(shared.get(time.time()))
    time.sleep(0.02)
assert all(any(seen.name == "osa-shared" for seen in look.sightings) for look in looks)
print(client.calls["squeue"], *(look.taken_at for look in looks))
"""


def test_one_squeue_per_interval(
    cluster: Cluster, client: SlurmClient, script: Callable[..., Path], tmp_path: Path
) -> None:
    client.submit(script("true"), ["--output=/dev/null", "--hold", "--job-name=osa-shared", "--array=0-99"])
    command = [sys.executable, "-c", ENGINE, str(tmp_path / "shared")]
    engines = [subprocess.Popen(command, env=cluster.environment, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    printed = [engine.communicate(timeout=60)[0].split() for engine in engines]
    assert [engine.returncode for engine in engines] == [0, 0, 0, 0]
    asked = sum(int(words[0]) for words in printed)
    moments = sorted({float(moment) for words in printed for moment in words[1:]})
    assert len(moments) == asked > 1
    # An engine that has to wait for its processor tells a moment that is over, and the next look may come sooner by so much.
    assert asked <= (moments[-1] - moments[0]) / INTERVAL_S + 2


def test_one_engine_finds_out_for_all_that_slurmctld_hangs(cluster: Cluster, tmp_path: Path) -> None:
    clients = [SlurmClient(timeout_s=0.5, environment=cluster.environment) for _ in range(3)]
    cluster.stop_slurmctld()
    try:
        for client in clients:
            with pytest.raises(SlurmAway, match="squeue did not end"):
                SharedSnapshot(client, tmp_path / "shared", 10).get(time.time())
    finally:
        cluster.continue_slurmctld()
    assert sum(client.calls["squeue"] for client in clients) == 1
