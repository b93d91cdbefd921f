"""What luigi's own command takes over from this package: the worker, exit codes, the lock, its log."""

from __future__ import annotations

import inspect
import logging

import luigi
import luigi.interface
import luigi.retcodes
import luigi.worker
import pytest

from osa_luigi.batch import command
from osa_luigi.batch.command import EXIT_CODES, INFORMED, News, OsaFactory
from osa_luigi.tasks import graph


def test_luigi_s_command_finds_the_worker_and_the_exit_codes() -> None:
    assert issubclass(graph.NightTask, luigi.Task), "imported, it registers the worker"
    assert luigi.interface._WorkerSchedulerFactory is OsaFactory
    codes = luigi.retcodes.retcode()
    assert {name: getattr(codes, name) for name in EXIT_CODES} == EXIT_CODES
    assert all(EXIT_CODES.values())


def test_luigi_s_log_does_not_say_twice_of_each_task_that_it_waits_or_is_done(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="luigi-interface")
    assert f'logger.info("{INFORMED}", task_id, status)' in inspect.getsource(luigi.worker.Worker._add_task)

    def said(words: str, *arguments: str) -> bool:
        caplog.clear()
        News(luigi.worker.logger).info(words, *arguments)
        return bool(caplog.records)

    assert not said(INFORMED, "MergeTask_1", "PENDING")
    assert not said(INFORMED, "MergeTask_1", "DONE")
    assert said(INFORMED, "MergeTask_1", "FAILED")
    assert said("%s done", "MergeTask(run_id=2003)")
    assert said("no worker")


def test_the_lease_stands_in_for_luigi_s_lock_by_command_line() -> None:
    assert luigi.interface.core().no_lock is True


def test_the_user_s_exit_codes_win(monkeypatch: pytest.MonkeyPatch) -> None:
    config = luigi.configuration.get_config()
    before = config.get("retcode", "task_failed")
    config.set("retcode", "task_failed", "77")
    try:
        command.register()
        assert luigi.retcodes.retcode().task_failed == 77
    finally:
        config.set("retcode", "task_failed", before)
