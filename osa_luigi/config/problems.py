"""Where in which file, and a basket for everything found wrong, so that it can be said all at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from osa_luigi.errors import ConfigurationError

Key = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a file; line and column count from 1, and 0 means the file as a whole."""

    file: Path
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else str(self.file)

    @property
    def short(self) -> str:
        """``file:line``, without the column."""
        return f"{self.file}:{self.line}" if self.line else str(self.file)


@dataclass(slots=True)
class Problems:
    """Everything found wrong so far; each is reported once."""

    _found: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    _files: list[Path] = field(default_factory=list)
    _notes: dict[str, str] = field(default_factory=dict)

    def add(self, position: Position, key: str, text: str, note: str = "") -> None:
        """Note a problem; `key` is dotted, or empty when it concerns the file.

        `note` is said behind it, unless the same problem is there without one.
        """
        if position.file not in self._files:
            self._files.append(position.file)
        line = ": ".join(part for part in (str(position), key, text) if part)
        self._annotate(line, note)
        self._found.setdefault(line, (self._files.index(position.file), position.line, position.column))

    def _annotate(self, line: str, note: str) -> None:
        self._notes[line] = note and self._notes.get(line, note)

    def absorb(self, others: Problems) -> None:
        """Take over what another basket holds."""
        for line, (file, row, column) in others._found.items():
            path = others._files[file]
            if path not in self._files:
                self._files.append(path)
            self._annotate(line, others._notes[line])
            self._found.setdefault(line, (self._files.index(path), row, column))

    def __len__(self) -> int:
        return len(self._found)

    def lines(self) -> list[str]:
        """All problems: file by file in the order of reading, from top to bottom."""
        return [f"{line}{self._notes[line]}" for line in sorted(self._found, key=lambda line: self._found[line])]

    def raise_if_any(self) -> None:
        """Raise one ConfigurationError with all problems, if there are any."""
        if self._found:
            raise ConfigurationError(self.lines())


def dotted(key: Iterable[str | int]) -> str:
    """``("fake", "fail", 1)`` as ``fake.fail[1]``."""
    text = ""
    for part in key:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def suggestion(word: str, known: Iterable[str]) -> str:
    """``(did you mean 'x'?)``, or the list of what is known there."""
    words = [str(item) for item in known]
    close = difflib.get_close_matches(word, words, n=1, cutoff=0.6)
    if close:
        return f"(did you mean '{close[0]}'?)"
    return f"(known here: {', '.join(words)})" if words else "(nothing is known here)"
