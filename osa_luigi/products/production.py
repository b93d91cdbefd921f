"""A production: the folder of one night's products under one production id, and what the engine keeps beside them.

    <root>/                  the products, named as the site knows them (names.py)
    <root>/.osa/receipts/    one file for each committed step: the truth about what was made
    <root>/.osa/attempts/    one exit record for each attempt, success or failure
    <root>/.osa/logs/        what each attempt printed
    <root>/.osa/archives/    all that of a run that is whole, in one file (archive.py)
    <root>/.osa/scratch/     working folders of live attempts, on the products' own file system
    <root>/.osa/configs/     resolved lstchain configurations, by content
    <root>/.osa/engine/      who is working on it (leases)
    <root>/.osa/decisions/   what was decided about it, and why
    <root>/.osa/published/   what was put where in the site's tree (published.py)

Receipts, attempts and logs of a run and its subruns share one folder, and later its archive. They are read by paperwork.py alone.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from osa_luigi.products.identity import digest, plain


@dataclass(frozen=True, slots=True)
class Production:
    """Where a production lies.

    Parameters
    ----------
    root
        Absolute path: ``running_analysis/<YYYYMMDD>/<production id>``.
    """

    root: Path

    @property
    def id(self) -> str:
        """The production id, the folder's own name."""
        return self.root.name

    @property
    def state(self) -> Path:
        """The engine's own folder."""
        return self.root / ".osa"

    @property
    def scratch(self) -> Path:
        """Working folders of attempts: on the same file system as the products, so that a move is a rename."""
        return self.state / "scratch"

    def receipts(self, unit: str) -> Path:
        """The folder of a unit's receipts."""
        return self.state / "receipts" / _folder(unit)

    def attempts(self, unit: str) -> Path:
        """The folder of a unit's exit records."""
        return self.state / "attempts" / _folder(unit)

    def logs(self, unit: str) -> Path:
        """The folder of a unit's logs."""
        return self.state / "logs" / _folder(unit)

    @property
    def archives(self) -> Path:
        """The folder of the runs' archives."""
        return self.state / "archives"

    def config(self, content: Mapping[str, Any]) -> Path:
        """Where a resolved lstchain configuration lies; its name is its content's hash."""
        return self.state / "configs" / f"{digest(content)[:16]}.json"

    def write_config(self, content: Mapping[str, Any]) -> Path:
        """Write a resolved lstchain configuration once; the same content is the same file. One that was damaged since is written again."""
        path = self.config(content)
        if not self.is_config(path):
            write_durably(path, json.dumps(plain(content), indent=1) + "\n")
        return path

    @staticmethod
    def is_config(path: Path) -> bool:
        """Whether a file is there and holds the content that it is named after."""
        try:
            return digest(json.loads(path.read_bytes()))[:16] == path.stem
        except (OSError, ValueError, RecursionError):
            return False

    def siblings(self) -> list[Production]:
        """The other productions of the same night."""
        try:
            entries = sorted(entry.path for entry in os.scandir(self.root.parent) if entry.is_dir())
        except FileNotFoundError:
            return []
        return [Production(Path(path)) for path in entries if Path(path) != self.root]


def write_durably(path: Path, text: str | Iterable[bytes]) -> None:
    """Write a file whole or not at all: under another name, to the disk, then renamed. What is long may come in parts, encoded."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not by process id alone: two nodes may write the same file at once, each with the same number.
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
    try:
        with temporary.open("wb") as file:
            # A path that is no text stays the path that it is.
            file.writelines([text.encode(errors="surrogateescape")] if isinstance(text, str) else text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Bring a folder's entries to the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _folder(unit: str) -> str:
    return unit.partition(".")[0]
