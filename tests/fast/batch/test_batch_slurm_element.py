"""An element of an array without SLURM: its process, with the environment that SLURM would give it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from batch_work import family
from fakes import fake_call, product
from fresh import is_running, until

from osa_luigi.batch.job import Job
from osa_luigi.batch.slurm.element import cause_of
from osa_luigi.batch.slurm.records import INTENT, Record, RecordReader, write_jobs
from osa_luigi.batch.slurm.states import Cause
from osa_luigi.products.archive import archives
from osa_luigi.products.attempts import read_records
from osa_luigi.products.production import Production
from osa_luigi.products.receipt import current_receipt
from osa_luigi.runner.attempt import Result
from osa_luigi.steps.call import Needs

UNITS = [f"Run02008.{number:04}" for number in range(6)]
STARTED: list[subprocess.Popen[str]] = []


def array_of(folder: Path, *elements: Sequence[Job]) -> Path:
    """An array's folder, as the engine leaves it."""
    folder.mkdir()
    (folder / INTENT).write_text(json.dumps({"cache": str(folder.parent / "cache")}))
    write_jobs(folder, [(index, place, job) for index, jobs in enumerate(elements) for place, job in enumerate(jobs)])
    return folder


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """A test that fails leaves no element waiting for ever."""
    yield
    while STARTED:
        STARTED.pop().kill()


def start(array: Path, index: int = 0, restart: int | None = None, memory_mb: int = 500) -> subprocess.Popen[str]:
    given = {"SLURM_ARRAY_JOB_ID": "42", "SLURM_ARRAY_TASK_ID": str(index), "SLURM_MEM_PER_NODE": str(memory_mb)}
    if restart is not None:
        given["SLURM_RESTART_COUNT"] = str(restart)
    command = [sys.executable, "-m", "osa_luigi.batch.slurm.element", str(array)]
    STARTED.append(subprocess.Popen(command, env={**os.environ, **given}, stderr=subprocess.PIPE, text=True))
    return STARTED[-1]


def run(array: Path, index: int = 0, **more: int) -> tuple[int, list[Record]]:
    process = start(array, index, **more)
    process.communicate(timeout=60)
    return process.returncode, RecordReader(array).new()


def job(production: Production, unit: str = UNITS[0], riders: Sequence[str] = (), **fake) -> Job:
    first = fake_call("r0_to_dl1", unit, **fake)
    second = fake_call("dl1ab", unit, inputs=(product(first, production.root),), **fake)
    along = tuple(fake_call(step, unit, inputs=(product(second, production.root),), **fake) for step in riders)
    return Job(f"job {unit}", production.root, (first, second), along)


def outcomes(records: list[Record]) -> list[tuple[str, str, str]]:
    return [(record.job, record.outcome, record.cause) for record in records if record.outcome != "ended"]


def committed(production: Production, job: Job) -> list[str]:
    return [call.name for call in (*job.calls, *job.riders) if current_receipt(production, call.step, call.unit)]


def test_its_jobs_are_done_and_it_says_so(production, tmp_path) -> None:
    jobs = [job(production, unit, ["datacheck"]) for unit in UNITS[:2]]
    code, records = run(array_of(tmp_path / "array", [job(production, UNITS[5])], jobs), 1)
    assert code == 0
    assert [(r.index, r.position, r.restart, r.outcome) for r in records] == [
        (1, 0, 0, "done"),
        (1, 1, 0, "done"),
        (1, -1, 0, "ended"),
    ]
    first, _, ended = records
    assert first.job == jobs[0].name
    assert list(first.made) == [(call.name, call.key) for call in jobs[0].calls]
    assert (first.slurm_job, first.host) == (42, os.uname().nodename.partition(".")[0])
    assert first.at > "2020"
    assert first.peak_memory_mb > 1
    assert ended.riders == {f"datacheck.{unit}": "made" for unit in UNITS[:2]}
    assert all(len(committed(production, one)) == 3 for one in jobs)
    assert committed(production, job(production, UNITS[5])) == []


def test_exit_records_tell_the_memory_that_slurm_gave(production, tmp_path) -> None:
    one = job(production)
    assert run(array_of(tmp_path / "array", [one]), memory_mb=700)[0] == 0
    records = read_records(production)
    asked = [record["asked"] for call in one.calls for record in records[call.name]]
    assert asked == [
        {"memory_mb": 700, "cores": call.needs.cores, "time_limit_s": call.needs.time_limit_s} for call in one.calls
    ]


