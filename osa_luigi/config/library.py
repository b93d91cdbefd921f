"""The library of a site: the procedures of all files that the main file lists, and the one to use."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from osa_luigi.config.extending import Family
from osa_luigi.config.kinds import COMMANDS, RECONSTRUCTION, with_article
from osa_luigi.config.libraries import Reader, listed
from osa_luigi.config.model import MainConfig
from osa_luigi.config.problems import Position, Problems, suggestion
from osa_luigi.config.validate import Checked, check_procedure
from osa_luigi.config.workflows import Workflow, read_workflows
from osa_luigi.config.yamlfile import Document


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


@dataclass(frozen=True, slots=True)
class Library:
    """All procedures of a site, with what they inherit, and all workflows."""

    procedures: list[Checked]
    workflows: list[Workflow]


def names(library: Iterable[Checked], kind: str) -> list[str]:
    """The names of all procedures of a type, each once."""
    return list(dict.fromkeys(one.values["name"] for one in library if one.values["name"] and _type(one) == kind))


def _type(procedure: Checked) -> str:
    kind: str = procedure.values["type"]
    return kind


def procedure_files(main: Checked) -> list[Path]:
    """The files that the main file lists, existing or not."""
    return [path for path, _ in listed(main, ("procedures", "libraries"))]


def read_library(main: Checked, problems: Problems) -> list[Checked]:
    """Every procedure of every listed file, checked against the schema; a name stands for one procedure.

    What is wrong in a procedure is in its own basket, `Checked.problems`; what is wrong around them goes into `problems`.
    """
    return read_all(main, problems).procedures


def read_all(main: Checked, problems: Problems) -> Library:
    """As `read_library`, with the workflows."""
    _check_there(main)
    reader = Reader(main, problems)
    family = Family(reader.procedures)
    procedures = [_whole(family, document) for document in reader.procedures]
    _check_names(procedures)
    named = {str(one.values["name"]): one for one in reversed(procedures) if one.values["name"]}
    return Library(procedures, read_workflows(reader.holders, named))


def _check_there(main: Checked) -> None:
    if not any(main.given(name) for name in ("procedures", "libraries")):
        main.report(("procedures",), "is missing: name the files that hold the procedures, here or under `libraries`")


def _whole(family: Family, document: Document) -> Checked:
    problems = Problems()
    whole = family.whole(document, problems)
    broken = bool(problems)
    checked = check_procedure(whole, problems, partial=broken)
    checked.bad.update({("extends",)} if broken else ())
    return checked


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
