"""Files that something else made, and who says that they are what a step would have made."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Adopted:
    """Files to take over.

    Parameters
    ----------
    files
        Role → file, wherever it lies. It stays as it is.
    user, reason
        Who says that they were made with the settings of the production, and why.
    """

    files: Mapping[str, Path]
    user: str
    reason: str

    def said(self) -> dict[str, Any]:
        """For the receipt."""
        return {
            "files": {role: str(path) for role, path in self.files.items()},
            "user": self.user,
            "reason": self.reason,
            "assumed": "settings and software of this receipt are those of the production; nobody saw how the files were made",
        }

    def lay(self, places: Mapping[str, Path]) -> None:
        """Put the files to the places where a tool would have left them.

        By hard link where nobody may write to the file; products are read-only, and to make others' files so would change them. Else by
        copy.

        Raises
        ------
        OSError
            A file cannot be read, or the disk is full.
        """
        for role, path in self.files.items():
            places[role].parent.mkdir(parents=True, exist_ok=True)
            try:
                if path.stat().st_mode & 0o222:
                    raise PermissionError
                places[role].hardlink_to(path)
            except OSError:
                shutil.copyfile(path, places[role])
