"""A connection to luigid that stays open: a fifth of the time of a call, of which a night makes thousands.

It takes the place of `RemoteScheduler._fetcher` (luigi 3.8, has a test), and leaves to luigi's own what it does not do itself.
"""

from __future__ import annotations

import os
import socket
import ssl
import threading
import urllib.request
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from httptools import HttpParserError, HttpResponseParser
from luigi.rpc import _FetcherInterface

BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""Environment variables that name the certificates to trust, as luigi's own connection goes by them."""

STALE = (ConnectionResetError, BrokenPipeError)
"""What a connection gives that luigid closed when it was restarted."""

PORTS = {"http": 80, "https": 443}

AT_ONCE = 65536
"""So much of an answer is taken from the socket at a time. Unit: bytes."""


class KeepAliveFetcher(_FetcherInterface):  # type: ignore[misc]
    """Calls luigid over http or https, each thread with a connection of its own.

    `fetch` raises an `OSError` or an `HttpParserError`; luigi makes an `RPCError` of them.
    """

    raises = (OSError, HttpParserError)

    def __init__(self) -> None:
        self._own = threading.local()

    def fetch(self, full_url: str, body: dict[str, Any], timeout: float) -> str:
        """The answer to a POST; an open connection that luigid has closed meanwhile is opened again, once."""
        url = urlsplit(full_url)
        request = _request(url, form(body))
        kept = self._kept(url)
        if kept:
            try:
                return self._post(kept, url, request)
            except STALE:
                self.close()
        return self._post(self._open(url, timeout), url, request)

    def close(self) -> None:
        """Close this thread's connection."""
        if kept := getattr(self._own, "connection", None):
            kept.close()
            self._own.connection = None

    def _kept(self, url: SplitResult) -> socket.socket | None:
        """The open connection; that of a process this one was forked from is not ours."""
        if getattr(self._own, "key", None) != (os.getpid(), url.scheme, url.netloc):
            self._own.connection = None
        kept: socket.socket | None = self._own.connection
        return kept

    def _open(self, url: SplitResult, timeout: float) -> socket.socket:
        self._own.key = (os.getpid(), url.scheme, url.netloc)
        host = url.hostname or ""
        opened = socket.create_connection((host, url.port or PORTS[url.scheme]), timeout)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._own.connection = _trust().wrap_socket(opened, server_hostname=host) if url.scheme == "https" else opened
        connection: socket.socket = self._own.connection
        return connection

    def _post(self, connection: socket.socket, url: SplitResult, request: bytes) -> str:
        answer = _Answer()
        try:
            connection.sendall(request)
            answer.read(connection)
        except self.raises:
            self.close()
            raise
        if not answer.stays_open:
            self.close()
        if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
            raise OSError(f"{answer.status} {answer.reason} from {url.geturl()}")
        return b"".join(answer.body).decode()


class _Answer:
    """What comes back to a request; httptools calls its ``on_…``."""

    def __init__(self) -> None:
        self.body: list[bytes] = []
        self.status = 0
        self.reason = ""
        self.stays_open = False
        self._is_whole = False
        self._parser = HttpResponseParser(self)

    def read(self, connection: socket.socket) -> None:
        """Take it from the socket, to its end."""
        while not self._is_whole:
            data = connection.recv(AT_ONCE)
            if not data:
                self._cut_off()
                return
            self._parser.feed_data(data)

    def _cut_off(self) -> None:
        """An answer may end with its connection; half a good one must not be taken for it, a bad one is told by its head."""
        if self.status < HTTPStatus.MULTIPLE_CHOICES:
            raise ConnectionResetError("luigid closed the connection before it had answered")

    def on_status(self, words: bytes) -> None:
        """The words after the number."""
        self.reason += words.decode(errors="replace")

    def on_headers_complete(self) -> None:
        """The head is there."""
        self.status = self._parser.get_status_code()

    def on_body(self, part: bytes) -> None:
        """A part of what was answered."""
        self.body.append(part)

    def on_message_complete(self) -> None:
        """That was all."""
        self.stays_open = self._parser.should_keep_alive()
        self._is_whole = True


def _request(url: SplitResult, data: bytes) -> bytes:
    head = (
        f"POST {url.path} HTTP/1.1\r\nHost: {url.netloc}\r\nAccept-Encoding: identity\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(data)}\r\n\r\n"
    )
    return head.encode() + data


def form(body: Mapping[str, str]) -> bytes:
    """A body as form data. luigi's are JSON: escaping only what must be is ten times as fast as `urllib.parse.urlencode`."""
    return "&".join(f"{name}={_escaped(text)}" for name, text in body.items()).encode()


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("&", "%26").replace("+", "%2B").replace(" ", "+")


def fits(address: str) -> bool:
    """Whether an address is reached over plain http or https: no user and password in it, no proxy, no unix socket."""
    url = urlsplit(address)
    plain = url.scheme in PORTS and url.hostname and not url.username
    return bool(plain and not _has_proxy(url))


def _trust() -> ssl.SSLContext:
    bundle = next((path for name in BUNDLES if (path := os.environ.get(name))), None)
    if bundle and Path(bundle).is_dir():
        return ssl.create_default_context(capath=bundle)
    return ssl.create_default_context(cafile=bundle)


def _has_proxy(url: SplitResult) -> bool:
    proxies = urllib.request.getproxies()
    return bool((proxies.get(url.scheme) or proxies.get("all")) and not urllib.request.proxy_bypass(url.hostname or ""))
