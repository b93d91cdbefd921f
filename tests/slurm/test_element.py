"""Elements of real arrays: what they record, and what SLURM makes of those that cannot."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from waiting import eventually

from osa_luigi.batch.job import Job
from osa_luigi.batch.slurm.client import Sighting, SlurmClient
from osa_luigi.batch.slurm.records import INTENT, Record, RecordReader, write_jobs
from osa_luigi.batch.slurm.script import ArrayRequest, options, write_script
from osa_luigi.batch.slurm.states import Cause, meaning
from osa_luigi.config import SlurmEnvironment, SlurmPlace
from osa_luigi.products.production import Production
from osa_luigi.products.receipt import current_receipt
from osa_luigi.steps.call import Needs, Output, StepCall
from tests.cluster import Cluster

NOWHERE = SlurmPlace(None, None, None, 0, None, ())


def call(number: int, time_limit_s: float = 600.0, **fake) -> StepCall:
    unit = f"Run02008.{number:04}"
    return StepCall(
        step="r0_to_dl1",
        unit=unit,
        key=f"{number:040}",
        settings={},
        inputs=(),
        outputs=(Output("dl1", Path(f"dl1.{unit}.h5")),),
        needs=Needs(300, 1, time_limit_s),
        fake={"duration_s": 0.0, "size_kb": 1, **fake},
    )


class Array:
    """An array of one job each, handed in."""

    def __init__(self, folder: Path, calls: Sequence[StepCall], client: SlurmClient, **more) -> None:
        self.folder, self.client = folder / "array", client
        self.production = Production(folder / "20241115" / "v1")
        jobs = [Job(call.name, self.production.root, (call,)) for call in calls]
        environment = SlurmEnvironment(
            more.pop("prologue", ()), more.pop("python", Path(sys.executable)), None, None, Path("/tmp")
        )
        script = write_script(self.folder, environment)
        (self.folder / INTENT).write_text(json.dumps({"cache": str(folder / "cache")}))
        write_jobs(self.folder, [(index, 0, job) for index, job in enumerate(jobs)])
        self.name = f"osa-element-{folder.name}"
        asked = {"memory_mb": 300, "cores": 1, "time_limit_s": 600.0, **more}
        self.job = client.submit(
            script, options(ArrayRequest(self.name, self.folder, range(len(calls)), NOWHERE, **asked))
        )

    def seen(self) -> dict[int, Sighting]:
        return {sighting.index: sighting for sighting in self.client.queue(self.name)}

    def records(self) -> list[Record]:
        return [record for record in RecordReader(self.folder).new() if record.outcome != "ended"]

    def standings(self) -> dict[int, tuple[bool, Cause | None]]:
        """Of each element whether it has ended, and why badly."""
        found = {index: meaning(seen.state, seen.signal) for index, seen in self.seen().items()}
        return {index: (said.standing.ended, said.cause) for index, said in found.items()}

    def end(self) -> dict[int, Sighting]:
        """Wait until all have ended."""
        eventually(lambda: self.standings() and all(ended for ended, _ in self.standings().values()), 90)
        return self.seen()

    def log(self, index: int) -> str:
        path = self.folder / "out" / f"{index}.log"
        return path.read_text() if path.exists() else ""

    def is_at_it(self, index: int) -> bool:
        return any(self.production.logs(f"Run02008.{index:04}").glob("*.log"))


Submit = Callable[..., Array]


@pytest.fixture
def submit(tmp_path: Path, client: SlurmClient) -> Iterator[Submit]:
    """Hands arrays in; what a failing test leaves is cancelled."""
    arrays: list[Array] = []

    def make(*calls: StepCall, **more) -> Array:
        arrays.append(Array(tmp_path, calls, more.pop("client", client), **more))
        return arrays[-1]

    yield make
    for array in arrays:
        array.client.cancel(array.job)


def test_records_say_what_became_of_each(submit: Submit) -> None:
    array = submit(call(0), call(1, fail=["*:*"]), call(2, time_limit_s=0.5, hang=["*:*"]), call(3, die=["*:*"]))
    seen = array.end()
    records = array.records()
    assert [(record.index, record.outcome, record.cause) for record in records] == [
        (0, "done", ""),
        (1, "failed", "tool"),
        (2, "failed", "time"),
        (3, "failed", "killed"),
    ], [array.log(index) for index in range(4)]
    assert {record.slurm_job for record in records} == {array.job}
    assert {index: (s.state, s.exit_code) for index, s in seen.items()} == {
        0: ("COMPLETED", 0),
        **dict.fromkeys((1, 2, 3), ("FAILED", 1)),
    }
    assert array.log(0) == ""
    assert current_receipt(array.production, "r0_to_dl1", "Run02008.0000")


def test_one_that_is_cancelled_says_nothing_false(submit: Submit) -> None:
    array = submit(call(0, hang=["*:*"]), call(1, hang=["*:*"]))
    eventually(lambda: array.is_at_it(0) and array.is_at_it(1))
    array.client.cancel(array.job, [0, 1])
    seen = array.end()
    assert {sighting.state for sighting in seen.values()} == {"CANCELLED"}
    assert array.records() == []
    assert eventually(lambda: list(array.production.scratch.iterdir()) == [])
    assert not array.production.attempts("Run02008").exists()


def test_one_that_is_requeued_counts_its_restarts(submit: Submit, cluster: Cluster) -> None:
    # The first copy hangs before it runs our program, the second does the work.
    array = submit(call(0), prologue=("[ -e began ] || { touch began; exec sleep 1000; }",))
    eventually((array.folder / "began").exists)
    subprocess.run(["scontrol", "requeue", f"{array.job}_0"], env=cluster.environment, check=True)
    eventually(lambda: array.seen()[0].state == "PENDING")
    time.sleep(2)  # see test_accounting.py: never within the second of its first end
    subprocess.run(["scontrol", "update", f"jobid={array.job}_0", "StartTime=now"], env=cluster.environment, check=True)
    array.end()
    assert [(record.restart, record.outcome) for record in array.records()] == [(1, "done")], array.log(0)


def test_one_whose_time_is_nearly_over_is_told_before(submit: Submit, cluster: Cluster) -> None:
    array = submit(call(0, hang=["*:*"]))
    eventually(lambda: array.is_at_it(0))
    cluster.ask("scancel", "--batch", "--signal=USR1", f"{array.job}_0")
    seen = array.end()
    [record] = array.records()
    assert (record.cause, record.call, seen[0].exit_code) == ("time", "r0_to_dl1.Run02008.0000", 1)


def test_slurm_warns_before_the_end(submit: Submit, cluster: Cluster) -> None:
    array = submit(call(0, hang=["*:*"]))
    eventually(lambda: array.is_at_it(0))
    cluster.ask("bash", "-c", f"scontrol update jobid={array.job}_0 EndTime=$(date -d '+62 sec' +%FT%T)")
    array.end()
    [record] = array.records()
    assert record.cause == "time"


@pytest.fixture(scope="module", params=["poll", "cgroup"])
def strict(slurm_is_there: None, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A cluster that ends what takes too much memory: by looking each second, or by the kernel."""
    if request.param == "cgroup" and not Path("/sys/fs/cgroup/memory/memory.limit_in_bytes").exists():
        pytest.skip("this machine has no cgroups of version 1")
    with Cluster(nodes=1, memory=request.param) as cluster:
        yield cluster


GREEDY = f"""#!{sys.executable}
import os, sys, time
from osa_luigi.batch.slurm import element
from osa_luigi.steps import fake

if os.environ["SLURM_ARRAY_TASK_ID"] == "1":
    def main():
        block = bytearray(b"x" * (700 << 20))
        time.sleep(60)

    fake.main = main
sys.exit(element.main(sys.argv[-1:]))
"""
"""In the place of the interpreter: an element whose step takes more than was asked for."""


def test_one_that_takes_too_much_memory(tmp_path: Path, submit: Submit, strict: Cluster) -> None:
    greedy = tmp_path / "greedy"
    greedy.write_text(GREEDY)
    greedy.chmod(0o755)
    array = submit(call(0), call(1), python=greedy, client=SlurmClient(environment=strict.environment))
    seen = array.end()
    done, *failed = array.records()
    assert (done.index, done.outcome, seen[0].state) == (0, "done", "COMPLETED")
    # Where SLURM looks by itself it kills all of the element at once; the kernel kills the attempt alone.
    assert [record.cause for record in failed] in ([], ["memory"])
    assert failed or array.standings()[1][1] in (Cause.KILLED, Cause.MEMORY)
    assert current_receipt(array.production, "r0_to_dl1", "Run02008.0001") is None
