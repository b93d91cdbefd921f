"""What a campaign keeps: who runs it, whether it is paused, and a few lines for each night. The nights' own state is in their productions.

    running_analysis/.osa/campaigns/<name>/
      nights/<YYYYMMDD>.jsonl   a line for each start and end of a night's production: only ever appended to, by whoever runs the campaign
      pauses/<NNNN>.json        who paused it, and why; <NNNN>.resumed beside it: it went on
      .osa/engine/              who runs it (the same lease as a night's)

All of it may be deleted while nobody runs the campaign: how nights stand is found again from their productions.
"""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from osa_luigi.batch.lease import Engine, engine, release_lease, take_lease
from osa_luigi.config import MainConfig
from osa_luigi.errors import ExecutorError
from osa_luigi.night.dates import compact
from osa_luigi.process import host
from osa_luigi.products.commit import link_exclusively
from osa_luigi.products.production import Production, sync_folder, write_durably

RESUMED = ".resumed"
MOST_TRIES = 100


@dataclass(frozen=True, slots=True)
class Note:
    """What became of a night's production, as the campaign saw it.

    Parameters
    ----------
    state
        A `osa_luigi.tasks.morning.look.State`.
    settings
        Stands for the settings that it was looked at with.
    summary
        Of a closed one, what its ``NightFinished.json`` says: products, megabytes, CPU seconds, verdict.
    """

    when: str
    production: str
    state: str
    why: str = ""
    settings: str = ""
    code: int | None = None
    minutes: float | None = None
    log: str = ""
    summary: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pause:
    """Who paused a campaign; with `now`, nights at work are stopped, too."""

    number: int
    user: str
    host: str
    when: str
    reason: str
    now: bool

    def __str__(self) -> str:
        why = f": {self.reason}" if self.reason else ""
        return f"paused by {self.user} on {self.host} at {self.when[:16].replace('T', ' ')} UTC{why}"


class CampaignFolder:
    """Where a campaign keeps what it must remember.

    Parameters
    ----------
    name
        The campaign's.
    """

    def __init__(self, main: MainConfig, name: str) -> None:
        self.root = main.site.paths.running_analysis / ".osa" / "campaigns" / name
        self._place = Production(self.root)
        self._pauses = self.root / "pauses"

    def take_lease(self) -> None:
        """Become the one process that runs the campaign.

        Raises
        ------
        ExecutorError
            Another one does, or the folder cannot be written.
        """
        try:
            take_lease(self._place)
        except OSError as error:
            raise ExecutorError(
                f"{error.filename or self.root}: {error.strerror}: a campaign must be able to write there "
                "(site.paths.running_analysis)."
            ) from error

    def release_lease(self) -> None:
        """Let the next one run it."""
        release_lease(self._place)

    def runner(self) -> Engine | None:
        """Who runs it; None if nobody does."""
        found = engine(self._place)
        return found if found and found.alive is not False else None

    def note(self, day: date, note: Note) -> None:
        """Append a line about a night, on the disk before this returns. Only for the holder of the lease."""
        path = self._night(day)
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({name: value for name, value in asdict(note).items() if value not in (None, "", {})}) + "\n"
        new = not path.exists()
        with path.open("a+b") as file:
            size = file.seek(0, os.SEEK_END)
            if size:
                file.seek(size - 1)
                text = text if file.read(1) == b"\n" else f"\n{text}"  # after a line that a crash cut short
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        if new:
            sync_folder(path.parent)

    def notes(self, day: date) -> dict[str, Note]:
        """Production id → the last line about it; lines that cannot be read are passed over."""
        found = {}
        for note in self.history(day):
            found[note.production] = note
        return found

    def history(self, day: date) -> Iterator[Note]:
        """All lines about a night, the oldest first."""
        try:
            lines = self._night(day).read_text(errors="replace").splitlines()
        except FileNotFoundError:
            return
        for line in lines:
            with contextlib.suppress(ValueError, TypeError):
                yield Note(**json.loads(line))

    def pause(self, reason: str, *, now: bool) -> Pause:
        """Have no more nights started; on the disk before this returns.

        Raises
        ------
        OSError
            It cannot be written: nothing was paused.
        """
        self._pauses.mkdir(parents=True, exist_ok=True)
        when = datetime.now(UTC).isoformat(timespec="seconds")
        said = {"user": _user(), "host": host(), "when": when, "reason": " ".join(reason.split()), "now": now}
        draft = self._pauses / f".{host()}-{os.getpid()}-{secrets.token_hex(3)}"
        write_durably(draft, json.dumps(said) + "\n")
        try:
            for _ in range(MOST_TRIES):
                number = max(self._numbers(), default=0) + 1
                if link_exclusively(draft, self._pauses / f"{number:04d}.json"):
                    return Pause(number=number, **said)  # type: ignore[arg-type]
        finally:
            draft.unlink()
        raise ExecutorError(f"{self._pauses}: others pause it again and again; try again.")

    def paused(self) -> Pause | None:
        """The pause that holds; None if none does."""
        number = max(self._numbers(), default=0)
        if not number or self._resumed(number).exists():
            return None
        path = self._pauses / f"{number:04d}.json"
        try:
            return Pause(number=number, **json.loads(path.read_text()))
        except (OSError, ValueError, TypeError):
            return Pause(number, "somebody", "an unknown machine", "", f"{path} cannot be read", now=False)

    def resume(self) -> bool:
        """Take a pause back; whether there was one."""
        pause = self.paused()
        if pause:
            self._resumed(pause.number).touch()
        return pause is not None

    def _resumed(self, number: int) -> Path:
        return self._pauses / f"{number:04d}{RESUMED}"

    def _numbers(self) -> list[int]:
        try:
            names = [Path(name) for name in os.listdir(self._pauses)]
        except FileNotFoundError:
            return []
        return [int(name.stem) for name in names if name.suffix == ".json" and name.stem.isdecimal()]

    def _night(self, day: date) -> Path:
        return self.root / "nights" / f"{compact(day)}.jsonl"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # in a container the user may have no name
        return str(os.getuid())
