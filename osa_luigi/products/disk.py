"""Whether a disk is full: what a tool says of it is rarely understandable."""

from __future__ import annotations

import os
from pathlib import Path

LEAST_MB = 20
LEAST_INODES = 20


def disk_trouble(folder: Path) -> str:
    """What is wrong with the file system that holds a folder, if it is (nearly) full; else empty."""
    while not folder.exists():
        folder = folder.parent
    state = os.statvfs(folder)
    free_mb = state.f_bavail * state.f_frsize / 2**20
    if free_mb < LEAST_MB:
        return f"The disk that holds {folder} is full ({free_mb:.0f} MB free): make room, then run again."
    if state.f_files and state.f_favail < LEAST_INODES:
        return f"The disk that holds {folder} has no inodes left ({state.f_favail}): remove files, then run again."
    return ""
