"""What this machine gives to the engine: a batch job or a container may have less than all of its memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

SHARE = 0.8
"""Of the memory there is, what jobs may plan with unless told."""

CGROUPS = Path("/sys/fs/cgroup")


def memory_share_mb() -> int:
    """Memory that jobs may use together where the configuration does not say, MB."""
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    own = Path("/proc/self/cgroup").read_text()
    return int(min([machine, *cgroup_limits(own, CGROUPS)]) * SHARE / 2**20)


def cgroup_limits(own: str, root: Path) -> Iterator[int]:
    """The limits of a process's memory cgroup and of all around it, bytes.

    Parameters
    ----------
    own
        ``/proc/<pid>/cgroup``: a line ``number:controllers:path`` for each hierarchy. Version 2 has no controllers there, version 1 has
        a hierarchy for ``memory``.
    root
        Where the hierarchies are mounted.
    """
    for line in own.splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        top, name = (root / "memory", "memory.limit_in_bytes") if controllers else (root, "memory.max")
        inside = top / path.lstrip("/")
        yield from _limits(folder / name for folder in (inside, *inside.parents) if folder.is_relative_to(top))


def _limits(files: Iterator[Path]) -> Iterator[int]:
    """What the files say that are there, and say a number (not ``max``)."""
    for file in files:
        try:
            yield int(file.read_text())
        except (OSError, ValueError):
            continue