def test_after_a_failure_it_goes_on_with_the_next(production, tmp_path) -> None:
    jobs = [job(production, unit, ["datacheck"], fail=["dl1ab:*.0000"]) for unit in UNITS[:2]]
    code, records = run(array_of(tmp_path / "array", jobs))
    assert code == 1
    assert outcomes(records) == [(jobs[0].name, "failed", "tool"), (jobs[1].name, "done", "")]
    failed, ended = records[0], records[-1]
    assert failed.call == f"dl1ab.{UNITS[0]}"
    assert "told to fail" in failed.text
    assert Path(failed.log).is_file()
    assert [name for name, _ in failed.made] == [f"r0_to_dl1.{UNITS[0]}"]
    assert ended.riders == {f"datacheck.{UNITS[1]}": "made"}


def test_a_rider_that_fails_is_told_and_holds_nothing_back(production, tmp_path) -> None:
    one = job(production, UNITS[0], ["datacheck"], fail=["datacheck:*"])
    code, records = run(array_of(tmp_path / "array", [one]))
    assert code == 0
    assert outcomes(records) == [(one.name, "done", "")]
    assert records[-1].riders[f"datacheck.{UNITS[0]}"].startswith("failed: ")
    assert "told to fail" in records[-1].riders[f"datacheck.{UNITS[0]}"]


def test_causes_are_read_and_not_guessed(production, tmp_path) -> None:
    quick = Needs(memory_mb=100, cores=1, time_limit_s=0.5)
    hangs = fake_call("r0_to_dl1", UNITS[0], needs=quick, hang=["*:*"])
    dies = fake_call("r0_to_dl1", UNITS[1], die=["*:*"])
    jobs = [Job(call.name, production.root, (call,)) for call in (hangs, dies)]
    _, records = run(array_of(tmp_path / "array", jobs), memory_mb=10_000)
    assert [record.cause for record in records[:2]] == ["time", "killed"]
    _, records = run(array_of(tmp_path / "another", jobs[1:]), memory_mb=1)
    assert [record.cause for record in records[:1]] == ["memory"]


@pytest.mark.parametrize(
    ("record", "cause"),
    [
        ({}, Cause.TOOL),
        ({"timed_out": False, "signal": None, "peak_memory_mb": 999}, Cause.TOOL),
        ({"timed_out": True, "signal": 9, "peak_memory_mb": 999}, Cause.TIME),
        ({"timed_out": False, "signal": 9, "peak_memory_mb": 899}, Cause.KILLED),
        ({"timed_out": False, "signal": 9, "peak_memory_mb": 900}, Cause.MEMORY),
        ({"timed_out": False, "signal": 15, "peak_memory_mb": 999}, Cause.KILLED),
        ({"timed_out": False, "signal": 11, "peak_memory_mb": 999}, Cause.TOOL),
    ],
)
def test_the_rule_of_causes(record, cause) -> None:
    assert cause_of(Result("x", "failed", "why", None, record), 1000) is cause


def test_what_is_there_already_is_done_at_once(production, tmp_path) -> None:
    one = job(production, UNITS[0], ["datacheck"])
    assert run(array_of(tmp_path / "array", [one]))[0] == 0
    code, records = run(array_of(tmp_path / "another", [one]))
    assert (code, outcomes(records)) == (0, [(one.name, "done", "")])
    assert list(records[0].made) == [(call.name, call.key) for call in one.calls]
    assert len(list(production.attempts(UNITS[0]).glob("*.json"))) == 3


def under_way(production: Production) -> int:
    return len(list(production.scratch.iterdir())) if production.scratch.exists() else 0


