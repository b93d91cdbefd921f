"""What a class declares that it leaves, checked: role → name of the file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from osa_luigi.errors import StepError

SINGLE, SEVERAL = ("summary", "calibration"), ("plots", "files")


def declared_outputs(said: Any, name: str) -> dict[str, str]:
    """The outputs by role: ``summary``, ``calibration``, ``plot:rate.png``, ``file:more.csv``.

    Raises
    ------
    StepError
        What `output()` returned is not of this form; all that is wrong, in one message.
    """
    if not isinstance(said, Mapping):
        raise _refuse(name, [f"returned a {type(said).__name__}, not a dictionary"])
    troubles = [
        f"has an unknown key {key!r} (known: {', '.join((*SINGLE, *SEVERAL))})"
        for key in said
        if key not in (*SINGLE, *SEVERAL)
    ]
    found: dict[str, str] = {}
    for role, file in _entries(said, troubles):
        if trouble := _trouble(file):
            troubles.append(f"names {file!r}, which {trouble}")
        elif file in found.values():
            troubles.append(f"names {file!r} twice")
        else:
            found[role] = file
    if not (found or troubles):
        troubles.append("names no file")
    if "calibration" in found and not found["calibration"].endswith(".json"):
        troubles.append(f"names {found['calibration']!r} as calibration, which must be a JSON file")
    if troubles:
        raise _refuse(name, troubles)
    return found


def _refuse(name: str, troubles: list[str]) -> StepError:
    return StepError(f"{name}.output() {'; '.join(troubles)}")


def _entries(said: Mapping[str, Any], troubles: list[str]) -> Iterator[tuple[str, Any]]:
    for role in SINGLE:
        if said.get(role) is not None:
            yield role, said[role]
    for role in SEVERAL:
        files = said.get(role) or ()
        if isinstance(files, str) or not isinstance(files, list | tuple):
            troubles.append(f"has {role} that are no list")
            continue
        yield from ((f"{role[:-1]}:{file}", file) for file in files)


def _trouble(file: Any) -> str:
    if not isinstance(file, str) or not file or not file.isprintable():
        return "is no name of a file"
    path = PurePosixPath(file)
    if path.is_absolute() or ".." in path.parts:
        return "is not relative to the output folder"
    if any(part.startswith(".") for part in path.parts) or str(path) != file:
        return "is hidden, or not written plainly"
    return ""
