"""Keep a user's code to its own folder: the kernel refuses this process, and all that it starts, to write anywhere else.

By Landlock (Linux 5.13, https://docs.kernel.org/userspace-api/landlock.html), which needs no rights. Reading is not restricted.
"""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Iterable
from pathlib import Path

_CREATE, _ADD, _RESTRICT = 444, 445, 446
"""Numbers of the system calls, the same on all architectures."""
_VERSION, _BENEATH = 1, 1
_NO_NEW_PRIVILEGES = 38

_FILE = 1 << 1
"""Writing to a file that is there."""
_FOLDER = sum(1 << bit for bit in range(4, 13))
"""Removing and making files, folders, links, sockets, devices."""
_REFER, _TRUNCATE = 1 << 13, 1 << 14
"""Known from versions 2 and 3 of the interface on."""


class _Rules(ctypes.Structure):
    _fields_ = (("handled", ctypes.c_uint64),)


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("folder", ctypes.c_int32))


def confine(writable: Iterable[Path]) -> bool:
    """From now on nothing can be written but below these folders.

    Returns
    -------
    bool
        False where the kernel has no such thing: then nothing is restricted.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(_CREATE, None, ctypes.c_size_t(0), _VERSION)
    if version < 1:
        return False
    on_files = _FILE | (_TRUNCATE if version >= 3 else 0)
    everything = on_files | _FOLDER | (_REFER if version >= 2 else 0)
    rules = _Rules(everything)
    ruleset = libc.syscall(_CREATE, ctypes.byref(rules), ctypes.c_size_t(ctypes.sizeof(rules)), 0)
    if ruleset < 0:
        return False
    try:
        for path in writable:
            _allow(libc, ruleset, path, everything, on_files)
        if libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0):
            return False
        return bool(libc.syscall(_RESTRICT, ruleset, 0) == 0)
    finally:
        os.close(ruleset)


def _allow(libc: ctypes.CDLL, ruleset: int, path: Path, everything: int, on_files: int) -> None:
    try:
        folder = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # what is not there need not be written to
    try:
        is_folder = stat.S_ISDIR(os.fstat(folder).st_mode)
        rule = _Beneath(everything if is_folder else on_files, folder)
        libc.syscall(_ADD, ruleset, _BENEATH, ctypes.byref(rule), 0)
    finally:
        os.close(folder)
