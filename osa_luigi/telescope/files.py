"""Files that are there whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def temporary_name(path: Path) -> Path:
    """Where a file is written before it gets its name: hidden, beside it, with the same suffixes."""
    return path.with_name(f".writing.{path.name}")


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Hand out a temporary name, and give the file its own when the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_name(path)
    temporary.unlink(missing_ok=True)
    yield temporary
    temporary.replace(path)
