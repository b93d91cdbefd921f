"""A process, named so that it is never taken for another: by its machine, boot, PID namespace, number, and start.

A number alone will not do: after a reboot a low one is soon some daemon's, and in a container the same number is another process.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Process:
    """A process, as its own machine names it.

    Parameters
    ----------
    host
        The machine's short name.
    pid
        Its number.
    boot, namespace, start_ticks
        The machine's boot, the PID namespace, and the start in clock ticks after the boot; empty and `None` where that was not written
        down.
    """

    host: str
    pid: int
    boot: str = ""
    namespace: str = ""
    start_ticks: int | None = None

    @classmethod
    def me(cls) -> Process:
        """This process."""
        return cls(host(), os.getpid(), _boot(), _namespace(), start_of(os.getpid()))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Process:
        """The process that `text` described; older descriptions lack parts.

        Raises
        ------
        KeyError, TypeError, ValueError
            The data are no process.
        """
        ticks = data.get("start_ticks")
        return cls(
            str(data["host"]),
            int(data["pid"]),
            str(data.get("boot") or ""),
            str(data.get("namespace") or ""),
            None if ticks is None else int(ticks),
        )

    def text(self) -> str:
        """For a file."""
        return json.dumps(asdict(self)) + "\n"

    def alive(self) -> bool | None:
        """Whether it lives; `None` where nothing can be known from here: on another machine, in another PID namespace."""
        if self.host != host():
            return None
        if self.boot and self.boot != _boot():
            return False
        if self.namespace and self.namespace != _namespace():
            return None
        started = start_of(self.pid)
        return started is not None and self.start_ticks in (None, started)


def host() -> str:
    """This machine's short name."""
    return os.uname().nodename.partition(".")[0]


def start_of(pid: int) -> int | None:
    """When a process started, in clock ticks after the machine did; `None` if it has ended (a zombie has).

    With its number and the machine's boot this names a process for ever; the time of day would not, for clocks are set.
    """
    try:
        state, *rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if state in "ZX" else int(rest[18])


@cache
def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _namespace() -> str:
    """Empty where the kernel has none."""
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""