def test_sigterm_ends_all_and_says_nothing_false(production, tmp_path) -> None:
    jobs = [job(production, UNITS[0]), job(production, UNITS[1], hang=["dl1ab:*"]), job(production, UNITS[2])]
    array = array_of(tmp_path / "array", jobs)
    process = start(array)
    until(lambda: len(list(production.logs(UNITS[1]).glob(f"dl1ab.{UNITS[1]}*.log"))) == 1, "the element is at it")
    tree = until(lambda: family(process.pid), "its tool runs")  # the log is there before
    for pid in (*tree, process.pid):  # as scancel does, to all processes
        os.kill(pid, signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 143
    assert not any(is_running(pid) for pid in tree)
    assert outcomes(RecordReader(array).new()) == [(jobs[0].name, "done", "")]
    assert under_way(production) == 0
    assert all(json.loads(path.read_text())["outcome"] == "made" for path in production.attempts(UNITS[1]).iterdir())


def test_a_killed_element_leaves_nothing_running(production, tmp_path) -> None:
    array = array_of(tmp_path / "array", [job(production, hang=["*:*"])])
    process = start(array)
    until(lambda: family(process.pid) and under_way(production), "the element is at it")
    tree = family(process.pid)
    process.kill()
    process.communicate()
    until(lambda: not any(is_running(pid) for pid in tree), "nothing runs")
    assert RecordReader(array).new() == []


def test_time_that_is_nearly_over_is_told_of_the_job_that_it_was_at(production, tmp_path) -> None:
    jobs = [job(production, UNITS[0], hang=["dl1ab:*"]), job(production, UNITS[1])]
    array = array_of(tmp_path / "array", jobs)
    process = start(array)
    until(lambda: list(production.logs(UNITS[0]).glob("dl1ab.*.log")), "the element is at it")
    process.send_signal(signal.SIGUSR1)
    process.communicate(timeout=30)
    assert process.returncode == 1
    records = RecordReader(array).new()
    assert outcomes(records) == [(jobs[0].name, "failed", "time")], "what had not begun is tried again as it was"
    assert [record.call for record in records] == [f"dl1ab.{UNITS[0]}", ""]
    assert [name for name, _ in records[0].made] == [f"r0_to_dl1.{UNITS[0]}"]
    assert committed(production, jobs[1]) == []


def test_twice_at_once(production, tmp_path) -> None:
    one = job(production, duration_s=0.3)
    array = array_of(tmp_path / "array", [one])
    copies = [start(array), start(array, restart=1)]
    for copy in copies:
        copy.communicate(timeout=60)
    assert [copy.returncode for copy in copies] == [0, 0]
    records = RecordReader(array).new()
    assert [(r.restart, r.outcome) for r in records] == [(0, "done"), (0, "ended"), (1, "done"), (1, "ended")]
    assert len(committed(production, one)) == 2
    assert under_way(production) == 0


def test_a_second_copy_clears_away_what_a_killed_one_left(production, tmp_path) -> None:
    one = job(production, duration_s=0.5)
    array = array_of(tmp_path / "array", [one])
    process = start(array)
    until(lambda: under_way(production), "the element is at it")
    process.kill()
    process.communicate()
    assert under_way(production) == 1
    assert run(array, restart=1)[0] == 0
    assert under_way(production) == 0


def test_tools_that_cannot_be_imported_are_the_nodes_fault(production, tmp_path) -> None:
    call = fake_call("dl1ab", UNITS[0])
    real = Job("real", production.root, (call,))
    array = array_of(tmp_path / "array", [real])
    (tmp_path / "cache").write_text("a file where the folder should be")
    code, records = run(array)
    assert (code, outcomes(records)) == (1, [("real", "failed", "launch")])
    assert "executor.slurm.environment" in records[0].text


def test_one_that_cannot_know_what_it_is_for(production, tmp_path) -> None:
    array = array_of(tmp_path / "array", [job(production)])
    process = start(array, 7)
    assert "names no job of element 7" in process.communicate(timeout=30)[1]
    assert process.returncode == 2
    plain = subprocess.run(
        [sys.executable, "-m", "osa_luigi.batch.slurm.element", str(array)],
        env={name: value for name, value in os.environ.items() if not name.startswith("SLURM")},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (plain.returncode, "no element of a SLURM array" in plain.stderr) == (2, True)
    assert RecordReader(array).new() == []


def test_the_last_of_a_run_archives_it(tmp_path: Path) -> None:
    production = Production(tmp_path / "v1")
    merge, other = fake_call("merge_dl1", "Run02008"), fake_call("dl2", "Run02008")
    for declared, whole in (((merge, other), False), ((merge,), True)):
        listing = tmp_path / f"declared{len(declared)}.json"
        listing.write_text(json.dumps({call.name: call.key for call in declared}))
        job = Job("MergeTask", production.root, (merge,), declared=listing)
        code, _ = run(array_of(tmp_path / f"array{len(declared)}", [job]))
        assert code == 0
        assert bool(archives(production, "Run02008")) is whole
    assert current_receipt(production, "merge_dl1", "Run02008")
    kinds = {member.partition("/")[0] for held in archives(production, "Run02008") for member in held}
    assert kinds == {"receipts", "attempts", "logs"}
    assert not list(production.receipts("Run02008").iterdir())
