"""Whether products are still what their receipts say: all bytes are read again and hashed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from osa_luigi.errors import ProductError
from osa_luigi.products.archive import archived_runs, archives
from osa_luigi.products.digest import sha256
from osa_luigi.products.names import REPORT
from osa_luigi.products.paperwork import RECEIPTS, Paperwork
from osa_luigi.products.production import Production
from osa_luigi.products.published import place_of
from osa_luigi.products.receipt import Made, Receipt, current_receipt


class Fault(StrEnum):
    """What is wrong with a product."""

    MISSING = "missing"
    SIZE = "size"
    BYTES = "bytes"
    """The right size, and other bytes: nothing but reading all of it tells."""
    UNREADABLE = "unreadable"
    RECEIPT = "receipt"
    """The receipt itself cannot be read, so nothing is known of the products."""
    PAPERS = "papers"
    """An archive of receipts and logs, or a settings file, is not what its name says."""
    ORIGIN = "origin"
    """What a product was made from is gone or another; the product itself may be whole."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A product that is not what it should be.

    Parameters
    ----------
    name
        ``<step>.<unit>``.
    receipt
        Where the receipt lies, for people.
    path
        The file, or the receipt that cannot be read.
    what
        In words: what it is, and what it should be.
    made
        As the receipt has it; `None` where the receipt cannot be read, and for origins.
    state
        Inode, size and time of change of the file that was read; empty if none was.
    """

    fault: Fault
    production: Production
    name: str
    path: Path
    what: str
    receipt: str = ""
    generation: int = 0
    made: Made | None = None
    state: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Checked:
    """What reading the products of one receipt again gave.

    Parameters
    ----------
    products
        Where they belong, relative to the production.
    read
        Bytes.
    """

    name: str
    products: tuple[Path, ...] = ()
    read: int = 0
    findings: tuple[Finding, ...] = ()


def check(production: Production, name: str) -> Checked:
    """Read the products of a step and unit again, as the receipt that counts names them.

    A product that is made again meanwhile is judged by its new receipt.
    """
    step, _, unit = name.partition(".")
    checked, generation = Checked(name), 0
    while True:
        try:
            receipt = current_receipt(production, step, unit)
        except (ProductError, OSError) as error:
            folder = production.receipts(unit)
            return Checked(name, (), 0, (Finding(Fault.RECEIPT, production, name, folder, str(error)),))
        if receipt is None or receipt.generation == generation:
            return checked
        checked, generation = check_receipt(production, receipt), receipt.generation
        if not checked.findings:
            return checked


def check_papers(production: Production, run: str = "") -> Iterator[Finding]:
    """Read archives of receipts and logs to their ends, and the resolved settings; of all runs, or of archives those of one."""
    for one in sorted(archived_runs(production)):
        try:
            for archive in archives(production, one) if run in ("", one) else ():
                for member in archive:
                    for _ in archive.blocks(member):
                        pass
        except ProductError as error:
            where, _, what = str(error).partition(": ")
            yield Finding(Fault.PAPERS, production, "", Path(where), what)
    for settings in sorted((production.state / "configs").glob("*.json")):
        if not production.is_config(settings):
            what = "does not hold what its name stands for. The next run of the night writes it again, if it needs it."
            yield Finding(Fault.PAPERS, production, "", settings, what)


def check_receipt(production: Production, receipt: Receipt) -> Checked:
    """Read the products that a receipt names again."""
    results = [check_file(production, receipt.name, receipt.generation, made) for made in receipt.outputs]
    findings = tuple(finding for result in results for finding in result.findings)
    return Checked(
        receipt.name, tuple(made.path for made in receipt.outputs), sum(result.read for result in results), findings
    )


def check_file(production: Production, name: str, generation: int, made: Made, at: Path | None = None) -> Checked:
    """Read one product again.

    Parameters
    ----------
    name, generation
        Of its receipt.
    at
        Another place that it should lie at: where it was published, say.
    """
    path = at or production.root / made.path

    def wrong(fault: Fault, what: str, state: tuple[int, ...] = (), read: int = 0) -> Checked:
        place = receipt_place(production, name, generation)
        finding = Finding(fault, production, name, path, what, place, generation, made, state)
        return Checked(name, (made.path,), read, (finding,))

    try:
        # A committed file that was not moved yet waits in the scratch folder: whoever runs the night next moves it.
        waiting = production.root / made.scratch
        there = waiting if at is None and waiting.exists() else path
        state = file_state(there)
        if state[1] != made.size:
            return wrong(Fault.SIZE, f"has {state[1]} bytes, not {made.size}", state)
        found = sha256(there)
    except (FileNotFoundError, NotADirectoryError):
        if at is None and (published := place_of(production, made)):
            return check_file(production, name, generation, made, published)
        return wrong(Fault.MISSING, "is not there")
    except OSError as error:
        return wrong(Fault.UNREADABLE, f"cannot be read ({error.strerror or error})")
    if found == made.sha256:
        return Checked(name, (made.path,), made.size)
    what = f"has other bytes than when it was made (sha256 {found[:12]}…, not {made.sha256[:12]}…)"
    return wrong(Fault.BYTES, what, state, made.size)


def receipt_place(production: Production, name: str, generation: int) -> str:
    """Where a receipt lies, in a file of its own or in its run's archive, by ``<step>.<unit>`` and generation."""
    papers = Paperwork(production, name.partition(".")[2])
    return papers.place(RECEIPTS, f"{name}.{generation}.json")


def file_state(path: Path) -> tuple[int, ...]:
    """Inode, size and time of change: another state is another file, or was written to."""
    status = path.stat()
    return (status.st_ino, status.st_size, status.st_mtime_ns)


def product_files(production: Production) -> Iterator[Path]:
    """All files in a production's folder but the engine's own and its report, relative to it."""
    for folder, folders, files in os.walk(production.root):
        if Path(folder) == production.root:
            folders[:] = [name for name in folders if name != production.state.name]
        here = (Path(folder, name).relative_to(production.root) for name in files)
        yield from (path for path in here if path != Path(REPORT))


def sharing(production: Production, finding: Finding) -> list[Production]:
    """Other productions of the night in which the very same file lies: what is wrong with it is wrong there."""
    if finding.made is None or not finding.state:
        return []
    return [one for one in production.siblings() if _inode(one.root / finding.made.path) == finding.state[0]]


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except OSError:
        return None
