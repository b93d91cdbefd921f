"""The drills themselves, with tiny numbers, and that their witness sees what it should."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from osa_luigi.batch.slurm.client import SlurmClient
from tests.cluster import Cluster
from tests.drills import campaign as campaigns
from tests.drills.slurm import engines
from tests.drills.slurm.night import Night, Outcome, a_cluster
from tests.drills.slurm.submissions import Submissions


@pytest.mark.usefixtures("slurm_is_there")
def test_a_night_whose_engine_is_killed(tmp_path: Path) -> None:
    outcome = Outcome("engine killed", 0, 1)
    engines.engine_killed(tmp_path, outcome, random.Random(2), 1, (1, 1))
    assert (outcome.runs, outcome.ended) == (1, outcome.nights)
    assert outcome.good, outcome


def test_the_witness_sees_what_was_handed_in_twice(cluster: Cluster, client: SlurmClient, tmp_path: Path) -> None:
    night = Night(cluster, tmp_path, Outcome("", 0, 1), (1, 1))
    for name, jobs in {
        "osa-a": '{"0": ["one"], "1": ["two"]}',
        "osa-b": '{"5": ["two"]}',
        "osa-c": '{"0": ["three"]}',
    }.items():
        folder = night.production.state / "engine" / "arrays" / name
        folder.mkdir(parents=True)
        (folder / "intent.json").write_text(f'{{"elements": {jobs}}}')
    ids = {
        name: _submit(cluster, night.submissions, name, indices) for name, indices in (("osa-a", "0,1"), ("osa-c", "0"))
    }
    assert night.submissions.twice() == []
    ids["osa-b"] = _submit(cluster, night.submissions, "osa-b", "5")
    [said] = night.submissions.twice()
    assert said == f"two: handed in with osa-b ({ids['osa-b']}) while osa-a ({ids['osa-a']}_1) was there"
    for job in ids.values():
        client.cancel(job)


def _submit(cluster: Cluster, submissions: Submissions, name: str, indices: str) -> int:
    path = submissions.environment("")
    command = ["env", *(f"{key}={value}" for key, value in path.items()), "sbatch", "--parsable", "--hold"]
    said = cluster.ask(*command, f"--job-name={name}", f"--array={indices}", "--output=/dev/null", "--wrap=true")
    assert [one.name for one in submissions.logged()].count(name) == 1
    return int(said)


@pytest.mark.usefixtures("slurm_is_there")
def test_a_campaign_that_is_killed_or_stopped(tmp_path: Path) -> None:
    result, memory = campaigns.Result(2, 10, 1), campaigns.Memory()
    with a_cluster() as cluster:
        drilled = campaigns.Campaign(cluster, tmp_path, 2, 10, 0.0)
        campaigns.drill(drilled, 1, random.Random(1), result, memory)
    memory.close()
    assert result.good, result
    assert sum(result.killed.values()) == 1
    assert result.starts > 1 or "engine killed" in result.killed
    assert memory.summary()["campaign_max_mb"] > 0
