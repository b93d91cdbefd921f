"""The folders of a production's job arrays, also of those that were archived."""

from __future__ import annotations

from pathlib import Path

from osa_luigi.products.archive import Archive, archived_runs, archives
from osa_luigi.products.production import Production


def array_names(production: Production) -> set[str]:
    """The arrays that there ever were."""
    loose = {path.name for path in _folder(production).glob("*")}  # before the archives: they go there, and not back
    members = [member.split("/") for held in _archives(production) for member in held if member.startswith("arrays/")]
    return loose | {array for _, array, *_ in members}


def array_file(production: Production, array: str, file: str) -> bytes | None:
    """A file of an array's folder; `None` if there is none."""
    try:
        return (_folder(production) / array / file).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        member = f"arrays/{array}/{file}"
        return next((held.read(member) for held in _archives(production) if member in held), None)


def array_files(production: Production, array: str) -> set[str]:
    """The files of an array's folder, by their places in it."""
    folder = _folder(production) / array
    loose = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    head = f"arrays/{array}/"
    return loose | {member[len(head) :] for held in _archives(production) for member in held if member.startswith(head)}


def _folder(production: Production) -> Path:
    return production.state / "engine" / "arrays"


def _archives(production: Production) -> list[Archive]:
    return [held for run in sorted(archived_runs(production)) for held in archives(production, run)]
