"""Luigi's central scheduler for the time of a demo, on this machine's own address and a free port."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any

from osa_luigi.cli.demo.ending import dying_with_us, stop
from osa_luigi.errors import ExecutorError

ADDRESS = "127.0.0.1"
START_LIMIT_S = 60.0
TRIES = 3
"""Between finding a free port and taking it, another process may take it."""


class Luigid:
    """``with Luigid(folder) as scheduler``: runs luigid; its state and its log stay in the folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.url = ""
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Luigid:
        self._folder.mkdir(parents=True, exist_ok=True)
        for _ in range(TRIES):
            self._start()
            if self._answers():
                return self
            self.close()
        raise ExecutorError(f"luigid does not start: read {self._folder / 'luigid.log'}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End it; it writes its state."""
        if self.process:
            stop(self.process)

    def tasks(self, status: str = "") -> dict[str, dict[str, Any]]:
        """Tasks by id, as luigid's own web page asks for them; empty where it shows counts only.

        Raises
        ------
        OSError
            It does not answer.
        """
        arguments = json.dumps({"status": status, "upstream_status": ""})
        query = urllib.parse.urlencode({"data": arguments})
        with urllib.request.urlopen(f"{self.url}/api/task_list?{query}", timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)["response"]
        return {} if "num_tasks" in found else found

    def _start(self) -> None:
        port = free_port()
        self.url = f"http://{ADDRESS}:{port}"
        command = [
            *(sys.executable, "-c", "from luigi.cmdline import luigid; luigid()"),
            *("--address", ADDRESS, "--port", str(port)),
            *("--state-path", str(self._folder / "state.pickle")),
        ]
        with (self._folder / "luigid.log").open("ab") as log:
            # A session of its own: Ctrl-C in a terminal must not end it before luigi has told it of its end.
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=dying_with_us(),
            )

    def _answers(self) -> bool:
        assert self.process is not None
        deadline = time.monotonic() + START_LIMIT_S
        while self.process.poll() is None and time.monotonic() < deadline:
            try:
                self.tasks("RUNNING")
            except OSError:
                time.sleep(0.1)
            else:
                return True
        return False


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        port: int = probe.getsockname()[1]
        return port
