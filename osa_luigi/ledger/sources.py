"""What a production's files say, read tolerantly: a file that cannot be read is counted, and the rest is read.

The ledger is a view. It must not refuse a night because of one bad record; who works on the night finds that file soon enough.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from osa_luigi.errors import ProductError
from osa_luigi.products.archive import archived_runs, archives
from osa_luigi.products.archiving import ARRAYS
from osa_luigi.products.paperwork import ATTEMPTS, Paperwork, runs_with
from osa_luigi.products.production import Production
from osa_luigi.products.receipt import Receipt, ReceiptBook

MARKER = "NightFinished.txt"

Json = Mapping[str, Any]


Read = Callable[[], bytes]


@dataclass(frozen=True, slots=True)
class Papers:
    """The files of a job array by their names in its folder; `where` is for people."""

    name: str
    where: str
    files: Mapping[str, Read]


@dataclass(frozen=True, slots=True)
class Declared:
    """What a night is to hold, as planning wrote it down: ``<step>.<unit>`` → step key; `file` is its name."""

    file: str
    keys: Mapping[str, str]

    def conflicts(self, made: Mapping[str, str]) -> bool:
        """Whether subruns were made otherwise: then it is of a plan that was refused, or of a single step run by hand."""
        return any(made.get(name, key) != key for name, key in self.keys.items() if name.count(".") == 2)


def in_force(lists: Iterable[Declared], made: Mapping[str, str], closed_by: str) -> Declared | None:
    """Of several lists the one that a night goes by: the newest that its products do not contradict.

    Where that names what the list named with which the night was closed (`closed_by`), it is the latter.
    """
    newest = chosen = None
    for one in lists:
        newest = newest or one
        if chosen is None and not one.conflicts(made):
            chosen = one
        if chosen and not closed_by:
            return chosen
        if one.file == closed_by:
            return one if chosen is None or chosen.keys.keys() == one.keys.keys() else chosen
    return chosen or newest


@dataclass
class Source:
    """One production, being read.

    Parameters
    ----------
    unreadable
        Paths of the files that could not be read.
    """

    production: Production
    unreadable: list[str] = field(default_factory=list)

    def receipts(self) -> Iterator[Receipt]:
        """Those that count, by name."""
        book = ReceiptBook(self.production)
        for name in book.names():
            try:
                receipt = book.receipt(name)
            except ProductError as error:
                self.unreadable.append(str(error))
                continue
            if receipt:
                yield receipt

    def attempts(self) -> Iterator[Json]:
        """Exit records, run by run, by name."""
        for run in runs_with(self.production, ATTEMPTS):
            papers = Paperwork(self.production, run)
            for name in sorted(papers.names(ATTEMPTS)):
                record = self.parsed(str(papers.folder(ATTEMPTS) / name), partial(papers.read, ATTEMPTS, name))
                if record and {"id", "step", "unit"} <= record.keys():
                    yield record

    def decisions(self) -> Iterator[tuple[int, Json]]:
        """Decisions with their numbers."""
        for path in _files(self.production.state / "decisions"):
            if path.stem.isdecimal() and (decision := self.json(path)):
                yield int(path.stem), decision

    def declared(self) -> Iterator[Declared]:
        """Lists of what the night is to hold, the newest first."""
        paths = _files(self.production.state / "configs")
        for path in sorted(paths, key=lambda path: (path.stat().st_mtime_ns, path.name), reverse=True):
            content = _listed(self.json(path) or {})
            if content and all(isinstance(key, str) and ".Run" in name for name, key in _of_runs(content)):
                yield Declared(path.name, {str(name): str(key) for name, key in content.items()})

    def is_marked(self) -> bool:
        """Whether the marker of a closed night is there."""
        return (self.production.root / MARKER).exists()

    def arrays(self) -> Iterator[Papers]:
        """What there is of each job array, in an archive or in a folder; where both hold it, the archive has all of it."""
        folders = _folders(
            self.production.state / "engine" / "arrays"
        )  # before the archives: it goes after it is archived
        archived: set[str] = set()
        for run in sorted(archived_runs(self.production)):
            for papers in self._archived(run):
                archived.add(papers.name)
                yield papers
        for folder in folders:
            if folder.name not in archived:
                yield Papers(folder.name, str(folder), dict(_loose(folder)))

    def _archived(self, run: str) -> Iterator[Papers]:
        for archive in archives(self.production, run):
            files: dict[str, dict[str, Read]] = {}
            for member in archive:
                kind, _, rest = member.partition("/")
                if kind == ARRAYS:
                    name, _, file = rest.partition("/")
                    files.setdefault(name, {})[file] = partial(archive.read, member)
            yield from (Papers(name, f"{archive.path} {ARRAYS}/{name}", of_array) for name, of_array in files.items())

    def json(self, path: Path) -> Json | None:
        """A file that holds an object; `None` if it is not there, or is no such thing, which is noted."""
        return self.parsed(str(path), path.read_bytes)

    def parsed(self, where: str, read: Read) -> Json | None:
        """The same of what is read in another way; `where` is for people."""
        try:
            content = json.loads(read())
        except FileNotFoundError:
            return None
        except (OSError, ValueError, ProductError) as error:
            self.unreadable.append(f"{where}: {error}")
            return None
        if isinstance(content, dict):
            return content
        self.unreadable.append(f"{where}: holds no object")
        return None


def _loose(folder: Path) -> Iterator[tuple[str, Read]]:
    """The files of an array: its own, and its elements' records."""
    for path in (*_files(folder), *_files(folder / "records")):
        yield str(path.relative_to(folder)), path.read_bytes


def _listed(content: Json) -> Json:
    """The list itself, where it is written down with the decisions that it was made by."""
    products = content.get("products") if "decisions" in content else content
    return products if isinstance(products, dict) else {}


def _of_runs(content: Json) -> Iterator[tuple[str, Any]]:
    """Entries that tell a list of products from a configuration of lstchain's, which has sections."""
    for name, key in content.items():
        if not name.endswith(".night"):
            yield name, key


def _folders(folder: Path) -> list[Path]:
    try:
        return sorted(Path(entry.path) for entry in os.scandir(folder) if entry.is_dir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(
            Path(entry.path)
            for entry in os.scandir(folder)
            if entry.name.endswith(".json") and not entry.name.startswith(".")
        )
    except (FileNotFoundError, NotADirectoryError):
        return []
