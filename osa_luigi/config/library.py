"""The library of a site: the procedures of all files that the main file lists, and the one to use."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from osa_luigi.config.kinds import COMMANDS, RECONSTRUCTION, with_article
from osa_luigi.config.model import MainConfig
from osa_luigi.config.paths import PathError, located
from osa_luigi.config.problems import Key, Position, Problems, dotted, suggestion
from osa_luigi.config.validate import Checked, check_procedure
from osa_luigi.config.yamlfile import Document, read_yaml


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a procedure may refer to: its site, and the procedures beside it.

    `check_files` says whether folders and files are looked for.
    """

    main: Checked
    config: MainConfig
    library: list[Checked]
    check_files: bool

    def names(self, kind: str) -> list[str]:
        """The names of all procedures of a type."""
        return names(self.library, kind)


def names(library: Iterable[Checked], kind: str) -> list[str]:
    """The names of all procedures of a type, each once."""
    return list(dict.fromkeys(one.values["name"] for one in library if one.values["name"] and _type(one) == kind))


def _type(procedure: Checked) -> str:
    kind: str = procedure.values["type"]
    return kind


def procedure_files(main: Checked) -> list[Path]:
    """The files that the main file lists, existing or not."""
    return [path for path, _ in _listed(main)]


def _listed(main: Checked) -> Iterator[tuple[Path, Key]]:
    texts = main.document.value["procedures"] if main.good("procedures") else []
    for index, text in enumerate(texts):
        key = ("procedures", index)
        if not main.good(*key):
            continue
        try:
            yield located(text, main.document.path.parent), key
        except PathError as error:
            main.report(key, str(error))


def read_library(main: Checked, problems: Problems) -> list[Checked]:
    """Every procedure of every listed file, checked against the schema; a name stands for one procedure.

    What is wrong in a procedure is in its own basket, `Checked.problems`; what is wrong around them goes into `problems`.
    """
    library: list[Checked] = []
    for path, key in _listed(main):
        if not os.path.lexists(path):
            main.report(key, f"no such file: {path}")
            continue
        if os.path.isdir(path):  # noqa: PTH112 (Path.is_dir raises for some names)
            main.report(key, f"is a directory, a file is expected: {path}")
            continue
        library.extend(check_procedure(document, Problems()) for document in _documents(path, problems))
    _check_names(library)
    return library


def _documents(path: Path, problems: Problems) -> Iterator[Document]:
    """The procedures of a file: the file itself, or the elements of its list."""
    document = read_yaml(path, problems)
    if document is None:
        return
    if "procedures" in document.value:
        yield from _elements(document, problems)
    else:
        yield document


def _elements(document: Document, problems: Problems) -> Iterator[Document]:
    for name in document.value:
        if name != "procedures":
            text = "unknown key beside 'procedures' (put it into a procedure)"
            problems.add(document.where_name((name,)), name, text)
    entries = document.value["procedures"]
    if not isinstance(entries, list) or not entries:
        problems.add(document.where(("procedures",)), "procedures", "must be a list of procedures")
        return
    for index, entry in enumerate(entries):
        key = ("procedures", index)
        if isinstance(entry, dict):
            yield document.part(key)
        else:
            problems.add(document.where(key), dotted(key), "must be a procedure: 'key: value' lines")


def _check_names(library: list[Checked]) -> None:
    first: dict[str, Checked] = {}
    for procedure in library:
        name = procedure.values["name"]
        if name in first:
            there = first[name].document.where(("name",)).short
            procedure.report(("name",), f"{name!r} is the name of another procedure, too ({there})")
        elif name is not None:
            first[name] = procedure


def choose(main: Checked, library: list[Checked], kind: str, asked: str | None, *, quiet: bool) -> Checked | None:
    """The procedure asked for, or for reconstructions the default one; the only one of its type that there is.

    None if there is none, with a problem noted unless `quiet`: it may be in a file that could not be read.
    """
    wanted = asked or (main.values["default_procedure"] if kind == RECONSTRUCTION else None)
    candidates = [one for one in library if _type(one) == kind]
    named = {str(entry.values["name"]): entry for entry in candidates if entry.values["name"]}
    if wanted in named:
        return named[wanted]
    if other := next((one for one in library if wanted and one.values["name"] == wanted), None):
        _report_choice(main, asked, _of_another_type(other, kind))
    elif len(candidates) == 1 and (wanted is None or quiet):
        return candidates[0]
    elif not quiet:
        _report_choice(main, asked, _not_chosen(kind, wanted, list(named)))
    return None


def _report_choice(main: Checked, asked: str | None, text: str) -> None:
    if asked:
        main.problems.add(Position(main.document.path), "", text)
    else:
        main.report(("default_procedure",), text)


def _of_another_type(found: Checked, kind: str) -> str:
    name, own = found.values["name"], _type(found)
    command = COMMANDS[own].format(name=name)
    return f"{name!r} is {with_article(own)}, not {with_article(kind)} (run it by: {command})"


def _not_chosen(kind: str, wanted: str | None, known: list[str]) -> str:
    what = "procedure" if kind == RECONSTRUCTION else kind
    if wanted is None and not known:
        return f"no {what} is there (put one into a file of `procedures`)"
    if wanted is None:
        return (
            f"which {what}? {'Name one here or ask' if kind == RECONSTRUCTION else 'Ask'} for one: {', '.join(known)}"
        )
    return f"no {what} {wanted!r} {suggestion(wanted, known)}"
