"""The files of a site's library: those that the main file lists, and those that they list in turn, each read once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from osa_luigi.config.paths import PathError, located
from osa_luigi.config.problems import Key, Problems, dotted
from osa_luigi.config.sharing import LIBRARY_KEYS
from osa_luigi.config.validate import Checked, check_library
from osa_luigi.config.yamlfile import Document, read_yaml

MAX_CHAIN = 20

Complain = Callable[[str], None]


def listed(holder: Checked, names: Iterable[str]) -> Iterator[tuple[Path, Key]]:
    """The files that a main file or a library lists under these keys, existing or not."""
    for name in names:
        texts = holder.document.value.get(name) if holder.good(name) else ()
        for index, text in enumerate(texts or ()):
            key = (name, index)
            if holder.good(*key):
                try:
                    yield located(text, holder.document.folder(key)), key
                except PathError as error:
                    holder.report(key, str(error))


class Reader:
    """Reads a library from its main file on.

    Attributes
    ----------
    procedures
        All procedures as written.
    holders
        The main file and all libraries: what may hold workflows.
    """

    def __init__(self, main: Checked, problems: Problems) -> None:
        self.procedures: list[Document] = []
        self.holders = [main]
        self._problems = problems
        self._read: set[str] = set()
        self._follow(main, ("procedures", "libraries"), (main.document.path,))

    def _follow(self, holder: Checked, names: Iterable[str], chain: tuple[Path, ...]) -> None:
        for path, key in listed(holder, names):

            def complain(text: str, key: Key = key) -> None:
                holder.report(key, text)

            self._visit(path, chain, complain)

    def _visit(self, path: Path, chain: tuple[Path, ...], complain: Complain) -> None:
        real = os.path.realpath(path)
        if real in map(os.path.realpath, chain):
            complain(f"libraries hold one another in a circle: {' → '.join(map(str, (*chain, path)))}")
        elif len(chain) > MAX_CHAIN:
            complain(f"libraries within libraries, more than {MAX_CHAIN} deep")
        elif trouble := _no_file(path):
            complain(trouble)
        elif real not in self._read:
            self._read.add(real)
            self._take(path, (*chain, path))

    def _take(self, path: Path, chain: tuple[Path, ...]) -> None:
        document = read_yaml(path, self._problems)
        if document is None:
            return
        if not any(name in document.value for name in LIBRARY_KEYS):
            self.procedures.append(document)
            return
        self.procedures.extend(_elements(document, self._problems))
        library = check_library(document, self._problems)
        self.holders.append(library)
        self._follow(library, ("libraries",), chain)


def _no_file(path: Path) -> str:
    if not os.path.lexists(path):
        return f"no such file: {path}"
    if os.path.isdir(path):  # noqa: PTH112 (Path.is_dir raises for some names)
        return f"is a directory, a file is expected: {path}"
    return ""


def _elements(document: Document, problems: Problems) -> Iterator[Document]:
    """The procedures of a library."""
    for name in document.value:
        if name not in LIBRARY_KEYS:
            beside = next(key for key in LIBRARY_KEYS if key in document.value)
            text = f"unknown key beside '{beside}' (put it into a procedure)"
            problems.add(document.where_name((name,)), name, text)
    entries = document.value.get("procedures")
    if "procedures" in document.value and (not isinstance(entries, list) or not entries):
        problems.add(document.where(("procedures",)), "procedures", "must be a list of procedures")
        return
    for index, entry in enumerate(entries or ()):
        key = ("procedures", index)
        if isinstance(entry, dict):
            yield document.part(key)
        else:
            problems.add(document.where(key), dotted(key), "must be a procedure: 'key: value' lines")
