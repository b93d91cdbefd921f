"""Symbolic links to what was published, at names that all productions of a night share: one has them, the others do not touch them."""

from __future__ import annotations

import os
import secrets
from collections.abc import Container
from dataclasses import dataclass, field
from pathlib import Path

SHOWN = 5
"""Links of others that are named."""


@dataclass
class Links:
    """Links that lead to one production.

    Parameters
    ----------
    root
        Of the published tree.
    take
        Also those that lead to another production.
    made
        How many were made or changed.
    """

    root: Path
    take: bool = False
    dry_run: bool = False
    made: int = 0
    notes: list[str] = field(default_factory=list)
    _others: int = 0

    def lead(self, link: Path, target: Path, gone: Container[str] = ()) -> None:
        """Let a link lead to a file or a folder, by a relative path; repeatable.

        Parameters
        ----------
        gone
            Files that are not there any more, or would not be after a dry run.

        Raises
        ------
        OSError
            It cannot be written.
        """
        wanted = os.path.relpath(target, link.parent)
        if not os.path.lexists(link):
            self._make(link, wanted)
        elif not link.is_symlink():
            self._leave(f"{link}: is no symbolic link, and was left as it is")
        elif str(link.readlink()) != wanted:
            # One that leads nowhere is nobody's any more.
            if self.take or not link.exists() or os.path.normpath(link.parent / link.readlink()) in gone:
                self._make(link, wanted)
            else:
                self._leave(f"{link}: leads to {link.readlink()}, and was left so (`osa publish --pro` takes it over)")

    def _make(self, link: Path, wanted: str) -> None:
        self.made += 1
        if self.dry_run:
            return
        link.parent.mkdir(parents=True, exist_ok=True)
        draft = link.with_name(f".{link.name[:180]}.{os.getpid()}-{secrets.token_hex(4)}.link")
        draft.symlink_to(wanted)
        draft.replace(link)

    def _leave(self, note: str) -> None:
        self._others += 1
        if self._others <= SHOWN:
            self.notes.append(note)
        elif self._others == SHOWN + 1:
            self.notes.append("more links of other productions were left")
