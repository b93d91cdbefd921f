"""The engine benchmark counts rightly, keeps what it measured, and gives every tool the same night."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from benchmarks.calls import (
    ASKING,
    OTHERS,
    SUBMITTING,
    Call,
    Calls,
    Jobs,
    lay_wrappers,
    polls,
    read_calls,
    read_jobs,
    summed,
)
from benchmarks.engine import TOOLS, figures, parse, sizes
from benchmarks.measure import Usage, measure
from benchmarks.peers import SUBRUNS_PER_RUN, Work
from benchmarks.peers.foreign import PEERS
from benchmarks.peers.osa import SUBRUN_STEPS, Osa, site_of
from benchmarks.results import COLUMNS, Results, table
from osa_luigi.config import load
from osa_luigi.runner.lifeline import start_of
from tests.fast.fake_nights import MAIN, plan_of

CONDITIONS = {"slots": 8, "seconds": 3.0, "poll_s": 2.0, "subruns_per_job": 1}


@pytest.fixture
def work(tmp_path: Path) -> Work:
    return Work(tasks=4, seconds=3.0, slots=2, poll_s=2.0, folder=tmp_path)


def test_wrappers_write_down_calls_and_pass_on_arguments_and_exit_code(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir()
    for name in (*SUBMITTING, *ASKING, *OTHERS):
        (real / name).write_text('#!/bin/sh\necho "$0" "$@"\nexit 3\n')
        (real / name).chmod(0o755)
    before = time.time()
    lay_wrappers(tmp_path / "first", tmp_path / "calls", str(real))
    path = f"{tmp_path / 'first'}:{os.environ['PATH']}"

    said = subprocess.run(["sbatch", "a b", "c"], env={"PATH": path}, capture_output=True, text=True, check=False)
    subprocess.run(["squeue"], env={"PATH": path}, capture_output=True, check=False)

    assert (said.stdout, said.returncode) == (f"{real / 'sbatch'} a b c\n", 3)
    calls = read_calls(tmp_path / "calls")
    assert [call.command for call in calls] == ["sbatch", "squeue"]
    assert before - 1 < calls[0].at <= calls[1].at < time.time() + 1


def test_a_missing_command_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="sbatch"):
        lay_wrappers(tmp_path / "first", tmp_path / "calls", str(tmp_path))


def test_calls_are_read_in_order_and_torn_lines_left_out(tmp_path: Path) -> None:
    log = tmp_path / "calls"
    log.write_text("12.5 squeue\n11,25 sbatch\n13.0 sq")
    assert read_calls(log) == [Call(11.25, "sbatch"), Call(12.5, "squeue")]


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([], 0),
        ([1.0], 1),
        ([1.0, 1.2, 1.9, 6.0, 6.1], 2),
        ([6.0, 1.0], 2),
        ([0.0, 0.9, 1.8, 2.7], 2),
    ],
)
def test_what_is_asked_together_is_one_poll(times: list[float], expected: int) -> None:
    assert polls(times, 1.5) == expected


def test_calls_are_summed() -> None:
    calls = [Call(10, "sbatch"), Call(12, "squeue"), Call(12.1, "sacct"), Call(13, "sbatch"), Call(14, "scancel")]
    assert summed(calls, poll_s=5) == Calls(2, 2, 1, 10)
    assert summed([], poll_s=5) == Calls(0, 0, 0, None)


def test_jobs_are_counted_by_the_first_word_of_their_state_and_in_the_order_of_time() -> None:
    jobs = read_jobs("14|COMPLETED\n12|CANCELLED by 0\n13|COMPLETED\n\n")
    assert jobs.states() == {"CANCELLED": 1, "COMPLETED": 2}
    assert [jobs.submitted(count) for count in (1, 2, 3, 4)] == [12, 13, 14, None]


@pytest.mark.parametrize(
    ("tasks", "subruns"),
    [(1, [1]), (152, [152]), (153, [152, 1]), (5016, [152] * 33)],
    ids=lambda value: str(value)[:9],
)
def test_a_night_has_all_its_subruns_in_runs(tasks: int, subruns: list[int], tmp_path: Path) -> None:
    work = Work(tasks, 1, 1, 1, tmp_path)
    assert work.subruns == subruns
    assert work.runs == len(subruns)
    assert sum(work.subruns) == tasks
    assert max(work.subruns) <= SUBRUNS_PER_RUN


def test_the_ideal_is_never_less_than_one_job(tmp_path: Path) -> None:
    assert Work(100, 20, 10, 5, tmp_path).ideal_s == 200
    assert Work(4, 20, 10, 5, tmp_path).ideal_s == 20


def usage(**changes: Any) -> Usage:
    plain: dict[str, Any] = {
        "exit_code": 0,
        "started": 100.0,
        "elapsed_s": 12.0,
        "cpu_s": 0.4,
        "rss_mb": 80.4,
        "pss_mb": 40,
        "processes": 3,
        "luigid_rss_mb": 48.2,
        "luigid_cpu_s": 0.2,
        "cut": False,
    }
    return Usage(**{**plain, **changes})


@pytest.fixture
def measured(work: Work) -> Callable[..., dict[str, Any]]:
    """Figures of a peer, of whose tasks so many are done."""

    def make(done: int, calls: Calls, jobs: int = 4, **changes: Any) -> dict[str, Any]:
        class Known(type(PEERS[0])):  # type: ignore[misc]
            def version(self) -> str:
                return "1"

        made = work.folder / "made"
        made.mkdir()
        for number in range(done):
            (made / str(number)).touch()
        tool = Known("peer", (), "", None, "why")
        return figures(tool, work, usage(**changes), calls, Jobs(((104.0, "COMPLETED"),) * jobs))

    return make


def test_figures_of_a_finished_run(measured: Callable[..., dict[str, Any]]) -> None:
    result = measured(4, Calls(4, 9, 3, 101.5))
    assert {key: result[key] for key in COLUMNS} == {
        "tool": "peer",
        "tasks": 4,
        "runs": 1,
        "sbatch_calls": 4,
        "status_calls": 9,
        "polls": 3,
        "cpu_ms_per_task": 100.0,
        "rss_mb": 80,
        "luigid_rss_mb": 48,
        "plan_s": 1.5,
        "submit_s": 2.5,
        "makespan_ratio": 2.0,
    }
    assert result["finished"]
    assert result["note"] == "why"


def test_figures_of_a_run_that_was_cut_say_so(measured: Callable[..., dict[str, Any]]) -> None:
    result = measured(1, Calls(0, 0, 0, None), cut=True, exit_code=-9, elapsed_s=480)
    assert not result["finished"]
    assert result["plan_s"] is None
    assert result["submit_s"] is None
    assert result["note"].startswith("ended after 8 min, when its time was up: CPU is too low; 1 of 4 tasks done")


def test_an_engine_that_failed_is_quoted(measured: Callable[..., dict[str, Any]], work: Work) -> None:
    (work.folder / "engine.log").write_text("Traceback\nValueError: no such night\n== summary ==\n\n")
    result = measured(0, Calls(0, 0, 0, None), exit_code=1)
    assert result["note"].startswith("exit code 1, its log says `ValueError: no such night`; 0 of 4 tasks done; why")


def test_what_was_not_done_on_the_cluster_is_not_finished(measured: Callable[..., dict[str, Any]]) -> None:
    result = measured(4, Calls(1, 1, 1, 1.0), jobs=0)
    assert not result["finished"]
    assert result["note"] == "only 0 jobs came to SLURM; why"


def test_exit_code_0_without_the_products_is_not_finished(measured: Callable[..., dict[str, Any]]) -> None:
    assert not measured(3, Calls(4, 1, 1, 1.0))["finished"]


def test_results_are_kept_and_replaced_under_the_same_conditions_only(tmp_path: Path) -> None:
    results = Results(tmp_path / "new" / "engine.json")
    one = {"tool": "law", "tasks": 10, **CONDITIONS, "polls": 1}
    results.add(one)
    results.add({**one, "slots": 16, "polls": 2})
    results.add({**one, "polls": 3})
    assert results.find("law", 10, CONDITIONS) == {**one, "polls": 3}
    assert results.find("law", 10, {**CONDITIONS, "slots": 16}) == {**one, "slots": 16, "polls": 2}
    assert results.find("law", 11, CONDITIONS) is None
    assert len(results.read()) == 2


def test_a_file_that_holds_no_results_is_named(tmp_path: Path) -> None:
    path = tmp_path / "engine.json"
    path.write_text("[]")
    with pytest.raises(SystemExit, match=r"engine\.json holds no results"):
        Results(path).read()


def test_the_table_has_every_column_and_the_notes() -> None:
    head, row, note = table([{"tool": "law", "tasks": 10, "plan_s": None, "note": "why"}]).splitlines()
    assert head.split() == list(COLUMNS)
    assert row.split()[:2] == ["law", "10"]
    assert note == "law 10: why"


def test_the_command_line() -> None:
    asked = parse(["--tasks", "10,20", "--tool", "osa_luigi,law"])
    assert (asked.tasks, asked.tool) == ([10, 20], ["osa_luigi", "law"])
    assert parse(["--tool", "law,b2luigi", "--only", "law"]).tool == ["law"]
    assert parse([]).tool == ["osa_luigi"]
    with pytest.raises(SystemExit):
        parse(["--tool", "slurmer"])
    with pytest.raises(SystemExit):
        parse(["--tasks", "0"])


def test_peers_are_run_at_the_sizes_they_manage() -> None:
    assert sizes(TOOLS["osa_luigi"], [1000, 20000], beyond=False) == [1000, 20000]
    assert sizes(TOOLS["luigi_wait"], [100, 1000], beyond=False) == [100]
    assert sizes(TOOLS["luigi_wait"], [1000, 5000], beyond=False) == [200]
    assert sizes(TOOLS["luigi_wait"], [1000], beyond=True) == [1000]


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_a_peer_s_packages_are_pinned_and_its_script_compiles(peer: Any) -> None:
    script = Path(sys.modules[type(peer).__module__].__file__ or "").with_name(peer.script)
    compile(script.read_text(), str(script), "exec")
    assert all("==" in package for package in peer.packages)


def test_the_night_of_this_engine(work: Work) -> None:
    tool = Osa()
    tool.prepare(work)
    site = site_of(work, {"type": "local", "local": MAIN["executor"]["local"]})
    site.write()
    plan = plan_of(site, "fake")
    assert plan.calibration is None
    runs = plan.runs
    assert [len(legs) for run in runs.values() for legs in run.legs.values()] == [work.tasks]
    for group in (group for run in runs.values() for legs in run.legs.values() for group in legs.values()):
        assert len(group.calls) + len(group.riders) == len(SUBRUN_STEPS)
    assert site.procedures["fake"]["fake"]["duration_s"] == work.seconds / len(SUBRUN_STEPS)
    assert tool.done(work) == 0
    on_the_cluster = site_of(work)
    on_the_cluster.write()
    executor = load(on_the_cluster.config, "fake").main.executor
    assert (executor.type, executor.slurm.poll_seconds) == ("slurm", work.poll_s)


def test_several_subruns_in_a_job(work: Work) -> None:
    assert (work.jobs, work.ideal_s) == (4, 6)
    together = replace(work, tasks=SUBRUNS_PER_RUN + 4, subruns_per_job=50)
    assert (together.runs, together.jobs) == (2, 4 + 1)
    assert together.ideal_s == 3 * (SUBRUNS_PER_RUN + 4) / 2
    Osa().prepare(together)
    site = site_of(together)
    executor = load(site.config, "fake").main.executor
    assert executor.slurm.subruns_per_job == 50
    assert [tool.name for tool in TOOLS.values() if tool.joins] == ["osa_luigi"]


def test_usage_is_that_of_the_whole_tree(tmp_path: Path) -> None:
    burn = "import time; x = bytearray(60_000_000); t = time.process_time()\nwhile time.process_time() < t + 0.3: pass"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}], check=True); sys.exit(4)"
    used = measure([sys.executable, "-c", parent], os.environ, tmp_path, psutil.Process().pid, limit_s=60)
    assert used.exit_code == 4
    assert used.cpu_s > 0.3
    assert used.luigid_rss_mb > 10
    assert not used.cut


def test_an_engine_whose_time_is_up_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    shell = f"{shutil.which('sleep')} 300 & echo $! > {tmp_path / 'pid'}; wait"
    used = measure(["sh", "-c", shell], os.environ, tmp_path, psutil.Process().pid, limit_s=3)
    assert used.cut
    assert used.exit_code == -9
    child = int((tmp_path / "pid").read_text())
    give_up = time.monotonic() + 20
    while start_of(child) is not None and time.monotonic() < give_up:
        time.sleep(0.05)
    assert start_of(child) is None
