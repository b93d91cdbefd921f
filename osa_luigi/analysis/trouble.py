"""An exception of a user's code, as a sentence: what, and at which line of which file."""

from __future__ import annotations

import sysconfig
import traceback
from pathlib import Path

_OURS = Path(__file__).parents[1]
_LIBRARIES = tuple(Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib"))


def in_words(name: str, error: BaseException) -> str:
    """``Trend: KeyError: 'intensity' (trend.py, line 12, in run)``: the last line that the user wrote."""
    if isinstance(error, SyntaxError):
        return f"{name}: {type(error).__name__}: {error.msg} ({error.filename}, line {error.lineno})"
    said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if _is_users(frame.filename)] or list(frames)
    if not own:
        return f"{name}: {said}"
    return f"{name}: {said} ({own[-1].filename}, line {own[-1].lineno}, in {own[-1].name})"


def _is_users(filename: str) -> bool:
    path = Path(filename)
    if path.is_relative_to(_OURS):
        return path.is_relative_to(_OURS / "analysis" / "examples")
    return path.is_absolute() and not any(path.is_relative_to(folder) for folder in _LIBRARIES)
