"""The private SLURM itself: several side by side, nodes that fail, and nothing left behind."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from waiting import eventually

from osa_luigi.batch.slurm.client import SlurmClient
from tests.cluster import Cluster, available
from tests.cluster.aside import PLACES

OWNER = """
import subprocess, sys, time
from tests.cluster import Cluster
with Cluster() as cluster:
    print(cluster.folder, flush=True)
    time.sleep(100)
"""
ROOT = Path(__file__).parents[2]


def processes_of(folder: Path) -> list[psutil.Process]:
    """Those that have the cluster's configuration in their environment, or a file of its folder among their words."""

    def is_of(process: psutil.Process) -> bool:
        try:
            home = Path(f"/proc/{process.pid}")
            text = (home / "environ").read_bytes() + (home / "cmdline").read_bytes()
        except OSError:
            return False
        return f"{folder}/".encode() in text

    return [process for process in psutil.process_iter() if is_of(process)]


@pytest.mark.usefixtures("slurm_is_there")
def test_nothing_is_left_when_a_test_fails() -> None:
    with pytest.raises(ZeroDivisionError), Cluster() as cluster:  # noqa: PT012
        cluster.ask("sbatch", "--output=/dev/null", "--wrap", "sleep 100 & wait")
        eventually(lambda: "RUNNING" in cluster.ask("squeue", "-h", "-o", "%T"))
        # RUNNING is said a moment before the batch script has started its first command
        expected = {"slurmctld", "slurmd", "munged", "slurmstepd", "sleep"}
        eventually(lambda: expected <= {process.name() for process in processes_of(cluster.folder)})
        cluster.stop_slurmctld()
        raise ZeroDivisionError
    assert eventually(lambda: not processes_of(cluster.folder))
    assert not cluster.folder.exists()


@pytest.mark.usefixtures("slurm_is_there")
def test_no_daemon_outlives_a_killed_owner() -> None:
    owner = subprocess.Popen([sys.executable, "-c", OWNER], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    folder = Path(owner.stdout.readline().strip())
    owner.kill()
    owner.communicate()
    assert eventually(lambda: not processes_of(folder))
    Cluster(folder=folder).stop()
    assert not folder.exists()


@pytest.mark.parametrize(
    ("user", "set_by", "words"),
    [(1000, "", "needs root"), (0, "", "slurmd are not installed, and there is no apt-get"), (0, "1", "OSA_NO_SLURM")],
)
def test_why_there_is_none(monkeypatch: pytest.MonkeyPatch, user: int, set_by: str, words: str) -> None:
    monkeypatch.setenv(available.UNWANTED, set_by)
    monkeypatch.setattr(available.os, "geteuid", lambda: user)
    monkeypatch.setattr(available, "missing", lambda: ["slurmctld", "slurmd"])
    monkeypatch.setattr(available.shutil, "which", lambda name: None)
    assert words in available.why_not.__wrapped__()


def test_two_side_by_side(cluster: Cluster, client: SlurmClient) -> None:
    with Cluster(nodes=1, max_array_size=11, min_job_age_s=60, polite=True) as other:
        theirs = SlurmClient(environment=other.environment)
        assert other.ask("sbatch", "--parsable", "--hold", "--job-name=osa-other", "--wrap=true") == "1\n"
        assert [s.name for s in theirs.queue()] == ["osa-other"]
        assert client.queue("osa-other") == []
        assert other.ask("srun", "nice") == "19\n"
        groups = [place / other.folder.name for place, _, _ in PLACES]
        assert (other.folder.name in other.ask("srun", "cat", "/proc/self/cgroup")) == any(map(Path.exists, groups))
        assert (theirs.limits().max_array_size, theirs.limits().min_job_age_s) == (11, 60)
    assert not any(map(Path.exists, groups))
    assert client.ping()


def test_what_runs_on_a_node_dies_with_it_or_not(
    hurt_cluster: Cluster, script: Callable[..., Path], tmp_path: Path
) -> None:
    client = SlurmClient(environment=hurt_cluster.environment)
    path = script("echo $$ > $SLURM_JOB_ID.pid", "exec sleep 100")
    options = ["--output=/dev/null", f"--chdir={tmp_path}", "--job-name=osa-node"]
    pid = tmp_path / f"{client.submit(path, options)}.pid"
    process = psutil.Process(int(eventually(lambda: pid.exists() and pid.read_text())))
    hurt_cluster.kill_node("node1")
    assert process.is_running()
    hurt_cluster.kill_node("node1", jobs=True)
    assert eventually(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE)
    # nobody told slurmctld that the job ended: the power failed
    [seen] = client.find("osa-node")
    assert seen.state == "RUNNING"
    hurt_cluster.restart_node("node1")
    client.cancel(seen.job)
    assert eventually(lambda: [s.state for s in client.find("osa-node")] == ["CANCELLED"])


@pytest.mark.usefixtures("slurm_is_there")
def test_a_cluster_that_is_kept_goes_on_where_it_was() -> None:
    cluster = Cluster()
    try:
        cluster.start()
        cluster.ask("sbatch", "--hold", "--job-name=osa-kept", "--wrap=true")
        cluster.stop(wipe=False)
        assert not processes_of(cluster.folder)
        again = Cluster(folder=cluster.folder)
        again.start()
        assert [s.name for s in SlurmClient(environment=again.environment).queue()] == ["osa-kept"]
    finally:
        cluster.stop()
    assert not cluster.folder.exists()
