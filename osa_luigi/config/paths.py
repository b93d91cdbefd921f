"""Paths in configuration files: environment variables, the folder they are relative to, what must exist."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^${}]*))?\}")


LONGEST_PATH = 4095
LONGEST_NAME = 255
"""Bytes that Linux takes."""


class PathError(ValueError):
    """A path cannot be understood."""


def expand(text: str, environment: Mapping[str, str] | None = None) -> str:
    """Replace ``${NAME}`` and ``${NAME:-default}``; the default also stands in for an empty variable.

    Raises
    ------
    PathError
        A variable without default is not set, or the text is malformed.
    """
    variables = os.environ if environment is None else environment

    def value(match: re.Match[str]) -> str:
        found = variables.get(match[1], "") or match[2]
        if not found:
            raise PathError(f"the environment variable {match[1]} is not set (${{{match[1]}:-default}} gives one)")
        return found

    rest = _VARIABLE.sub("", text)
    if "$" in rest:
        raise PathError(f"{text!r} cannot be expanded (write ${{NAME}} or ${{NAME:-default}})")
    if text.startswith("~"):
        raise PathError("~ is not expanded (write ${HOME})")
    return _VARIABLE.sub(value, text)


def variables(*settings: object) -> dict[str, str]:
    """The variables that texts of these settings, nested or not, take from the environment: another process needs them to read the same."""
    found: dict[str, str] = {}
    for one in settings:
        if isinstance(one, str):
            found |= {name: os.environ[name] for name, _ in _VARIABLE.findall(one) if os.environ.get(name)}
        elif isinstance(one, Mapping):
            found |= variables(*one.values())
        elif isinstance(one, list | tuple):
            found |= variables(*one)
    return found


def located(text: str, folder: Path) -> Path:
    """The path a text means, relative to `folder`, tidied up (``a/../b`` is ``b``).

    Raises
    ------
    PathError
        As `expand`; or no file system takes such a name.
    """
    path = os.path.normpath(folder / expand(text))
    try:
        encoded = os.fsencode(path)
    except UnicodeEncodeError:
        raise PathError(f"{text!r} is not a usable path") from None
    if "\0" in path:
        raise PathError(f"{text!r} is not a usable path")
    if len(encoded) > LONGEST_PATH or max(map(len, encoded.split(b"/"))) > LONGEST_NAME:
        raise PathError(f"{text[:40]!r}… is too long for a path")
    return Path(path)


def not_a_file(path: Path) -> str | None:
    """What is wrong with a file that must exist and be readable; None if nothing is."""
    if not os.path.isfile(path):  # noqa: PTH113 (Path.is_file raises where a folder may not be searched)
        folder = nearest_existing(path.parent)
        hidden = os.path.isdir(folder) and not os.access(folder, os.X_OK)  # noqa: PTH112
        return f"{path} cannot be seen: {folder} may not be searched" if hidden else f"no such file: {path}"
    return None if os.access(path, os.R_OK) else f"may not be read: {path}"


def nearest_existing(path: Path) -> Path:
    """The path itself if it exists, else its nearest parent that does."""
    while not os.path.lexists(path) and path != path.parent:
        path = path.parent
    return path


def not_a_folder(path: Path) -> str | None:
    """What is wrong with a folder that must exist and be readable; None if nothing is."""
    if not os.path.lexists(path):
        return f"no such folder: {path}"
    if not os.path.isdir(path):  # noqa: PTH112 (Path.is_dir raises for some names)
        return f"is not a folder: {path}"
    if not os.access(path, os.R_OK | os.X_OK):
        return f"may not be read: {path}"
    return None


def not_writable(path: Path) -> str | None:
    """What is wrong with a folder that will be written to, and made if need be; None if nothing is."""
    found = nearest_existing(path)
    if not os.path.isdir(found):  # noqa: PTH112
        return f"{path} cannot be made: {found} is not a folder"
    if os.access(found, os.W_OK | os.X_OK):
        return None
    return f"{path} cannot be written: {found} is not writable" if found != path else f"is not writable: {path}"
