"""Receipts: what was made, from what, how, and where it lies.

A receipt's file is ``<step>.<unit>.<generation>.json``. The highest generation counts. A product that was lost after its
commit is made again under the next generation, so no receipt is ever changed or removed, and two that repair the same loss at once
still end with one winner.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from enum import Enum
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any

from osa_luigi.errors import ProductError
from osa_luigi.jsontext import parsed
from osa_luigi.products.identity import plain
from osa_luigi.products.paperwork import RECEIPTS, Paperwork, runs_with
from osa_luigi.products.production import Production
from osa_luigi.products.published import place_of

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Made:
    """A file that an attempt made.

    Parameters
    ----------
    role
        As declared by the step.
    place
        Where it belongs, relative to the production's folder; as text, since a night has tens of thousands.
    left
        Where the attempt left it, relative to the production's folder; a committed move goes from here to `place`.
    size
        Bytes.
    sha256
        Hash of the bytes: integrity.
    tables
        Hash of the tables' content: equality (the same command gives equal tables in different bytes). Empty for files
        without tables.
    """

    role: str
    place: str
    left: str
    size: int
    sha256: str
    tables: str

    @property
    def path(self) -> Path:
        """Where it belongs, relative to the production's folder."""
        return Path(self.place)

    @property
    def scratch(self) -> Path:
        """Where the attempt left it, relative to the production's folder."""
        return Path(self.left)

    def as_json(self) -> dict[str, Any]:
        """The file in JSON's own types."""
        said = (self.role, self.place, self.left, self.size, self.sha256, self.tables)
        return dict(zip(_MADE, said, strict=True))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Made:
        """The file that `as_json` described.

        Raises
        ------
        KeyError, ValueError
            Something is missing, or more than that is said.
        """
        if len(data) != len(_MADE):
            raise ValueError(f"{', '.join(sorted({*data} ^ {*_MADE}))}: not what is said of a file")
        return cls(*_made(data))


_MADE = ("role", "path", "scratch", "size", "sha256", "tables")
_made = itemgetter(*_MADE)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What really happened in the attempt that made a unit's products; `fake` if a fake step pretended to."""

    step: str
    unit: str
    key: str
    generation: int
    settings: Mapping[str, Any]
    inputs: tuple[Mapping[str, Any], ...]
    outputs: tuple[Made, ...]
    counts: Mapping[str, Any]
    software: Mapping[str, str]
    attempt: Mapping[str, Any] = field(default_factory=dict)
    linked_from: str = ""
    fake: bool = False

    @property
    def name(self) -> str:
        """``r0_to_dl1.Run02008.0003``."""
        return f"{self.step}.{self.unit}"

    def text(self) -> str:
        """The receipt's file."""
        said = {one.name: getattr(self, one.name) for one in fields(self)}
        content = plain({**said, "outputs": [made.as_json() for made in self.outputs]})
        if not self.fake:  # as receipts always were: an older version reads them, too
            del content["fake"]
        return json.dumps({"format": FORMAT, **content}, indent=1) + "\n"

    def made(self, role: str) -> Made | None:
        """The file of a role, if it was made."""
        return next((item for item in self.outputs if item.role == role), None)


class Presence(Enum):
    """Whether the files that a receipt names are there."""

    COMPLETE = "complete"
    UNMOVED = "unmoved"
    LOST = "lost"


def read_receipt(path: Path) -> Receipt:
    """Read one receipt that is a file.

    Raises
    ------
    ProductError
        If the file cannot be read as a receipt.
    """
    return _parse(path.read_bytes, lambda: str(path))


def _archived_or_loose(papers: Paperwork, name: str) -> Receipt:
    return _parse(lambda: papers.read(RECEIPTS, name), lambda: papers.place(RECEIPTS, name))


def _parse(read: Callable[[], bytes], place: Callable[[], str]) -> Receipt:
    try:
        data = parsed(read())
        outputs = tuple(map(Made.from_json, data["outputs"]))
        if (version := data.pop("format")) != FORMAT:
            raise ValueError(f"format {version}, not {FORMAT}")
        return Receipt(**{**data, "outputs": outputs, "inputs": tuple(data["inputs"])})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ProductError(
            f"{place()}: not a receipt that this version can read ({error}). "
            "Move it aside, and the step's products with it, then run again: they are made anew."
        ) from error


def current_receipt(production: Production, step: str, unit: str) -> Receipt | None:
    """The receipt that counts for a step and unit, read from the disk now."""
    papers = Paperwork(production, unit)
    newest = _newest(papers.names(RECEIPTS)).get(f"{step}.{unit}")
    return _archived_or_loose(papers, _file(f"{step}.{unit}", newest)) if newest else None


def earlier_receipts(production: Production, step: str, unit: str, generation: int) -> Iterator[Receipt]:
    """The receipts of the generations before one, the newest first; those that cannot be read are passed over."""
    papers = Paperwork(production, unit)
    for number in range(generation - 1, 0, -1):
        with contextlib.suppress(ProductError):
            yield _archived_or_loose(papers, _file(f"{step}.{unit}", number))


def presence(production: Production, receipt: Receipt) -> Presence:
    """Whether a receipt's files lie where they belong, or still in the scratch folder of a committed move.

    One that was published and lies there counts as well: who needs it at its own place brings it back (recall.py).
    """
    state = Presence.COMPLETE
    for made in receipt.outputs:
        # The scratch folder first: what is not there any more was moved before we look for it at its place, and what is there
        # has yet to replace a product of an earlier generation, which may well have the same size.
        if _is_there(production.root / made.scratch, made.size):
            state = Presence.UNMOVED
        elif not _is_there(production.root / made.path, made.size) and place_of(production, made) is None:
            return Presence.LOST
    return state


class ReceiptBook:
    """All receipts of a production as they are now, with the files they name: one `scandir` per folder, not a `stat` per file.

    Planning asks tens of thousands of times whether something is done; on a parallel file system each `stat` is a round trip. It keeps
    of each receipt what is asked for again and again, and reads the rest anew: whole receipts of a large night take hundreds of MB.

    Parameters
    ----------
    run
        Only of this one and its subruns; otherwise of all.
    at_once
        Read all receipts now, in one pass, and keep them: for a process that looks at the whole night, and ends.
    """

    def __init__(self, production: Production, run: str | None = None, *, at_once: bool = False) -> None:
        self._production = production
        runs = runs_with(production, RECEIPTS) if run is None else [run]
        self._papers = {run: Paperwork(production, run, keep=at_once) for run in runs}
        self._newest: dict[str, int] = {}
        self._keys: dict[str, str] = {}
        self._complete: set[str] = set()
        self._sizes: dict[str, dict[str, int]] = {}
        self._scratch: set[Path] | None = None
        self._kept: dict[str, Receipt] = {}
        for papers in self._papers.values():
            if at_once:
                self._keep(papers)
            else:
                self._newest |= _newest(papers.names(RECEIPTS))

    def _keep(self, papers: Paperwork) -> None:
        contents = papers.contents(RECEIPTS)
        newest = _newest({*contents, *papers.loose(RECEIPTS)})
        self._newest |= newest
        for name, generation in newest.items():
            with contextlib.suppress(ProductError, KeyError):  # said when somebody asks for it
                self._kept[name] = _parse(partial(contents.__getitem__, _file(name, generation)), str)

    def receipt(self, name: str) -> Receipt | None:
        """The receipt that counts for ``<step>.<unit>``, read from the disk."""
        if name not in self._newest:
            return None
        if name in self._kept:
            return self._kept[name]
        _, _, unit = name.partition(".")
        return _archived_or_loose(self._papers[unit.partition(".")[0]], _file(name, self._newest[name]))

    def key(self, name: str) -> str | None:
        """The step key of the receipt that counts; only the first time is it read from the disk, and its files looked for."""
        if name not in self._keys and (receipt := self.receipt(name)):
            self._note(name, receipt)
        return self._keys.get(name)

    def presence(self, name: str, read: Receipt | None = None) -> Presence:
        """As `presence`, from the folders' listings; of a step that has a receipt.

        Parameters
        ----------
        read
            The receipt that counts, by who has just read it.
        """
        if read is not None and name not in self._keys:
            self._note(name, read)
        if self.key(name) is not None and name in self._complete:
            return Presence.COMPLETE
        receipt = self.receipt(name)
        return presence(self._production, receipt) if receipt else Presence.LOST

    def _note(self, name: str, receipt: Receipt) -> None:
        self._keys[name] = receipt.key
        if all(self._size(made.place) == made.size and not self._may_wait(made) for made in receipt.outputs):
            self._complete.add(name)

    def size(self, path: Path) -> int | None:
        """Size of a product in bytes, by its path relative to the production; `None` when it is not there."""
        return self._size(str(path))

    def _size(self, place: str) -> int | None:
        folder, _, name = place.rpartition("/")
        if folder not in self._sizes:
            self._sizes[folder] = dict(_list_sizes(self._production.root / folder))
        return self._sizes[folder].get(name)

    def _may_wait(self, made: Made) -> bool:
        """Whether the attempt's folder is still there, so that the file may not have been moved yet."""
        if self._scratch is None:  # listed after the receipts: a move that they do not know of cannot be missed
            self._scratch = set(_folders(self._production.scratch))
        return bool(self._scratch) and not self._scratch.isdisjoint((self._production.root / made.scratch).parents)

    def names(self) -> list[str]:
        """All of ``<step>.<unit>`` that have a receipt."""
        return sorted(self._newest)


def _file(name: str, generation: int) -> str:
    return f"{name}.{generation}.json"


def _newest(files: Iterable[str]) -> dict[str, int]:
    """``<step>.<unit>`` → the highest generation of which there is a receipt."""
    best: dict[str, int] = {}
    for file in files:
        name, _, generation = file.removesuffix(".json").rpartition(".")
        if generation.isdecimal() and file == _file(name, int(generation)):
            best[name] = max(best.get(name, 0), int(generation))
    return best


def _is_there(path: Path, size: int) -> bool:
    """Any other error than "no such file" is raised: a disk that does not answer has not lost anything."""
    try:
        return path.stat().st_size == size
    except (FileNotFoundError, NotADirectoryError):
        return False


def _folders(root: Path) -> list[Path]:
    try:
        return sorted(Path(entry.path) for entry in os.scandir(root) if entry.is_dir())
    except FileNotFoundError:
        return []


def _list_sizes(folder: Path) -> Iterator[tuple[str, int]]:
    try:
        entries = list(os.scandir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in entries:
        with contextlib.suppress(FileNotFoundError):  # gone since it was listed
            if entry.is_file():
                yield entry.name, entry.stat().st_size
