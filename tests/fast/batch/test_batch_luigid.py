"""What the patient scheduler relies on of luigi 3.8, and what is said while luigid is away."""

from __future__ import annotations

import inspect
import logging
import re
import subprocess
import sys
from pathlib import Path

import luigi
import luigi.retcodes
import pytest
from luigi.configuration import LuigiConfigParser
from luigi.rpc import RemoteScheduler, RPCError

from osa_luigi.batch.command import OsaFactory, register
from osa_luigi.batch.luigid import PatientScheduler
from osa_luigi.cli.demo.luigid import ADDRESS, Luigid, free_port
from osa_luigi.errors import ExecutorError


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a luigid that is not there; two tries, at once."""
    config = luigi.configuration.get_config()
    given = {"rpc_retry_attempts": "2", "rpc_retry_wait": "0"}
    before = {name: config.get("core", name, "1") for name in given}
    monkeypatch.setattr(
        config, "getint", lambda section, name, default: int({**before, **given}[name.replace("-", "_")])
    )
    return f"http://{ADDRESS}:{free_port()}"


def test_the_parts_of_luigi_that_are_overridden_are_there() -> None:
    assert "self._get_retryer()" in inspect.getsource(RemoteScheduler._fetch)
    source = inspect.getsource(RemoteScheduler.__init__)
    for name in ("_url", "_connect_timeout", "_rpc_retry_attempts", "_rpc_retry_wait", "_rpc_log_retries"):
        assert f"self.{name} = " in source
    assert "self._scheduler.ping(worker=self._worker_id)" in inspect.getsource(luigi.worker.KeepAliveThread.run)

    assert '{"data": json.dumps(data)}' in inspect.getsource(RemoteScheduler._request)
    assert (
        inspect.signature(RemoteScheduler._request).parameters.keys()
        == inspect.signature(PatientScheduler._request).parameters.keys()
    )


def test_what_is_told_comes_to_luigid_as_with_luigi_s_own_json(tmp_path: Path) -> None:
    told = {
        "plain": "Run02008",
        "signs": 'a&b=c+d e%20;"\\\n',
        "other": "2 µs – 日本 \U0001f52d",
        "path": "\udce9t\udce9",
    }
    with Luigid(tmp_path) as luigid:
        for number, kind in enumerate((RemoteScheduler, PatientScheduler)):
            scheduler = kind(luigid.url)
            scheduler.add_task(worker="w", task_id=f"T{number}", params=told, status="PENDING", runnable=True)
            scheduler.close()
        found = {
            name: task["params"]
            for name, task in PatientScheduler(luigid.url).task_list(status="", upstream_status="").items()
        }
    assert found == {"T0": told, "T1": told}


@pytest.mark.parametrize("kind", [RemoteScheduler, PatientScheduler])
def test_no_answer_is_asked_for_again_where_there_must_be_one(kind: type[RemoteScheduler]) -> None:
    scheduler, answers = kind("http://nobody"), iter(('{"response": null}', '{"response": null}', '{"response": 1}'))
    scheduler._fetch = lambda url, body: next(answers)  # type: ignore[method-assign]
    assert scheduler._request("/api/x", {}) is None
    assert scheduler._request("/api/x", {}, allow_null=False) == 1
    scheduler._fetch = lambda url, body: '{"response": null}'  # type: ignore[method-assign]
    with pytest.raises(RPCError):
        scheduler._request("/api/x", {}, allow_null=False)


def test_luigi_s_command_uses_it(tmp_path: Path) -> None:
    with Luigid(tmp_path) as luigid:
        scheduler = OsaFactory().create_remote_scheduler(luigid.url)
        assert isinstance(scheduler, PatientScheduler)
        scheduler.close()


def test_that_luigid_was_never_started_is_said_at_once(nobody: str, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(SystemExit) as ended:
        OsaFactory().create_remote_scheduler(nobody)
    assert ended.value.code == luigi.retcodes.retcode().unhandled_exception != 0
    assert [record.getMessage().partition(" (")[0] for record in caplog.records] == [
        f"no luigid at {nobody}: start it, or add --local-scheduler"
    ]


def test_another_service_at_its_address_is_no_luigid(tmp_path: Path) -> None:
    command = [sys.executable, "-u", "-m", "http.server", "--bind", ADDRESS, "--directory", str(tmp_path), "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as other:
        assert other.stdout is not None
        port = re.search(r"port (\d+)", other.stdout.readline())
        assert port is not None
        with pytest.raises(ExecutorError, match=f"no luigid at http://{ADDRESS}:{port[1]}"):
            PatientScheduler(f"http://{ADDRESS}:{port[1]}").require()
        other.kill()


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


def test_luigi_is_set_up_for_long_nights_unless_the_user_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    config = LuigiConfigParser()
    config.read_dict({"worker": {"ping_interval": "3"}, "core": {"rpc_retry_wait": "1"}})
    for given in (config, LuigiConfigParser()):
        monkeypatch.setattr(luigi.configuration, "get_config", lambda given=given: given)
        register()
        mine = given is config
        assert given.get("worker", "ping_interval") == ("3" if mine else "10")
        assert given.get("core", "rpc_retry_wait") == ("1" if mine else "15")
        assert given.get("core", "no_lock") == "true"
        assert given.get("retcode", "task_failed") == "30"
