"""Move a damaged product out of the way, so that it is made again; nothing is deleted.

A product counts as there by its size. One of the right size and with other bytes would stay for ever; moved aside it is lost, and
what is lost is made again as the next generation.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from osa_luigi.products.integrity import Fault, Finding, file_state
from osa_luigi.products.production import sync_folder, write_durably

FOLDER = "aside"
WHY = "why.json"
MOVED = frozenset({Fault.SIZE, Fault.BYTES})
"""What is moved: a file that is there, and was read. What cannot be read may be a matter of rights, or of a disk that is away."""


def set_aside(finding: Finding) -> Path | None:
    """Move the file of a finding into ``.osa/aside/``, with a note of what was wrong.

    Returns
    -------
    Path
        Where it lies now; `None` if it is not to be moved, or is another file by now than the one that was read.

    Raises
    ------
    OSError
        It cannot be moved.
    """
    if finding.fault not in MOVED or finding.made is None:
        return None
    now = datetime.now(UTC)
    folder = finding.production.state / FOLDER / f"{finding.name}.{finding.generation}.{now:%Y%m%dT%H%M%S%f}"
    note = {
        "path": str(finding.path),
        "what": finding.what,
        "receipt": finding.receipt,
        "sha256": finding.made.sha256,
        "size": finding.made.size,
        "when": now.isoformat(timespec="seconds"),
    }
    # The note goes first: a file that lies there without one would be a riddle.
    write_durably(folder / WHY, json.dumps(note, indent=1) + "\n")
    try:
        if file_state(finding.path) != finding.state:
            raise FileNotFoundError
        finding.path.rename(folder / finding.path.name)
    except FileNotFoundError:
        (folder / WHY).unlink()
        folder.rmdir()
        return None
    sync_folder(finding.path.parent)
    return folder / finding.path.name
