"""The files of a subrun: one for each stream, written in turn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from protozfits import FlatProtobufZOFits

from osa_luigi.telescope.quiet import native_output_discarded

ROWS_PER_TILE: Final = 20
EVENTS: Final = "Events"


class Streams:
    """Open files, which take events in turn."""

    def __init__(self, files: Sequence[Any]) -> None:
        self._files = files
        self._written = 0

    def write(self, message: Any) -> None:
        """Add an event to the stream whose turn it is."""
        self._files[self._written % len(self._files)].write_message(message)
        self._written += 1


@contextmanager
def open_streams(paths: Sequence[Path], events: int, heads: Mapping[str, Any]) -> Iterator[Streams]:
    """Create the files of a subrun.

    Parameters
    ----------
    events
        How many are to come, of all streams.
    heads
        Name of each table before that of the events → its only row, in this order.
    """
    with ExitStack() as stack:
        with native_output_discarded():
            files = [_create(path, events, heads) for path in paths]
        for file in files:
            stack.callback(_close, file)
        yield Streams(files)


def _create(path: Path, events: int, heads: Mapping[str, Any]) -> Any:
    file = FlatProtobufZOFits(
        n_tiles=max(5, events // ROWS_PER_TILE + 2),
        rows_per_tile=ROWS_PER_TILE,
        compression_block_size_kb=64 * 1024,
        default_compression="zstd1",
    )
    file.open(str(path))
    for table, row in heads.items():
        file.move_to_new_table(table)
        file.write_message(row)
    file.move_to_new_table(EVENTS)
    return file


def _close(file: Any) -> None:
    with native_output_discarded():
        file.close()
