"""What the steps that read raw files share: four streams a subrun, folders of links, no truncated file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from osa_luigi.errors import NightError
from osa_luigi.night.names import STREAMS, parse_raw_name, unit_label
from osa_luigi.steps.call import StepCall
from osa_luigi.steps.checks import first_line, refuse

FOLDER = Path("raw")
"""Where a step that reads several subruns finds links to exactly those that were declared."""


def first_stream(paths: Sequence[Path]) -> Path:
    """Stream 1 of the first subrun: what lstchain is given, it finds the others by their names.

    Raises
    ------
    NightError
        It is not among them.
    """
    named = sorted((name.subrun, path) for path in paths if (name := parse_raw_name(path.name)) and name.stream == 1)
    if not named:
        raise NightError(
            f"no raw file of stream 1 among {', '.join(path.name for path in paths) or 'no files'}: "
            "copy it again and observe again"
        )
    return named[0][1]


def links(paths: Iterable[Path], folder: Path = FOLDER) -> Mapping[Path, Path]:
    """Links to these files, so that a tool that looks for neighbours finds these and no others."""
    return {folder / path.name: path for path in paths}


def check_raw(call: StepCall) -> int:
    """Look at a step's raw files before the tool does, from their headers alone.

    lstchain opens streams until one is missing and goes on with those it found, which loses events without a word; a truncated
    file it may notice after minutes of work, or not at all.

    Returns
    -------
    int
        Events that the files declare.

    Raises
    ------
    NightError
        A stream is missing, or a file is missing or truncated.
    """
    from osa_luigi.night.truncation import check_raw_file

    paths = call.paths("raw")
    if not paths:
        raise NightError(
            f"{call.unit}: all its raw files are missing: wait for the transfer, or copy them again, then run again"
        )
    _check_streams(call, paths)
    return sum(check_raw_file(path) for path in paths)


def _check_streams(call: StepCall, paths: Sequence[Path]) -> None:
    found: dict[tuple[int, int], set[int]] = {}
    for path in paths:
        name = parse_raw_name(path.name)
        if name is None:
            raise NightError(f"{path}: is not the name of a raw file: correct the inputs of {call.name}")
        found.setdefault((name.run, name.subrun), set()).add(name.stream)
    for (run, subrun), streams in sorted(found.items()):
        if missing := sorted(set(STREAMS) - streams):
            raise NightError(
                f"{unit_label(run, subrun)}: {'stream' if len(missing) == 1 else 'streams'} "
                f"{', '.join(map(str, missing))} of {len(STREAMS)} missing: "
                "wait for the transfer, or copy them again, then run again"
            )
    if len({path.parent for path in paths}) > 1:
        folders = ", ".join(sorted({str(path.parent) for path in paths}))
        raise NightError(f"{call.name}: the raw files lie in several folders ({folders}): put them into one")


def count_events(path: Path) -> int:
    """Events of a raw file, each of which was read.

    Raises
    ------
    VerificationError
        It cannot be read to its end.
    """
    return sum(1 for _ in _events(path))


def empty_events(paths: Iterable[Path]) -> int:
    """Events with id 0, which the event builder leaves at the end of some runs and lstchain skips.

    Reads the files to their ends, so it is asked only when events are missing.

    Raises
    ------
    VerificationError
        A file cannot be read to its end.
    """
    return sum(1 for path in paths for event in _events(path) if event.event_id == 0)


def _events(path: Path) -> Iterator[Any]:
    from protozfits import File

    try:
        with File(str(path), pure_protobuf=True) as file:
            yield from file.Events
    except Exception as error:  # protozfits raises whatever the damage makes it stumble over
        raise refuse(path, f"cannot be read to its end ({first_line(error)})", "copy or make it again") from error
