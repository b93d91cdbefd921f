"""What the patient scheduler relies on of luigi 3.8, and what is said while luigid is away."""

from __future__ import annotations

import inspect
import logging

import luigi
import pytest
from luigi.rpc import RemoteScheduler, RPCError

from osa_luigi.batch.command import OsaFactory
from osa_luigi.batch.luigid import PatientScheduler
from osa_luigi.cli.demo.luigid import ADDRESS, free_port


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a luigid that is not there; two tries, at once."""
    config = luigi.configuration.get_config()
    given = {"rpc_retry_attempts": "2", "rpc_retry_wait": "0"}
    before = {name: config.get("core", name) for name in given}
    monkeypatch.setattr(
        config, "getint", lambda section, name, default: int({**before, **given}[name.replace("-", "_")])
    )
    return f"http://{ADDRESS}:{free_port()}"


def test_the_parts_of_luigi_that_are_overridden_are_there() -> None:
    assert "self._get_retryer()" in inspect.getsource(RemoteScheduler._fetch)
    source = inspect.getsource(RemoteScheduler.__init__)
    for name in ("_url", "_rpc_retry_attempts", "_rpc_retry_wait", "_rpc_log_retries"):
        assert f"self.{name} = " in source
    assert "self._scheduler.ping(worker=self._worker_id)" in inspect.getsource(luigi.worker.KeepAliveThread.run)


def test_luigi_s_command_uses_it() -> None:
    assert isinstance(OsaFactory().create_remote_scheduler(f"http://{ADDRESS}:1"), PatientScheduler)


def test_each_try_is_one_line_and_the_last_is_an_error(nobody: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="luigi-interface")
    scheduler = PatientScheduler(nobody)
    with pytest.raises(RPCError, match="2 attempts"):
        scheduler.count_pending(worker="w")
    scheduler.close()
    said = f"luigid at {nobody} does not answer (ConnectionRefusedError). Start it again; jobs go on meanwhile. Next try in 0 s (2 of 2)."
    assert [record.getMessage() for record in caplog.records] == [said]
    assert not caplog.records[0].exc_info


def test_a_ping_does_not_wait_for_luigid(nobody: str, caplog: pytest.LogCaptureFixture) -> None:
    scheduler = PatientScheduler(nobody)
    assert scheduler.ping(worker="w") is None
    assert not caplog.records
