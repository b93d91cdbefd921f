"""The identity of inputs that were made elsewhere: files without a receipt, such as trained models."""

from __future__ import annotations

import hashlib
from pathlib import Path

from osa_luigi.errors import NightError

BLOCK = 64 * 1024
"""Bytes hashed at either end of a file: a model has gigabytes, and its step key is asked for often."""


def foreign_identity(path: Path) -> dict[str, object]:
    """What a step key takes of a file, or of a folder with all files in it.

    A file: its name, its size in bytes and the ``sha256`` of its first and last 64 KiB. A folder: its name
    and this of every file in it, under its relative path, sorted. Neither depends on where they lie or on
    their time stamps.

    Raises
    ------
    NightError
        It is missing, unreadable, or an empty folder.
    """
    try:
        if path.is_dir():
            return _folder(path)
        return {"name": path.name, **_content(path)}
    except OSError as error:
        raise NightError(
            f"{error.filename or path}: cannot read this input ({error.strerror or error}): "
            "correct its path in the configuration, or restore it"
        ) from error


def _folder(path: Path) -> dict[str, object]:
    files = sorted(file for file in path.rglob("*") if file.is_file())
    if not files:
        raise NightError(f"{path}: holds no files: correct its path in the configuration, or restore it")
    return {
        "name": path.name,
        "files": [{"name": file.relative_to(path).as_posix(), **_content(file)} for file in files],
    }


def _content(path: Path) -> dict[str, object]:
    with path.open("rb") as stream:
        digest = hashlib.sha256(stream.read(BLOCK))
        size = stream.seek(0, 2)
        stream.seek(max(size - BLOCK, 0))
        digest.update(stream.read(BLOCK))
    return {"size": size, "sha256": digest.hexdigest()}
