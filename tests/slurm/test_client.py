"""The client and a real SLURM: what is handed in is seen, what is refused is told from what is unknown."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import psutil
import pytest
from waiting import eventually

from osa_luigi.batch.slurm.client import NoAccounting, Sighting, SlurmAway, SlurmClient, SlurmRefused
from osa_luigi.batch.slurm.seen import NO_INDEX
from osa_luigi.batch.slurm.states import passes
from tests.cluster import Cluster

QUIET = ("--output=/dev/null", "--time=5")
NAMES = (f"osa-client-{number}" for number in count())

Script = Callable[..., Path]


@pytest.fixture
def name() -> str:
    """Of a job: unique in the cluster."""
    return next(NAMES)


@pytest.fixture
def stopped(cluster: Cluster) -> Iterator[Cluster]:
    """A slurmctld that takes connections and answers none."""
    cluster.stop_slurmctld()
    yield cluster
    cluster.continue_slurmctld()


def ended(client: SlurmClient, name: str, elements: int = 1) -> list[Sighting]:
    """The job's elements once all have ended, in their order."""

    def ask() -> list[Sighting]:
        found = [s for s in client.queue(name) if s.state in ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT")]
        return sorted(found, key=lambda s: s.index) if len(found) == elements else []

    return eventually(ask)


def test_an_array_and_what_becomes_of_it(client: SlurmClient, script: Script, name: str) -> None:
    path = script("[ $SLURM_ARRAY_TASK_ID = 7 ] && kill -9 $$", "exit $SLURM_ARRAY_TASK_ID")
    job = client.submit(path, [*QUIET, f"--job-name={name}", "--array=0,3,7%2"])
    seen = ended(client, name, 3)
    assert [(s.name, s.job, s.index, s.state, s.exit_code, s.signal) for s in seen] == [
        (name, job, 0, "COMPLETED", 0, 0),
        (name, job, 3, "FAILED", 3, 0),
        (name, job, 7, "FAILED", 0, 9),
    ]
    assert seen[1].reason == "NonZeroExitCode"
    assert {s.node for s in seen} <= {"node1", "node2"}
    assert client.find(name) == client.queue(name)
    assert client.calls["sbatch"] == 1
    assert client.calls["sacct"] == 0


def test_names_of_others_break_nothing(client: SlurmClient, script: Script, name: str) -> None:
    wild = f"{name}|;\nCOMPLETED"
    job = client.submit(script("true"), [*QUIET, f"--job-name={wild}"])
    other = client.submit(script("true"), [*QUIET, f"--job-name=\n{name}"])
    assert [(s.name, s.job, s.index) for s in client.queue(name)] == [(wild, job, NO_INDEX)]
    assert {job, other} <= {s.job for s in client.queue()}
    assert client.find(name) == []


def test_a_held_job_waits_and_is_cancelled_in_parts(client: SlurmClient, script: Script, name: str) -> None:
    job = client.submit(script("true"), [*QUIET, "--hold", f"--job-name={name}", "--array=1-5,8%2"])
    held = client.find(name)
    assert [s.index for s in held] == [1, 2, 3, 4, 5, 8]
    assert {(s.state, s.reason, s.node) for s in held} == {("PENDING", "JobHeldUser", "")}
    client.cancel(job, [])
    assert {s.state for s in client.find(name)} == {"PENDING"}
    client.cancel(job, [2, 3, 8])
    assert sorted(s.index for s in client.find(name) if s.state == "PENDING") == [1, 4, 5]
    client.cancel(job)
    assert {s.state for s in client.find(name)} == {"CANCELLED"}
    client.cancel(job)
    client.cancel(job + 1000)


def test_held_elements_are_released(client: SlurmClient, script: Script, name: str) -> None:
    job = client.submit(script("sleep 60"), [*QUIET, "--hold", f"--job-name={name}", "--array=1-4"])
    client.release(job, [2, 3])
    assert {s.index for s in client.find(name) if s.reason == "JobHeldUser"} == {1, 4}
    client.release(job, [1, 2])
    assert {s.index for s in client.find(name) if s.reason == "JobHeldUser"} == {4}
    client.cancel(job)
    client.release(job, [3, 4])
    client.release(job + 1000, [1])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--partition=nosuch"], "nvalid partition"),
        (["--array=0-20001"], "Invalid job array specification"),
        (["--time=2-00"], "time limit is invalid"),
        (["--mem=9999999"], "not available|can not be satisfied"),
        (["--nodes=50"], "Node count|not available|More proc"),
        (["--time=soon"], "Invalid --time"),
        (["--no-such-option"], "unrecognized option"),
        (["--dependency=afterok:no"], "dependency problem|Invalid"),
    ],
)
def test_what_slurm_refuses(client: SlurmClient, script: Script, name: str, options: list[str], words: str) -> None:
    with pytest.raises(SlurmRefused, match=words):
        client.submit(script("true"), [*QUIET, f"--job-name={name}", *options])
    # Of some that no node could ever run it keeps a record all the same.
    assert {(s.state, s.reason) for s in client.find(name)} <= {("FAILED", "BadConstraints")}


