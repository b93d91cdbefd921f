"""What the operator reads while SLURM does not answer, or a disk does not do what it is to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

ACCOUNTING = "SLURM's accounting"
DISK = "The disk"
HANDING_IN = "Handing in"


@dataclass(frozen=True, slots=True)
class Silence:
    """SLURM does not answer, or a disk does not do what it is to.

    Parameters
    ----------
    since
        When the first question was asked that it did not answer.
    text
        What became of that.
    who
        Its accounting may be silent while SLURM answers.
    """

    since: float
    text: str
    who: str = "SLURM"


_WORDS = {DISK: ("cannot be used", "can be used", "tried"), HANDING_IN: ("has to wait", "goes on", "tried")}
_OF_SLURM = ("has not answered", "answers", "asked")
"""How it ails, how it is well, and what is done about it."""

AGAIN_S = 600.0
"""So often a silence that goes on is told of. Unit: s."""


class News:
    """Says once when a silence begins, now and then while it lasts, and once when it is over.

    Parameters
    ----------
    poll_s
        How often SLURM is asked. Unit: s.
    """

    def __init__(self, poll_s: float) -> None:
        self._poll_s = poll_s
        self._told: Silence | None = None
        self._told_at = 0.0

    def of(self, silence: Silence | None, now: float) -> str:
        """A line, if there is something to say.

        Parameters
        ----------
        now
            On the engine's clock. Unit: s.
        """
        before, self._told = self._told, silence
        if silence is None:
            return f"{before.who} {_words(before)[1]} again, after {_lasting(now - before.since)}." if before else ""
        if before == silence and now - self._told_at < AGAIN_S:
            return ""
        self._told_at = now
        ails, _, done = _words(silence)
        since = datetime.now().astimezone() - timedelta(seconds=now - silence.since)
        return (
            f"{silence.who} {ails} since {since:%H:%M:%S} ({_lasting(now - silence.since)}): {silence.text} "
            "What SLURM has goes on; nothing is taken for failed, and nothing is submitted twice. "
            f"It is {done} every {self._poll_s:g} s."
        )


def _words(silence: Silence) -> tuple[str, str, str]:
    return _WORDS.get(silence.who, _OF_SLURM)


def _lasting(seconds: float) -> str:
    """``5 s``, ``3 min``, ``2 h 5 min``."""
    minutes = round(seconds / 60)
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"
