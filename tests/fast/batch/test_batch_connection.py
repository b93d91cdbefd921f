"""The connection to luigid that stays open: through a real luigid that goes and comes back, and where luigi's own is kept."""

from __future__ import annotations

import inspect
import signal
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import luigi.rpc
import pytest
import tornado.httputil
from daemon import Luigid
from httptools import HttpParserError
from hypothesis import given
from hypothesis import strategies as st
from luigi.rpc import RemoteScheduler, RPCError

from osa_luigi.batch.connection import BUNDLES, KeepAliveFetcher, _trust, fits, form
from osa_luigi.batch.luigid import PatientScheduler
from osa_luigi.cli.demo.luigid import ADDRESS


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def test_the_parts_of_luigi_that_are_relied_on_are_there() -> None:
    assert set(luigi.rpc._FetcherInterface.__abstractmethods__) == {"fetch", "close"}
    source = inspect.getsource(RemoteScheduler)
    assert "scheduler_retry(self._fetcher.fetch, full_url, body, self._connect_timeout)" in source
    assert "except self._fetcher.raises as e:" in source
    assert "self._fetcher.close()" in source


def test_calls_share_a_connection_and_outlive_a_luigid_that_is_started_again(luigid: Luigid) -> None:
    scheduler = PatientScheduler(luigid.url)
    fetcher = scheduler._fetcher
    assert isinstance(fetcher, KeepAliveFetcher)
    opened: list[object] = []
    for _ in range(3):
        scheduler.add_task(task_id="Night_1", worker="w", family="Night", params={"name": "über & = %"})
        opened.append(fetcher._own.connection)
    assert len(set(map(id, opened))) == 1
    assert luigid.tasks()["Night_1"]["params"] == {"name": "über & = %"}
    luigid.end(signal.SIGTERM)
    luigid.start()
    assert scheduler.count_pending(worker="w")["n_pending_tasks"] == 1
    assert fetcher._own.connection is not opened[0]
    assert scheduler.ping(worker="w") == {"rpc_messages": []}
    scheduler.close()
    assert fetcher._own.connection is None


def test_each_thread_has_a_connection_of_its_own(luigid: Luigid) -> None:
    fetcher = KeepAliveFetcher()
    seen: list[object] = []

    def call() -> None:
        fetcher.fetch(f"{luigid.url}/api/count_pending", {"data": '{"worker": "w"}'}, 10)
        seen.append(fetcher._own.connection)

    threads = [threading.Thread(target=call) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    call()
    assert len(set(map(id, seen))) == 3


def test_what_luigid_refuses_is_an_error_of_luigi_s(luigid: Luigid) -> None:
    scheduler = PatientScheduler(luigid.url)
    scheduler._rpc_retry_attempts = 1
    with pytest.raises(RPCError) as refused:
        scheduler._request("/api/nothing_like_it", {})
    assert "404" in str(refused.value.sub_exception)


def test_an_answer_that_leads_elsewhere_is_not_taken_for_luigid_s() -> None:
    class Elsewhere(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(302)
            self.send_header("Location", "/login")
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with HTTPServer((ADDRESS, 0), Elsewhere) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        fetcher = KeepAliveFetcher()
        with pytest.raises(fetcher.raises, match="302 Found"):
            fetcher.fetch(f"http://{ADDRESS}:{server.server_port}/api/ping", {}, 10)
        thread.join()


@pytest.mark.parametrize(
    ("answer", "heard"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "{}"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n", "{}"),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}", "{}"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", ConnectionResetError),
        (b"HTTP/1.1 200 OK\r\nContent-Le", ConnectionResetError),
        (b"", ConnectionResetError),
        (b"SSH-2.0-OpenSSH_9.2\r\n", HttpParserError),
        (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 3\r\n\r\noh.", OSError),
    ],
)
def test_an_answer_counts_when_it_is_whole(answer: bytes, heard: str | type[Exception]) -> None:
    """Also that of a proxy in front of luigid, in pieces or with an end by closing."""
    with socket.create_server((ADDRESS, 0)) as server:
        thread = threading.Thread(target=_answer, args=(server, answer))
        thread.start()
        address = f"http://{ADDRESS}:{server.getsockname()[1]}/api/ping"
        if isinstance(heard, str):
            assert KeepAliveFetcher().fetch(address, {"data": "{}"}, 10) == heard
        else:
            with pytest.raises(heard):
                KeepAliveFetcher().fetch(address, {"data": "{}"}, 10)
        thread.join()


def _answer(server: socket.socket, answer: bytes) -> None:
    connection, _ = server.accept()
    with connection:
        while not connection.recv(65536).endswith(b"{}"):
            pass
        for byte in answer:
            connection.sendall(bytes([byte]))


@pytest.mark.parametrize(
    ("address", "ours"),
    [
        ("http://scheduler:8082", True),
        ("https://scheduler/luigi", True),
        ("http://user:word@scheduler:8082", False),
        ("http+unix://%2Frun%2Fluigid.sock", False),
    ],
)
def test_what_it_cannot_do_is_left_to_luigi_s_own(address: str, ours: bool) -> None:
    assert fits(address) is ours


def test_a_proxy_is_left_to_luigi_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy:3128")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert not fits("http://scheduler:8082")
    assert fits("http://127.0.0.1:8082")
    assert fits("https://scheduler:8082")
    scheduler = PatientScheduler("http://scheduler:8082")
    assert not isinstance(scheduler._fetcher, KeepAliveFetcher)


def test_certificates_to_trust_are_those_that_luigi_s_own_would(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in BUNDLES:
        monkeypatch.delenv(name, raising=False)
    assert _trust().check_hostname
    monkeypatch.setenv("CURL_CA_BUNDLE", "/nowhere/bundle.pem")
    with pytest.raises(FileNotFoundError):
        _trust()


@given(st.dictionaries(st.from_regex(r"[a-z_]{1,9}", fullmatch=True), st.text().filter(bool), min_size=1))
def test_form_data_say_what_they_were_made_from(body: dict[str, str]) -> None:
    arguments: dict[str, list[bytes]] = {}
    tornado.httputil.parse_body_arguments("application/x-www-form-urlencoded", form(body), arguments, {})
    assert {name: [value.decode() for value in values] for name, values in arguments.items()} == {
        name: [value] for name, value in body.items()
    }
