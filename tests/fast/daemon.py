"""Luigi's own scheduler as a process, that a test may end and start again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from fresh import PATIENCE_S, until

from osa_luigi.cli.demo.luigid import ADDRESS, free_port


class Luigid:
    """The installed command, on a port and with a state of its own; may be ended and started again."""

    def __init__(self, folder: Path, settings: str = "") -> None:
        self._folder = folder
        (folder / "luigid.cfg").write_text(settings)
        self._state = folder / "state.pickle"
        self._port = free_port()
        self.url = f"http://{ADDRESS}:{self._port}"
        self.start()

    def start(self) -> None:
        """Until it answers."""
        with (self._folder / "luigid.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(str(Path(sys.executable).with_name("luigid")), "--address", ADDRESS, "--port", str(self._port)),
                    *("--state-path", str(self._state)),
                ],
                cwd=self._folder,
                env={**os.environ, "LUIGI_CONFIG_PATH": str(self._folder / "luigid.cfg")},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until(self._answers, "luigid answers", 0.03)

    def end(self, number: int) -> None:
        """SIGTERM: it saves its state; SIGKILL: it does not."""
        self._process.send_signal(number)
        self._process.wait(PATIENCE_S)
        if number == signal.SIGKILL:
            self._state.unlink(missing_ok=True)  # what it saved when it last ended well

    def tasks(self) -> dict[str, dict[str, Any]]:
        """All tasks by id, by its API."""
        query = urllib.parse.urlencode({"data": json.dumps({"status": "", "upstream_status": ""})})
        with urllib.request.urlopen(f"{self.url}/api/task_list?{query}", timeout=PATIENCE_S) as answer:
            found: dict[str, dict[str, Any]] = json.load(answer)["response"]
        return found

    def statuses(self) -> set[str]:
        """Of all tasks."""
        return {task["status"] for task in self.tasks().values()}

    def part(self, family: str, status: str = "RUNNING") -> dict[str, Any] | None:
        """The first task of a family in a status."""
        tasks = [task for task in self.tasks().values() if (task["name"], task["status"]) == (family, status)]
        return tasks[0] if tasks else None

    def _answers(self) -> bool:
        try:
            return self.tasks() is not None
        except OSError:
            return False
