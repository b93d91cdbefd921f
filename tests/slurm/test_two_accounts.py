"""What one account submitted and another one's engine goes on with: it sees it, and submits none of it again."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from waiting import eventually

from osa_luigi.batch.slurm import exchange as ex
from osa_luigi.batch.slurm import model as m
from osa_luigi.batch.slurm.accounts import other_accounts
from osa_luigi.batch.slurm.adapter import NightCluster, SharedCluster
from osa_luigi.batch.slurm.adoption import adopted_accounts
from osa_luigi.batch.slurm.client import SlurmClient
from osa_luigi.batch.slurm.engine import Engine
from osa_luigi.batch.slurm.journal import Journal
from osa_luigi.batch.slurm.policies import Asked, Policies
from osa_luigi.batch.slurm.store import FileStore
from osa_luigi.batch.slurm.tenure import Lease
from osa_luigi.batch.slurm.world import World
from osa_luigi.errors import ExecutorError
from osa_luigi.products.production import Production
from tests.cluster import Cluster

NOBODY = 65534
POLL_S, GRACE_S = 0.3, 1.0
WISH = m.Wish("dl1.2001.0", "Run2001.dl1", "r0_to_dl1", Asked(100, 60.0), index=0)

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root can submit as another account")


class NoFiles:
    """Nothing is left behind, and nothing made."""

    def prepare(self, array: m.ArrayState, jobs: Mapping[str, m.JobState]) -> None:
        """Nothing to write."""

    def notes(self, arrays: object) -> list[ex.Note]:
        return []

    def made(self, jobs: list[m.JobState]) -> Mapping[str, bool]:
        return {job.wish.name: False for job in jobs}

    def short_of_memory(self, jobs: object) -> frozenset[str]:
        return frozenset()

    def output(self, jobs: object) -> Mapping[str, str]:
        return {}


class Night:
    """A night that an engine of nobody's left with an array of one element, which runs on."""

    def __init__(self, production: Production, cluster: Cluster) -> None:
        self.production = production
        self.cluster = cluster
        self.array = f"osa.{production.root.parent.parent.name}.g1.00001.Run2001.dl1"
        jobs = {WISH.name: m.JobState(WISH, m.Phase.PLACED, WISH.asked)}
        element = m.Element((WISH.name,), (WISH.name,))
        self.journal = Journal(FileStore(production.state / "engine"))
        self.journal.intend(
            m.ArrayState(self.array, WISH.group, WISH.stage, WISH.asked, {0: element}, m.Link.LOST), 1, jobs
        )
        os.chown(production.state / "engine" / "arrays" / self.array, NOBODY, NOBODY)
        options = ["--parsable", "--array=0", "--output=/dev/null", "--time=5", "--chdir=/", "--mem=10"]
        command = ["sbatch", *options, f"--job-name={self.array}", "--wrap=sleep 100"]
        self.job = int(subprocess.check_output(command, env=cluster.environment, user=NOBODY, text=True))

    def engine(self, shared: SharedCluster, others: frozenset[int]) -> tuple[Engine, NightCluster]:
        """This account's."""
        slurm = NightCluster(shared, self.production.state / "engine" / "arrays", others=others)
        lease = Lease(self.production)
        settings = m.Settings("osa", lease.generation, Policies(), grace_s=GRACE_S, lookup_s=GRACE_S)
        engine = Engine(settings, World(slurm, NoFiles(), self.journal, lease, time.monotonic))  # type: ignore[arg-type]
        engine.want([WISH])
        return engine, slurm

    def arrays(self, shared: SharedCluster, others: frozenset[int]) -> list[str]:
        """What the journal has after an engine has long looked for it: more than one if it was submitted again."""
        engine, _ = self.engine(shared, others)
        for _ in range(10):
            engine.submit()
            engine.look()
            time.sleep(POLL_S)
        return sorted(path.name for path in (self.production.state / "engine" / "arrays").iterdir())


@pytest.fixture
def night(cluster: Cluster, tmp_path: Path) -> Iterator[Night]:
    night = Night(Production(tmp_path / "20241115" / "fake"), cluster)
    yield night
    SlurmClient(environment=cluster.environment).cancel(night.job)


@pytest.fixture
def shared(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], SharedCluster]:
    for name, value in cluster.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    settings: Any = SimpleNamespace(
        environment=SimpleNamespace(archive=None),
        poll_seconds=POLL_S,
        client_timeout_seconds=10.0,
        time_margin_minutes=0,
        place_of=lambda stage: pytest.fail(f"{stage} is submitted again"),
    )
    return lambda: SharedCluster(settings)


@pytest.mark.parametrize("answered", [True, False], ids=["with its id", "whose sbatch was not heard"])
def test_what_another_account_submitted_is_gone_on_with(
    night: Night, shared: Callable[[], SharedCluster], answered: bool
) -> None:
    if answered:
        night.journal.remember(night.array, night.job)
    cluster = shared()
    others = adopted_accounts(night.production, cluster.limits)
    assert others == {NOBODY}
    assert night.arrays(cluster, others) == [night.array]
    [array], _ = night.journal.open_arrays()
    assert array.job == night.job


def test_without_asking_for_that_account_it_would_be_submitted_again(
    night: Night, shared: Callable[[], SharedCluster]
) -> None:
    night.journal.remember(night.array, night.job)
    with pytest.raises(pytest.fail.Exception, match="is submitted again"):
        night.arrays(shared(), frozenset())


def test_what_each_account_sees_and_may_do(night: Night, cluster: Cluster) -> None:
    client = SlurmClient(environment=cluster.environment, others=[NOBODY])
    assert [seen.job for seen in client.queue(night.array)] == [night.job]
    assert {seen.job for seen in client.find(night.array)} == {night.job}
    ask = ["squeue", "-h", "-t", "all", "-o", "%A", "-u", f"1,{NOBODY}"]
    assert str(night.job) in subprocess.check_output(ask, env=cluster.environment, user=1, text=True).split()
    for command in (["scancel", f"{night.job}_[0]"], ["scontrol", "release", f"{night.job}_[0]"]):
        said = subprocess.run(command, env=cluster.environment, user=1, capture_output=True, text=True, check=False)
        assert said.returncode
        assert any(words in said.stderr.lower() for words in ("permission denied", "invalid user id")), said.stderr
    assert [seen.state for seen in eventually(lambda: client.find(night.array))] in (["PENDING"], ["RUNNING"])


def test_where_jobs_are_shown_to_their_owner_alone(
    slurm_is_there: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Cluster(nodes=1, extra=["PrivateData=jobs"]) as cluster:
        night = Night(Production(tmp_path / "20241115" / "fake"), cluster)
        limits = SlurmClient(environment=cluster.environment).limits()
        assert adopted_accounts(night.production, limits) == {NOBODY}, "root sees all"
        ask = ["squeue", "-h", "-t", "all", "-o", "%A", "-u", f"1,{NOBODY}"]
        assert subprocess.check_output(ask, env=cluster.environment, user=1, text=True) == ""
        monkeypatch.setattr(os, "getuid", lambda: 1)
        assert other_accounts(night.production) == {NOBODY: [night.array]}
        with pytest.raises(ExecutorError, match=f"account nobody may still run \\({night.array}"):
            adopted_accounts(night.production, limits)
