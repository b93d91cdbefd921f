from __future__ import annotations

import pytest
import runner_work as work
from fresh import is_running, until

from osa_luigi.runner.forked import Outcome, tree_memory_mb


@pytest.mark.parametrize(
    ("behaviour", "code"),
    [
        ("nothing", 0),
        ("returns 3", 3),
        ("returns True", 1),
        ("exits", 0),
        ("exits 4", 4),
        ("exits with text", 1),
        ("exits at once", 7),
        ("raises", 1),
        ("raises ours", 1),
        ("interrupted", 1),
        ("killed", -9),
        ("terminated", -15),
        ("crashes", -11),
    ],
)
def test_exit_codes(fresh, tmp_path, behaviour, code):
    outcome = fresh.call(work.outcome, behaviour, tmp_path)
    assert outcome.exit_code == code
    assert not outcome.timed_out
    assert (outcome.reason(60) == "") == (code == 0)


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        ("exits 4", "exit code 4"),
        ("killed", "killed by SIGKILL (out of memory?)"),
        ("crashes", "killed by SIGSEGV"),
        ("real-time signal", "killed by signal 40"),
    ],
)
def test_reasons_are_for_people(fresh, tmp_path, behaviour, reason):
    assert fresh.call(work.reason, behaviour, tmp_path) == reason


@pytest.mark.parametrize(
    ("behaviour", "said", "unsaid"),
    [
        ("exits with text", "cannot go on", "Traceback"),
        ("raises ours", "what, where, what to do next", "Traceback"),
        ("raises", "raise error\nValueError: broken\n", "print_exc"),
        ("interrupted", "KeyboardInterrupt", "print_exc"),
    ],
)
def test_the_log_says_why(fresh, tmp_path, behaviour, said, unsaid):
    fresh.call(work.outcome, behaviour, tmp_path)
    log = (tmp_path / "log").read_text()
    assert said in log
    assert unsaid not in log


def test_whatever_is_printed_is_in_the_log_in_any_locale(fresh, tmp_path):
    for _ in range(2):
        assert fresh.call(work.outcome, "prints", tmp_path).exit_code == 0
    lines = (tmp_path / "log").read_text(encoding="utf-8").splitlines()
    assert sorted(lines) == sorted(["8 p.e. → 4°, \\udcff", "to stderr", "by number", "from a command"] * 2)


def test_the_child_shares_nothing_with_its_parent(fresh, tmp_path):
    assert fresh.call(work.fork_with_settings_of_mine, tmp_path).exit_code == 0
    assert (tmp_path / "log").read_text().splitlines() == [
        f"folder {tmp_path}",
        "leads its session True",
        "core (0, 0)",
        "signals 0 0",
    ]


def test_the_child_s_input_is_empty(fresh, tmp_path):
    assert fresh.call(work.outcome, "reads its input", tmp_path).exit_code == 0


@pytest.mark.parametrize(("behaviour", "code"), [("waits", -15), ("refuses SIGTERM", -9), ("stopped", -9)])
def test_a_child_over_its_time_is_ended_whatever_it_does(fresh, tmp_path, behaviour, code):
    outcome = fresh.call(work.outcome, behaviour, tmp_path, 0.05)
    assert outcome.timed_out
    assert outcome.exit_code == code
    assert outcome.reason(7200) == "ran over its time limit of 7200 s"


def test_children_that_the_child_left_behind_are_killed(fresh, tmp_path):
    assert fresh.call(work.outcome, "leaves children", tmp_path).exit_code == 0
    for pid in map(int, (tmp_path / "pids").read_text().split()):
        until(lambda pid=pid: not is_running(pid), f"process {pid} is gone")


def test_nothing_runs_on_when_the_waiting_is_interrupted(fresh, tmp_path):
    said, pid = fresh.call(work.interrupted_while_waiting, tmp_path)
    assert said == "interrupted"
    assert not is_running(pid)


def test_a_process_with_threads_is_not_forked(fresh, tmp_path):
    said = fresh.call(work.fork_beside_a_thread, tmp_path)
    assert said == "refusing to fork from a process with 2 threads; set OMP_NUM_THREADS=1 before imports"


@pytest.mark.parametrize("behaviour", ["uses 200 MB", "grandchild uses memory", "family uses memory"])
def test_the_memory_of_the_whole_family_is_counted(fresh, tmp_path, behaviour):
    outcome = fresh.call(work.outcome, behaviour, tmp_path)
    assert outcome.exit_code == 0
    assert outcome.peak_memory_mb > 200


def test_the_time_of_grandchildren_is_counted(fresh, tmp_path):
    outcome = fresh.call(work.outcome, "grandchild computes", tmp_path)
    assert outcome.cpu_s >= 0.2
    assert outcome.wall_s > 0


def test_memory_of_a_process_that_is_gone_is_none(fresh):
    run = fresh.start(work.orphaned).wait()
    assert tree_memory_mb(run.pid) == 0.0


def test_a_good_end_has_no_reason():
    assert Outcome(0, False, 1.0, 1.0, 1.0).reason(10) == ""
