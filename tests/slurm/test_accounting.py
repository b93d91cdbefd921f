"""What the accounting says of jobs that slurmctld may have forgotten."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from waiting import eventually

from osa_luigi.batch.slurm.client import Sighting, SlurmAway, SlurmClient
from osa_luigi.batch.slurm.seen import NO_INDEX
from tests.cluster import Cluster

QUIET = ("--output=/dev/null", "--time=5")
HOUR_AGO = datetime.now(UTC) - timedelta(hours=1)

Script = Callable[..., Path]


@pytest.fixture(scope="module")
def kept(slurm_is_there: None) -> Iterator[Cluster]:
    """A cluster with slurmdbd."""
    with Cluster(accounting="dbd") as cluster:
        yield cluster


@pytest.fixture
def client(kept: Cluster) -> SlurmClient:
    return SlurmClient(environment=kept.environment)


def states(seen: list[Sighting]) -> dict[int, str]:
    return {s.index: s.state for s in seen}


def test_of_a_requeued_job_the_attempt_that_counts(kept: Cluster, client: SlurmClient, script: Script) -> None:
    first = kept.folder / "first"
    path = script(f"mkdir {first} && sleep 100", "exit 5")
    job = client.submit(path, [*QUIET, "--job-name=osa-twice", "--requeue", "--array=4-4"])
    eventually(first.exists)
    subprocess.run(["scontrol", "requeue", f"{job}_4"], env=kept.environment, check=True)
    eventually(lambda: states(client.queue("osa-twice")) == {4: "PENDING"})
    # It would wait for two minutes. Started in the very second in which its first attempt ended, it would fail with 1 unrun,
    # for slurmd revokes what it may run by the second.
    time.sleep(2)
    subprocess.run(["scontrol", "update", f"jobid={job}_4", "StartTime=now"], env=kept.environment, check=True)
    [seen] = eventually(lambda: [s for s in client.accounting([job], HOUR_AGO) if s.state == "FAILED"])
    assert (seen.index, seen.exit_code) == (4, 5)
    assert kept.ask("sacct", "-X", "-n", "-D", "-j", str(job)).count("REQUEUED") == 1


def test_an_accounting_that_is_away_says_nothing(kept: Cluster, client: SlurmClient) -> None:
    kept.kill_slurmdbd()
    try:
        with pytest.raises(SlurmAway, match="sacct"):
            client.accounting([1], HOUR_AGO)
        with pytest.raises(SlurmAway, match="sacct"):
            client.find("never-submitted")
    finally:
        kept.restart_slurmdbd()
    assert client.find("never-submitted") == []


def test_jobs_of_another_account_are_told_of_where_they_are_asked_for(kept: Cluster, client: SlurmClient) -> None:
    options = [*QUIET, "--parsable", "--job-name=osa-theirs", "--chdir=/", "--array=0", "--wrap=true"]
    job = int(subprocess.check_output(["sbatch", *options], env=kept.environment, user=65534, text=True))
    wider = SlurmClient(environment=kept.environment, others=[65534])
    [seen] = eventually(lambda: wider.accounting([job], HOUR_AGO))
    assert (seen.name, seen.job, seen.index) == ("osa-theirs", job, 0)
    assert client.accounting([job], HOUR_AGO) == []


def test_it_is_asked_once_for_many_and_not_for_none(client: SlurmClient) -> None:
    assert client.accounting([], HOUR_AGO) == []
    assert client.accounting(range(1000, 2000), HOUR_AGO) == []
    assert client.calls == {"sacct": 1}
    assert client.limits().accounting


def test_what_became_of_jobs_is_told_after_slurmctld_forgot_them(
    kept: Cluster, client: SlurmClient, script: Script
) -> None:
    array = client.submit(
        script("[ $SLURM_ARRAY_TASK_ID = 7 ] && kill -9 $$", "exit $SLURM_ARRAY_TASK_ID"),
        [*QUIET, "--job-name=osa-array", "--array=0,3,7"],
    )
    waiting = client.submit(script("true"), [*QUIET, "--job-name=osa-held", "--hold", "--array=1-3,20-30:5%2"])
    running = client.submit(script("sleep 100"), [*QUIET, "--job-name=osa-long"])
    jobs = [array, waiting, running]
    eventually(lambda: states(client.find("osa-long")) == {NO_INDEX: "RUNNING"})
    client.cancel(running)

    def ask() -> dict[str, Sighting]:
        seen = {f"{s.name}.{s.index}": s for s in client.accounting(jobs, HOUR_AGO)}
        over = [s for s in seen.values() if s.state not in ("PENDING", "RUNNING", "COMPLETING")]
        return seen if len(over) == 4 and len(seen) == 10 else {}

    seen = eventually(ask)
    assert {(s.exit_code, s.signal) for s in seen.values()} == {(0, 0), (3, 0), (0, 9)}
    assert (seen["osa-array.3"].state, seen["osa-array.3"].exit_code) == ("FAILED", 3)
    assert (seen["osa-array.7"].state, seen["osa-array.7"].signal) == ("FAILED", 9)
    alone = seen[f"osa-long.{NO_INDEX}"]
    assert (alone.state, alone.by) == ("CANCELLED", "0")
    assert sorted(s.index for s in seen.values() if s.job == waiting) == [1, 2, 3, 20, 25, 30]
    assert {s.reason for s in seen.values() if s.job == waiting} == {"JobHeldUser"}
    assert {(s.name, s.index) for s in client.queue() if s.job in jobs} == {(s.name, s.index) for s in seen.values()}
    assert all(
        s.submitted and timedelta(0) <= datetime.now(UTC) - s.submitted < timedelta(hours=1) for s in seen.values()
    )

    kept.kill_slurmctld()
    kept.restart_slurmctld(forget=True)  # and the ids begin again: this test is the last
    assert client.queue() == []
    assert states(client.find("osa-array")) == {0: "COMPLETED", 3: "FAILED", 7: "FAILED"}
    assert client.find("osa-arra") == []
