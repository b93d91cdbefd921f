"""What a production holds at one moment, and what must still be true of it at the end."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipFile

import psutil

from osa_luigi.products.names import REPORT
from osa_luigi.products.paperwork import ATTEMPTS, KINDS, LOGS, RECEIPTS, Paperwork, runs_with
from osa_luigi.products.production import Production
from osa_luigi.products.receipt import Receipt, current_receipt

ENGINE_STATE = ".osa"


@dataclass(frozen=True)
class Seen:
    """A production as it was when it was looked at.

    Parameters
    ----------
    receipts
        ``<step>.<unit>`` → the receipt that counted.
    inodes
        The same → path of each of its outputs, and the file that lay there or still waited for its move.
    attempts
        The same → ids of the attempts that had begun: each has a log, also one that was killed.
    """

    receipts: dict[str, Receipt]
    inodes: dict[str, dict[Path, int]]
    attempts: dict[str, set[str]]


def look(production: Production) -> Seen:
    """Look at a production, also while it is worked on."""
    receipts = {}
    for name in _papers(production, RECEIPTS):
        step, _, unit = Path(name).stem.rpartition(".")[0].partition(".")
        receipt = current_receipt(production, step, unit)
        if receipt:
            receipts[receipt.name] = receipt
    inodes = {name: _inodes(production, receipt) for name, receipt in receipts.items()}
    # Attempts last: of a step that is committed none may begin any more.
    return Seen(receipts, inodes, _attempts(production))


def _inodes(production: Production, receipt: Receipt) -> dict[Path, int]:
    found = {}
    for made in receipt.outputs:
        for place in (made.scratch, made.path):  # in this order: what has left the first is at the second
            try:
                found[made.path] = (production.root / place).stat().st_ino
                break
            except FileNotFoundError:
                continue
    return found


def _attempts(production: Production) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for kind in (LOGS, ATTEMPTS):
        for path in map(Path, _papers(production, kind)):
            if path.suffix in (".log", ".json"):
                name, _, attempt = path.stem.rpartition(".")
                found.setdefault(name, set()).add(attempt)
    return found


def _papers(production: Production, kind: str) -> Iterator[str]:
    """The names of a kind's files, archived ones among them."""
    for run in runs_with(production, kind):
        yield from Paperwork(production, run).names(kind)


@dataclass(frozen=True)
class Verdict:
    """What went wrong; a line each.

    Parameters
    ----------
    lost
        Committed before a kill, and not there or not intact at the end.
    executed_again
        Committed before a kill, and executed once more.
    unverified
        Product files that no receipt names, or whose bytes are not the receipt's.
    left
        Working folders of attempts that nobody cleared away, and receipts, records and logs of DATA runs that are not archived.
    """

    lost: list[str]
    executed_again: list[str]
    unverified: list[str]
    left: list[str]


def judge(production: Production, before: Iterable[Seen]) -> Verdict:
    """Compare what was seen, each time before a kill or after it, with what there is at the end."""
    end = look(production)
    intact = {name: _broken(production, receipt) for name, receipt in end.receipts.items()}
    lost, again = set(), set()
    for seen in before:
        for name, receipt in seen.receipts.items():
            if name not in end.receipts:
                lost.add(f"{name}: its receipt is gone")
                continue
            lost.update(intact[name])
            again.update(_executed_again(receipt, seen, end))
    named = {made.path for receipt in end.receipts.values() for made in receipt.outputs}
    foreign = {f"{path}: no receipt names it" for path in _files(production) if path not in named}
    broken = {line for lines in intact.values() for line in lines}
    return Verdict(sorted(lost), sorted(again), sorted(foreign | broken), sorted(_left(production)))


def _broken(production: Production, receipt: Receipt) -> list[str]:
    """Outputs that are not what the receipt says, a line each."""
    found = []
    for made in receipt.outputs:
        path = production.root / made.path
        if not path.is_file():
            found.append(f"{receipt.name}: {made.path} is not there")
        elif hashlib.sha256(path.read_bytes()).hexdigest() != made.sha256:
            found.append(f"{receipt.name}: {made.path} is not intact")
    return found


def _executed_again(receipt: Receipt, seen: Seen, end: Seen) -> Iterator[str]:
    name = receipt.name
    now = end.receipts[name]
    if now.generation != receipt.generation:
        yield f"{name}: generation {receipt.generation} became {now.generation}"
    known = seen.attempts.get(name, set()) | {str(receipt.attempt.get("id"))}
    if more := end.attempts.get(name, set()) - known:
        yield f"{name}: attempts after its commit: {', '.join(sorted(more))}"
    there = end.inodes[name]  # what is not there any more was lost, not made again
    if changed := [str(path) for path, inode in seen.inodes[name].items() if there.get(path, inode) != inode]:
        yield f"{name}: another file at {', '.join(changed)}"


def _files(production: Production) -> Iterator[Path]:
    for folder, folders, files in os.walk(production.root):
        if ENGINE_STATE in folders:
            folders.remove(ENGINE_STATE)
        here = (Path(folder, name).relative_to(production.root) for name in files)
        yield from (path for path in here if str(path) != REPORT)  # a page for people, of which there is no receipt


def _left(production: Production) -> list[str]:
    working = [path.name for path in production.scratch.iterdir()] if production.scratch.exists() else []
    loose = [path.name for kind in KINDS for path in (production.state / kind).glob("Run*/*") if path.name[0] != "."]
    return [*working, *loose, *_torn(production)]


def _torn(production: Production) -> list[str]:
    """Archives that cannot be read to their end, or more than one of a run."""
    runs = [path.name.partition(".")[0] for path in production.archives.glob("*.zip")]
    torn = [path.name for path in production.archives.glob("*.zip") if ZipFile(path).testzip() is not None]
    return [*torn, *(f"{run}: several archives" for run in set(runs) if runs.count(run) > 1)]


def marked(name: str, value: str) -> list[psutil.Process]:
    """Processes that live with this variable in their environment, which every child inherits, however deep."""
    found = []
    entry = f"{name}={value}".encode()
    for pid in psutil.pids():
        try:
            if entry in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                process = psutil.Process(pid)
                if process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        except (OSError, psutil.Error):
            continue
    return found
