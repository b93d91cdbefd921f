"""A check in a process of its own, which is given up when it takes too long: a file system that is away holds up whoever asks it."""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass

from osa_luigi.tasks.doctor.finding import Finding, Level, bad

Check = Callable[[], Iterable[Finding]]
GRACE_S = 1.0
CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class Apart:
    """A check that runs."""

    pid: int
    answer: int

    @classmethod
    def start(cls, check: Check) -> Apart:
        """Run a check beside this process."""
        reading, writing = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            _run(check, writing)
        os.close(writing)
        return cls(pid, reading)

    def findings(self, until: float) -> list[Finding]:
        """What it found, or that it did not come to an end until then (by the monotonic clock)."""
        said = b""
        while select.select([self.answer], [], [], max(until - time.monotonic(), 0))[0]:
            part = os.read(self.answer, CHUNK)
            if not part:
                self._end(graceful=False)
                return _read(said)
            said += part
        self._end(graceful=True)
        return [*_read(said, cut=True), bad("did not come to an end", "Look whether a file system or a service hangs.")]

    def _end(self, *, graceful: bool) -> None:
        """Ask it to tidy up, then kill it; one that is stuck in the kernel is left to that."""
        os.close(self.answer)
        if graceful:
            self._kill(signal.SIGTERM)
        until = time.monotonic() + GRACE_S
        while os.waitpid(self.pid, os.WNOHANG) == (0, 0):
            if time.monotonic() > until:
                self._kill(signal.SIGKILL)
                return
            time.sleep(0.01)

    def _kill(self, number: int) -> None:
        os.kill(self.pid, number)


def _run(check: Check, answer: int) -> None:
    """In the child: a line for each finding, as it is found."""
    try:
        # So that a check that is given up removes what it made.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        for finding in check():
            os.write(answer, (json.dumps(asdict(finding)) + "\n").encode())
    except SystemExit:
        pass
    except BaseException as error:
        found = bad(f"{type(error).__name__}: {error}", "This check failed itself: please report it.")
        os.write(answer, (json.dumps(asdict(found)) + "\n").encode())
    finally:
        os._exit(0)


def _read(said: bytes, *, cut: bool = False) -> list[Finding]:
    lines = said.decode().split("\n")[:-1] if cut else said.decode().splitlines()
    found = (json.loads(line) for line in lines)
    return [Finding(Level(one["level"]), one["what"], one["next"]) for one in found]
