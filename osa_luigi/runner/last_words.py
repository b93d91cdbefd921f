"""What a dead tool's log says of the reason, in a line for people."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

COLOURS = re.compile(r"\x1b\[[0-9;]*m")
TROUBLE = re.compile(r"\b(CRITICAL|ERROR|\w*Error|\w*Exception)\b")
"""What a line says that tells why a tool failed; the tools of the field often end with a cheerful one all the same."""
CTAPIPE_HEAD = re.compile(r"^[\d-]+ [\d:,]+ (CRITICAL|ERROR) \[[^]]*\] (\([^)]*\): )?")
EPILOGUE = "Caught SystemExit with exit code 1"
"""What every ctapipe tool says last when it failed."""

READ_BYTES = 4096
MOST_LETTERS = 300


def last_words(log: Path) -> str:
    """The last line that tells of trouble, or else the last one; empty where there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - READ_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    said = [line for raw in lines[_heading(lines) :] if (line := COLOURS.sub("", raw).strip())]
    troubled = [line for line in said if TROUBLE.search(line) and not line.endswith(EPILOGUE)]
    last = (troubled or said or [""])[-1:]
    # lstchain says in several lines that there are no events in the file, then how many it had found.
    logged = [line for line in troubled[-3:] if CTAPIPE_HEAD.match(line)]
    return " / ".join(CTAPIPE_HEAD.sub("", line) for line in (logged if last[0] in logged else last))[:MOST_LETTERS]


def _heading(lines: Sequence[str]) -> int:
    """How many lines at a log's beginning are ours: who dies without a word has not said the command that was typed for it."""
    ours = bool(lines) and lines[0].startswith("# ")
    return lines.index("") if ours and "" in lines else 0
