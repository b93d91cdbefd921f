"""Luigi's own command for a night, as an operator would type it, in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path
from types import TracebackType

from osa_luigi.cli.demo.ending import PATIENCE_S, dying_with_us, stop
from osa_luigi.config import Procedure


class Engine:
    """``with Engine(log, day, procedure, url) as engine``: the night runs; leaving stops it."""

    def __init__(self, log: Path, day: date, procedure: Procedure, url: str) -> None:
        self.log = log
        self.day = day
        self.production = procedure.production_id
        self.command = [
            *(luigi(), "--module", "osa_luigi", "NightTask", "--date", day.isoformat()),
            *("--procedure", procedure.name, "--scheduler-url", url),
        ]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Engine:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            log.write(f"\n# {datetime.now(UTC):%F %T} UTC: {' '.join(self.command)}\n".encode())
            log.flush()
            self._process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
                preexec_fn=dying_with_us(),
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)  # luigi tells the scheduler, and ends its jobs
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(PATIENCE_S)
        stop(self._process)

    def ended(self, within_s: float) -> bool:
        """Whether it ends within a time."""
        assert self._process is not None
        try:
            self._process.wait(within_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def wait(self) -> int:
        """Its exit code; 128 + N if signal N ended it, as a shell says."""
        assert self._process is not None
        code = self._process.wait()
        return code if code >= 0 else 128 - code


def luigi() -> str:
    """The command beside this interpreter."""
    beside = Path(sys.executable).with_name("luigi")
    return str(beside) if beside.exists() else "luigi"
