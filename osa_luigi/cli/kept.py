"""While nothing is let go of, nobody need look for garbage: that took a fifth of the time of a command that looks at a large night."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def all_is_kept() -> Iterator[None]:
    """Python does not look for garbage meanwhile, and later not among what was made in here; what nobody refers to goes all the same."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was:
            gc.enable()
