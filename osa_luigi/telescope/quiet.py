"""Keeping libraries quiet: what they say of simulated data helps nobody."""

from __future__ import annotations

import logging
import os
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_LOCK = threading.RLock()


@contextmanager
def native_output_discarded() -> Iterator[None]:
    """Discard what is written to the standard output and error of the process.

    protozfits chats with every table it opens, below Python. The file descriptors belong to the whole process, so
    this must not surround anything that has something to say.
    """
    with _LOCK:
        sys.stdout.flush()
        sys.stderr.flush()
        saved = [os.dup(1), os.dup(2)]
        sink = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(sink, 1)
            os.dup2(sink, 2)
            yield
        finally:
            os.dup2(saved[0], 1)
            os.dup2(saved[1], 2)
            for descriptor in (*saved, sink):
                os.close(descriptor)


@contextmanager
def library_warnings_discarded() -> Iterator[None]:
    """Discard Python warnings, and lstchain's logged ones: each faint shower costs it a dozen lines."""
    lstchain = logging.getLogger("lstchain")
    level = lstchain.level
    lstchain.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        lstchain.setLevel(level)