@pytest.mark.parametrize("state", ["DRAIN", "INACTIVE"])
def test_a_partition_that_is_closed_for_a_while(
    cluster: Cluster, client: SlurmClient, script: Script, name: str, state: str
) -> None:
    options = [*QUIET, f"--job-name={name}", "--partition=scavenge"]
    cluster.ask("scontrol", "update", "PartitionName=scavenge", f"State={state}")
    try:
        with pytest.raises(SlurmRefused, match="takes no jobs for now") as refusal:
            client.submit(script("true"), options)
    finally:
        cluster.ask("scontrol", "update", "PartitionName=scavenge", "State=UP")
    assert passes(str(refusal.value))
    assert client.submit(script("true"), options)


def test_a_script_that_is_not_there(client: SlurmClient, tmp_path: Path) -> None:
    with pytest.raises(SlurmRefused, match="Unable to open file"):
        client.submit(tmp_path / "nothing.sh", QUIET)


def test_the_operators_own_settings_do_not_reach_slurm(cluster: Cluster, script: Script, name: str) -> None:
    settings = {
        "SBATCH_PARTITION": "nosuch",
        "SBATCH_ARRAY_INX": "1-3",
        "SQUEUE_PARTITION": "long",
        "SQUEUE_STATES": "SUSPENDED",
        "SLURM_TIME_FORMAT": "relative",
        "SLURM_CLUSTERS": "elsewhere",
    }
    client = SlurmClient(environment={**cluster.environment, **settings})
    job = client.submit(script("true"), [*QUIET, f"--job-name={name}"])
    assert [(s.job, s.index) for s in client.queue(name)] == [(job, NO_INDEX)]


@pytest.mark.usefixtures("stopped")
def test_a_slurmctld_that_hangs(cluster: Cluster) -> None:
    client = SlurmClient(timeout_s=0.5, environment=cluster.environment)
    for ask in (client.queue, client.limits, lambda: client.find("osa"), lambda: client.cancel(1)):
        with pytest.raises(SlurmAway, match=r"did not end within 0\.5 s"):
            ask()
    assert not client.ping()
    commands = {"squeue", "scontrol", "scancel"}
    assert not [child for child in psutil.Process().children(recursive=True) if child.name() in commands]


def test_a_submission_whose_answer_was_lost_is_found(cluster: Cluster, script: Script, name: str) -> None:
    client = SlurmClient(
        timeout_s=3, environment=cluster.environment
    )  # in a second it may not even have asked, on a busy day
    path = script("true")
    cluster.stop_slurmctld()
    try:
        with pytest.raises(SlurmAway, match="sbatch did not end"):
            client.submit(path, [*QUIET, f"--job-name={name}", "--array=0-1"])
    finally:
        cluster.continue_slurmctld()
    found = eventually(lambda: client.find(name), 10)
    assert [s.index for s in found] == [0, 1]
    assert len({s.job for s in found}) == 1


def test_a_slurmctld_that_is_gone(cluster: Cluster, client: SlurmClient, script: Script, name: str) -> None:
    job = client.submit(script("true"), [*QUIET, "--hold", f"--job-name={name}"])
    eventually(lambda: (cluster.folder / "state" / "job_state").exists())
    quick = SlurmClient(timeout_s=1, environment=cluster.environment)
    cluster.kill_slurmctld()
    try:
        for ask in (quick.queue, lambda: quick.submit(script("true"), QUIET), lambda: quick.cancel(job)):
            with pytest.raises(SlurmAway):
                ask()
        assert not quick.ping()
    finally:
        cluster.restart_slurmctld()
    assert quick.ping()
    assert isinstance(client.queue(), list)


def test_a_slurm_without_accounting(client: SlurmClient) -> None:
    with pytest.raises(NoAccounting, match="keeps no accounting"):
        client.accounting([1], datetime.now(UTC) - timedelta(hours=1))
    assert client.find("never-submitted") == []
    assert not client.limits().accounting


def test_limits_are_those_of_the_configuration(cluster: Cluster, client: SlurmClient) -> None:
    limits = client.limits()
    assert (limits.max_array_size, limits.max_jobs, limits.min_job_age_s) == (20001, 100_000, 300.0)
    version = subprocess.run(
        ["sbatch", "--version"], env=cluster.environment, capture_output=True, text=True, check=True
    ).stdout
    assert limits.version in version


def test_other_users_jobs_are_not_ours_to_see(cluster: Cluster, client: SlurmClient, name: str) -> None:
    wrap = [*QUIET, "--parsable", f"--job-name={name}", "--chdir=/", "--wrap=true"]
    subprocess.run(["sbatch", *wrap], env=cluster.environment, user=65534, check=True, capture_output=True)
    assert client.find(name) == []
