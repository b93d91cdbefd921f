"""Reading products again, several at once; and what to do about those that are damaged."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

from osa_luigi.batch.lease import release_lease, take_lease
from osa_luigi.errors import VerificationError
from osa_luigi.ledger.lineage import DATE, DECLARED, Lineage
from osa_luigi.ledger.making import Making, Source
from osa_luigi.ledger.origins import Origins
from osa_luigi.products.aside import MOVED, set_aside
from osa_luigi.products.integrity import Checked, Fault, Finding, check
from osa_luigi.products.production import Production
from osa_luigi.products.receipt import current_receipt
from osa_luigi.steps.reading import read_to_end

READING_LIMIT_S = 600
WAITING = 4
"""Receipts that wait for a reader, for each of them: enough that none is idle, and memory stays flat."""

DIAGNOSED = 50
"""Damaged files that are opened to say what is wrong in them; where there are more, the disk is the question."""

Asked = tuple[Production, str]


def usual_jobs() -> int:
    """How many read at once, unless told: as many as there are cores, and not more than a disk likes."""
    return min(8, len(os.sched_getaffinity(0)))


def verified(asked: Iterable[Asked], jobs: int, *, deep: bool = False) -> Iterator[Checked]:
    """Read the products of steps and units again, in order.

    Parameters
    ----------
    asked
        Production and ``<step>.<unit>``; taken as readers become free.
    deep
        Files with the right bytes are also opened and read to their end. That is done in processes, since HDF5 reads in one thread; hashes
        are taken in threads, which start at once and hold up each other no more.

    Raises
    ------
    VerificationError
        A library that reads products crashed on one whose bytes are right.
    """
    if not deep:
        with ThreadPoolExecutor(jobs) as readers:
            yield from _in_turn(readers, check_one, asked, jobs)
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("forkserver")) as readers:
        try:
            yield from _in_turn(readers, check_deeply, asked, jobs)
        except BrokenProcessPool as error:
            raise VerificationError(
                "a reader of products died. Run again without --deep for the bytes; with it, one run at a time (--run), to find the file."
            ) from error


def _in_turn(
    readers: Executor, function: Callable[[Asked], Checked], asked: Iterable[Asked], jobs: int
) -> Iterator[Checked]:
    under_way: deque[Future[Checked]] = deque()
    try:
        for one in asked:
            under_way.append(readers.submit(function, one))
            if len(under_way) >= WAITING * jobs:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    finally:
        readers.shutdown(wait=False, cancel_futures=True)


def check_one(asked: Asked) -> Checked:
    """Bytes alone."""
    return check(*asked)


def check_deeply(asked: Asked) -> Checked:
    """Bytes; and what has the right ones is opened."""
    production, name = asked
    checked = check(production, name)
    step, _, unit = name.partition(".")
    if checked.findings or (receipt := current_receipt(production, step, unit)) is None:
        return checked
    found = [
        Finding(Fault.BYTES, production, name, production.root / made.path, f"has the right bytes, but {trouble}")
        for made in receipt.outputs
        if (trouble := read_to_end(production.root / made.path, made.tables))
    ]
    return replace(checked, findings=tuple(found))


def diagnosed(finding: Finding) -> Finding:
    """What is wrong inside a file with other bytes, found in a process of its own: a damaged file may crash its reader."""
    if finding.fault is not Fault.BYTES or finding.made is None:
        return finding
    command = [sys.executable, "-m", "osa_luigi.steps.reading", str(finding.path), "--tables", finding.made.tables]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=READING_LIMIT_S, check=False)
        said = ended.stdout if ended.returncode == 0 else "the library that reads it fails on it"
    except subprocess.TimeoutExpired:
        said = "the library that reads it does not come to an end"
    said = said or ("its tables are those that were made" if finding.made.tables else "")
    return replace(finding, what=f"{finding.what}; {said}") if said else finding


def origins_checked(lineage: Lineage) -> Iterator[Finding]:
    """What the products of a lineage were made from, and is gone, or another by now."""
    origins, seen = Origins(), set[tuple[str, str]]()
    for making, source in lineage.origins():
        one = (source.path, repr(source.identity))
        if one in seen or source.role == DECLARED or not (source.key or _reads(making)):
            continue
        seen.add(one)
        if trouble := _no_receipt(source) if source.key else origins.trouble(source):
            what = trouble.removeprefix(f"{source.path}: ")
            yield Finding(Fault.ORIGIN, making.production, making.name, Path(source.path), what)


def _reads(making: Making) -> bool:
    """Whether the step really read what it was given: a fake does not, and leaves no tables."""
    return any(made.tables for made in making.outputs)


def _no_receipt(source: Source) -> str:
    return f"no receipt of step key {source.key[:12]} is found, so nobody knows how it was made"


def put_aside(findings: Iterable[Finding]) -> dict[Finding, Path]:
    """Move damaged products out of the way, as the one engine of their production; finding → where it lies now.

    Raises
    ------
    ExecutorError
        An engine works on the production.
    """
    moved: dict[Finding, Path] = {}
    # What lies elsewhere, a published copy, say, is not the engine's to move.
    own = [
        one for one in findings if one.fault in MOVED and one.made and one.path == one.production.root / one.made.path
    ]
    for production in dict.fromkeys(one.production for one in own):
        with _as_engine(production):
            places = {one: set_aside(one) for one in own if one.production == production}
        moved |= {one: place for one, place in places.items() if place}
    return moved


@contextmanager
def _as_engine(production: Production) -> Iterator[None]:
    """Nobody else works on it meanwhile. Run summaries lie in a folder that no engine has for itself."""
    if not DATE.fullmatch(production.root.parent.name):
        yield
        return
    take_lease(production)
    try:
        yield
    finally:
        release_lease(production)
