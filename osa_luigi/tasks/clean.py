"""What may go after a while: working folders of dead attempts, old logs, damaged products that were put aside, abandoned productions.

Receipts, exit records, archives and decisions never go, nor products of a night that was closed. It is done as the one engine of a
production, so never beside another.
"""

from __future__ import annotations

import os
import shutil
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from osa_luigi.batch.lease import engine, release_lease, take_lease
from osa_luigi.config import Retention
from osa_luigi.errors import OsaError
from osa_luigi.ledger.places import productions
from osa_luigi.products.aside import FOLDER as ASIDE
from osa_luigi.products.paperwork import LOGS
from osa_luigi.products.production import Production
from osa_luigi.products.published import publications
from osa_luigi.products.receipt import ReceiptBook, current_receipt
from osa_luigi.products.scratch import scratches
from osa_luigi.runner.leg import awaited
from osa_luigi.steps.making import NIGHT

DAY_S = 86_400.0
REMOVED = ".osa.removed"
"""What ``.osa`` is called in a production that is being removed: from then on it is none, and whoever cleans next goes on with it."""


@dataclass(frozen=True, slots=True)
class Item:
    """Something that may go.

    Parameters
    ----------
    kind
        ``scratch``, ``log``, ``aside`` or ``production``.
    bytes
        That are free once it is gone: files that lie elsewhere, too, count nothing.
    days
        Since it was last touched.
    """

    kind: str
    production: Production
    path: Path
    bytes: int
    days: float


def removable(production: Production, retention: Retention, now: float | None = None) -> Iterator[Item]:
    """What of a production's own paperwork may go.

    Parameters
    ----------
    now
        Seconds since 1970; default: this moment.
    """
    now = time.time() if now is None else now
    yield from _scratch(production, retention.scratch_days, now)
    yield from _of_age("log", production, _logs(production), retention.logs_days, now)
    yield from _of_age("aside", production, _listed(production.state / ASIDE), retention.aside_days, now)


def abandoned(running_analysis: Path, production: Production, days: int, now: float | None = None) -> Item | None:
    """The production itself, if it was never closed nor published, and not touched for so long.

    One that an engine works on is not abandoned, nor one whose calibration another night was made with.
    """
    now = time.time() if now is None else now
    if not (production.root / REMOVED).is_dir():
        working = engine(production)
        if working is not None and working.alive is not False:
            return None
        if current_receipt(production, "close", NIGHT) or publications(production):
            return None
    age = (now - _last_touched(production.root)) / DAY_S
    if age < days or _lends_calibration(running_analysis, production):
        return None
    return Item("production", production, production.root, _freed(production.root), age)


def left_half_removed(running_analysis: Path, night: str = "") -> list[Production]:
    """Productions whose removal was killed."""
    found = running_analysis.glob(f"{night or '*'}/*/{REMOVED}")
    return [Production(path.parent) for path in sorted(found)]


def remove(production: Production, items: Iterable[Item]) -> tuple[list[Item], list[str]]:
    """Remove what was found of one production, as its only engine.

    Returns
    -------
    tuple
        What went, and in words what did not.
    """
    whole = (production.root / REMOVED).is_dir()
    if not whole:
        try:
            take_lease(production)
        except (OsaError, OSError) as error:
            return [], [str(error)]
    gone, troubles = [], []
    try:
        for item in items:
            try:
                _remove(item)
                gone.append(item)
            except OSError as error:
                troubles.append(
                    f"{error.filename or item.path}: {error.strerror or error}. Put this right, then clean again."
                )
    finally:
        if production.state.is_dir():
            release_lease(production)
    return gone, troubles


def _remove(item: Item) -> None:
    if item.kind == "log":
        item.path.unlink(missing_ok=True)
    elif item.kind == "production":
        if item.production.state.is_dir():
            item.production.state.rename(item.path / REMOVED)
        # The mark goes last: what a kill leaves is known by it.
        for entry in [one for one in _listed(item.path) if one.name != REMOVED]:
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
        shutil.rmtree(item.path)
    else:
        shutil.rmtree(item.path)


def _scratch(production: Production, days: int, now: float) -> Iterator[Item]:
    for scratch in scratches(production):
        alive = scratch.alive()
        age = (now - scratch.last_sign()) / DAY_S
        if alive or (alive is None and age < days) or awaited(production, scratch.name, scratch.folder):
            continue
        yield Item("scratch", production, scratch.folder, _freed(scratch.folder), age)


def _logs(production: Production) -> Iterator[Path]:
    working = {path.name for path in _listed(production.scratch)}
    for folder in _listed(production.state / LOGS):
        yield from (path for path in _listed(folder) if path.name.removesuffix(".log") not in working)


def _of_age(kind: str, production: Production, paths: Iterable[Path], days: int, now: float) -> Iterator[Item]:
    for path in paths:
        with suppress(FileNotFoundError):
            age = (now - path.lstat().st_mtime) / DAY_S
            if age >= days:
                yield Item(kind, production, path, _freed(path), age)


def _last_touched(root: Path) -> float:
    """When anything was last made or removed in a folder or below: folders tell."""
    times = [0.0]
    for folder, _, _ in os.walk(root):
        with suppress(FileNotFoundError):
            times.append(Path(folder).stat().st_mtime)
    return max(times)


def _lends_calibration(running_analysis: Path, production: Production) -> bool:
    """Whether a later night was made with this production's calibration."""
    night = production.root.parent.name
    later = (one for one in productions(running_analysis) if one.root.parent.name > night and one.id == production.id)
    return any(_reads_from(one, production) for one in later)


def _reads_from(reader: Production, production: Production) -> bool:
    """Whether the first subrun that was made of any run read something there."""
    book, seen = ReceiptBook(reader), set[str]()
    for name in book.names():
        step, _, unit = name.partition(".")
        run = unit.partition(".")[0]
        if step != "r0_to_dl1" or run in seen:
            continue
        seen.add(run)
        receipt = book.receipt(name)
        tail = f"/{production.root.parent.name}/{production.id}/"
        if receipt and any(tail in str(item["path"]) for item in receipt.inputs):
            return True
    return False


def _freed(path: Path) -> int:
    """Bytes of files that lie nowhere else."""
    total = 0
    for file in (
        [path] if not path.is_dir() else (Path(folder, name) for folder, _, names in os.walk(path) for name in names)
    ):
        with suppress(FileNotFoundError):
            status = file.lstat()
            total += status.st_size if stat.S_ISREG(status.st_mode) and status.st_nlink == 1 else 0
    return total


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(Path(entry.path) for entry in os.scandir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []
