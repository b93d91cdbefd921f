from __future__ import annotations

import os

import pytest
import runner_work as work
from fresh import is_running, until

from osa_luigi.runner.lifeline import native_threads, start_of


@pytest.mark.parametrize(
    ("kind", "members"), [("forks of forks", 5), ("an attempt", 2), ("worker processes of a tool", 4)]
)
def test_nothing_outlives_a_parent_that_is_killed(fresh, tmp_path, kind, members):
    run = fresh.start(work.grow, tmp_path, kind)
    family = until(
        lambda: len(found := list(tmp_path.glob("*.pid"))) == members and [int(path.stem) for path in found],
        f"{members} processes: {kind}",
    )
    assert all(map(is_running, family))
    run.kill()
    until(lambda: not any(map(is_running, family)), "all are gone")


def test_one_whose_parent_was_gone_already_ends_at_once(fresh):
    assert fresh.call(work.orphaned) == 128 + 9


def test_a_process_is_named_by_its_number_and_its_start(fresh, tmp_path):
    assert start_of(os.getpid()) == start_of(os.getpid())
    run = fresh.start(work.grow, tmp_path, "forks of forks")
    started = until(lambda: start_of(run.pid), "it runs")
    assert started > start_of(os.getpid())
    run.kill()
    run.wait()
    assert start_of(run.pid) is None
    assert start_of(2**22 + 1) is None


def test_threads_are_counted_as_the_kernel_sees_them(fresh):
    assert fresh.call(native_threads) == 1
