"""One look at SLURM's queue for all engines of a user on a host that ask for the same accounts' jobs.

The first engine that finds the last look too old takes a new one, under a lock; the others read its file. A look that failed is shared
just the same: a slurmctld in trouble is not asked by everybody in turn. The folder must be on a disk of the host itself.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from osa_luigi.batch.slurm.answers import read_queue
from osa_luigi.batch.slurm.seen import Sighting
from osa_luigi.errors import ExecutorError, SlurmAway
from osa_luigi.jsontext import line_of, parsed

VERSION = 3
"""Of the file. An engine with another one takes looks of its own."""

AWAY_S = 5.0
"""For so long a failed look stands for all. Unit: s."""

LOCK_S = 45.0
"""An engine that holds the lock for longer was stopped in its midst; the others go on without it. Unit: s."""

SLEW_S = 1.0
"""The clock of the day is set back by so little now and then; a look from further in the future is none. Unit: s."""

_LOCK_POLL_S = 0.05


class Queue(Protocol):
    """Of a `SlurmClient`, what a snapshot needs."""

    def queue_text(self) -> str:
        """All jobs of the users that it asks for that SLURM has in its memory, for `read_queue`."""
        ...


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What SLURM said.

    Parameters
    ----------
    taken_at
        Before SLURM was asked, on the clock of `SharedSnapshot.get`: a job submitted later need not be in it. Unit: s.
    sightings
        Of all jobs of the users that were asked for.
    """

    taken_at: float
    sightings: tuple[Sighting, ...]


@dataclass(frozen=True, slots=True)
class _Look:
    """A snapshot, or why there is none: in the file a line with the times, then what SLURM said, as it said it."""

    taken_at: float
    uptime: float
    trouble: str
    sightings: tuple[Sighting, ...]

    def is_fresh(self, now: float, uptime: float, max_age_s: float) -> bool:
        # By both clocks: that of the day jumps, and the machine's own is not the caller's.
        return -SLEW_S <= now - self.taken_at <= max_age_s and 0 <= uptime - self.uptime <= max_age_s

    def snapshot(self) -> Snapshot:
        if self.trouble:
            raise SlurmAway(self.trouble)
        return Snapshot(self.taken_at, self.sightings)


class SharedSnapshot:
    """The queue as it was a moment ago.

    Parameters
    ----------
    client
        Asks SLURM if it must be asked.
    folder
        One for each user, cluster, and set of users that are asked for; on a disk of this host; made if it is not there.
    max_age_s
        How old a look may be. Unit: s.
    """

    def __init__(self, client: Queue, folder: Path, max_age_s: float) -> None:
        self._client = client
        self._file = folder / "queue"
        self._lock = folder / "lock"
        self._max_age_s = max_age_s

    def get(self, now: float) -> Snapshot:
        """The last look, or a new one if that is too old.

        Parameters
        ----------
        now
            The time of day. Unit: s since 1970.

        Raises
        ------
        SlurmAway
            SLURM gave no usable answer; perhaps to another engine, a few seconds ago.
        ExecutorError
            The folder is another user's.
        """
        _own(self._lock.parent)
        if look := self._fresh(now):
            return look.snapshot()
        with self._locked() as waited_s:
            _sweep(self._file)
            now += waited_s
            look = self._fresh(now) or self._take(now)
        return look.snapshot()

    def _fresh(self, now: float) -> _Look | None:
        return _read(
            self._file, lambda look: look.is_fresh(now, _uptime(), AWAY_S if look.trouble else self._max_age_s)
        )

    def _take(self, now: float) -> _Look:
        began = _uptime()
        try:
            text = self._client.queue_text()
            look = _Look(now, began, "", tuple(read_queue(text)))
        except SlurmAway as error:
            # Of its end: what was asked for took its time to fail.
            text, look = "", _Look(now + _uptime() - began, _uptime(), str(error), ())
        _write(self._file, look, text.encode())
        return look

    @contextlib.contextmanager
    def _locked(self) -> Iterator[float]:
        try:
            descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:  # of a full disk: each engine asks for itself
            yield 0.0
            return
        try:
            yield _wait_for(descriptor)
        finally:
            os.close(descriptor)


def _wait_for(lock: int) -> float:
    """Take a lock, or go on without it after a while. How long that took; unit: s."""
    began, waited_s = _uptime(), 0.0
    for turn in range(round(LOCK_S / _LOCK_POLL_S)):
        # By the clock: sleeps take longer on a busy host, and a moment told too early would be taken for an old one.
        waited_s = _uptime() - began if turn else 0.0
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            time.sleep(_LOCK_POLL_S)
    return waited_s


def _own(folder: Path) -> None:
    """Make the folder, if that can be done; what others could write there would be believed."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        state = folder.stat()
    except OSError:
        return
    if state.st_uid != os.getuid() or state.st_mode & 0o022:
        raise ExecutorError(
            f"{folder}: other users can write there, and it is to hold what SLURM says. Remove it, or give another folder."
        )


def _read(file: Path, is_fresh: Callable[[_Look], bool]) -> _Look | None:
    """The last look, if it is fresh; `None` for what is not there, torn, of another version, or of before the machine was started."""
    try:
        with file.open("rb") as lines:
            head = parsed(lines.readline())
            if head["version"] != VERSION or head["boot"] != _boot():
                return None
            look = _Look(float(head["taken_at"]), float(head["uptime"]), str(head["trouble"]), ())
            if not is_fresh(look):
                return None  # and its thousands of jobs need not be read
            text = lines.read()
            return replace(look, sightings=tuple(read_queue(text.decode()))) if len(text) == head["bytes"] else None
    except (OSError, ValueError, KeyError, TypeError, OverflowError, SlurmAway):
        return None


def _write(file: Path, look: _Look, text: bytes) -> None:
    head = {
        "version": VERSION,
        "boot": _boot(),
        "taken_at": look.taken_at,
        "uptime": look.uptime,
        "trouble": look.trouble,
        "bytes": len(text),
    }
    draft = file.with_name(f".{file.name}.{os.getpid()}-{secrets.token_hex(4)}")
    try:
        draft.write_bytes(line_of(head) + text)
        draft.replace(file)
    except OSError:  # a full disk must not hide what SLURM said; the others will ask for themselves
        with contextlib.suppress(OSError):
            draft.unlink()


def _sweep(file: Path) -> None:
    """Remove what engines that were killed while they wrote have left."""
    for draft in file.parent.glob(f".{file.name}.*"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - draft.stat().st_mtime > LOCK_S:
                draft.unlink()


def _uptime() -> float:
    """The same clock for all processes of the host; nobody sets it. Unit: s."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
