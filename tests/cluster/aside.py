"""A control group whose processes take what CPU time the others leave.

Niceness alone does not do it: where Linux groups processes by session (``kernel.sched_autogroup_enabled``) it counts within a session only,
and each job has one of its own.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from pathlib import Path

PLACES = ((Path("/sys/fs/cgroup/cpu"), "cpu.shares", 2), (Path("/sys/fs/cgroup"), "cpu.weight", 1))
"""Of the two kinds of control groups: where they are, which file holds a group's weight, and the least there is (others have 1024, 100)."""

_ENTER = 'echo $$ > "$0" && exec nice -n 19 "$@"'
_EMPTY_WITHIN_S = 5.0


class Aside:
    """A control group of least weight; niceness 19 alone where this user may not make one.

    Parameters
    ----------
    name
        Of the group: no other's.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def command(self, words: Sequence[str]) -> list[str]:
        """What starts a command there, with all that it will start; the group is made if it is not there."""
        groups = ((place / self._name, file, weight) for place, file, weight in PLACES)
        group = next((group for group, file, weight in groups if _made(group, file, weight)), None)
        if group is None:
            return ["nice", "-n", "19", *words]
        return ["sh", "-c", _ENTER, str(group / "cgroup.procs"), *words]

    def remove(self) -> None:
        """Once its processes are gone; one that holds some yet is left, and does nobody any harm."""
        end = time.monotonic() + _EMPTY_WITHIN_S
        for place, _, _ in PLACES:
            group = place / self._name
            while group.exists() and time.monotonic() < end:
                with contextlib.suppress(OSError):
                    group.rmdir()
                    break
                time.sleep(0.05)


def _made(group: Path, file: str, weight: int) -> bool:
    """Whether the group is there, with the weight."""
    try:
        if not (group.parent / "cgroup.procs").exists():
            return False
        group.mkdir(exist_ok=True)
        if (group / file).exists():
            (group / file).write_text(str(weight))
            return True
        group.rmdir()
    except OSError:
        pass
    return False
