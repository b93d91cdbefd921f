"""A site's library as a person looks at it: what is there, one procedure with all that it inherits, and how two differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from osa_luigi.config.campaign import parse_point
from osa_luigi.config.frozen import FrozenMapping, freeze, thaw
from osa_luigi.config.kinds import RECONSTRUCTION, SCHEMAS, with_article
from osa_luigi.config.library import Surroundings
from osa_luigi.config.load import build_of, load, open_library
from osa_luigi.config.model import Configuration, Procedure
from osa_luigi.config.problems import Position, Problems, suggestion
from osa_luigi.config.render import ABSENT, brief, changes, expanded, scientific, yaml_lines
from osa_luigi.config.rules import OPERATIONAL, SCIENTIFIC, Kind, Schema, is_section, leaves
from osa_luigi.config.validate import Checked
from osa_luigi.config.workflows import Workflow
from osa_luigi.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Resolved:
    """One procedure of any type, complete: its settings, and where each comes from.

    `configuration` is there for a reconstruction.
    """

    name: str
    kind: str
    file: Path
    settings: FrozenMapping
    origins: Mapping[str, str]
    configuration: Configuration | None

    @property
    def schema(self) -> Schema:
        """The schema of its type."""
        return SCHEMAS[self.kind]

    @property
    def lstchain(self) -> dict[str, Any]:
        """The resolved lstchain configuration of each section that names one."""
        found: dict[str, Any] = expanded(self.configuration)["lstchain"] if self.configuration else {}
        return found

    def scientific(self) -> dict[str, Any]:
        """The settings that change what is made; lstchain's configurations with all overrides in them."""
        return scientific(self.configuration) if self.configuration else of_kind(self.schema, self.settings, SCIENTIFIC)

    def operational(self) -> dict[str, Any]:
        """The other settings."""
        return of_kind(self.schema, self.settings, OPERATIONAL)

    def as_json(self) -> dict[str, Any]:
        """For a program to read."""
        return {
            "name": self.name,
            "type": self.kind,
            "file": str(self.file),
            "settings": thaw(self.settings),
            "origins": dict(self.origins),
            "lstchain": self.lstchain,
        }

    def text(self) -> str:
        """As YAML, with the origin of each value behind it."""
        lines = yaml_lines(self.settings, lambda key, _: self.origins.get(key, "default"))
        return "\n".join([f"# {self.name} ({self.kind}), {self.file}", *lines]) + "\n"


def resolved(path: Path, name: str | None = None) -> Resolved:
    """A procedure of any type (the default reconstruction unless named).

    Raises
    ------
    ConfigurationError
        There is no such procedure, or something is wrong with it, or with the main file.
    """
    if name and parse_point(name):
        return _point(load(path, name, check_files=False))
    problems = Problems()
    around, chosen = _chosen(path, name, problems)
    built = build_of(around, chosen, problems)
    problems.raise_if_any()
    return Resolved(
        name=chosen.values["name"],
        kind=chosen.values["type"],
        file=chosen.document.path,
        settings=freeze(chosen.values),
        origins=chosen.document.origins(),
        configuration=Configuration(around.config, built) if isinstance(built, Procedure) else None,
    )


def _point(configuration: Configuration) -> Resolved:
    """A point of a campaign's grid, as the reconstruction that it stands for."""
    one = configuration.procedure
    return Resolved(one.name, RECONSTRUCTION, one.path, one.settings, one.origins, configuration)


def _chosen(path: Path, name: str | None, problems: Problems) -> tuple[Surroundings, Checked]:
    around = Problems()
    opened = open_library(path, around)
    if opened is None:
        around.raise_if_any()
    assert opened is not None
    here, _ = opened
    problems.absorb(around if name is None else Problems())
    wanted = name or here.config.default_procedure
    alone = wanted is None and len(here.library) == 1
    found = [one for one in here.library if one.values["name"] == wanted or alone]
    if not found:
        problems.absorb(around)
        problems.add(Position(path), "", _not_found(wanted, here.library))
        problems.raise_if_any()
    return here, found[0]


def _not_found(wanted: str | None, library: list[Checked]) -> str:
    known = [str(one.values["name"]) for one in library if one.values["name"]]
    if wanted is None:
        return f"which procedure? Name one: {', '.join(known)}" if known else "no procedure is there"
    return f"no procedure {wanted!r} {suggestion(wanted, known)}"


def of_kind(schema: Schema, values: Mapping[str, Any], kind: Kind) -> dict[str, Any]:
    """Scientific or operational settings alone, in their sections."""
    found: dict[str, Any] = {}
    for name, rule in schema.items():
        value = values.get(name)
        if not is_section(rule):
            found |= {name: thaw(value)} if rule["meta"]["kind"] == kind else {}
        elif value is None:
            found |= {name: None} if any(one["meta"]["kind"] == kind for _, one in leaves(rule["schema"])) else {}
        elif part := of_kind(rule["schema"], value, kind):
            found[name] = part
    return found


@dataclass(frozen=True, slots=True)
class Change:
    """A setting that two procedures have differently."""

    key: str
    kind: str
    before: Any
    after: Any

    def __str__(self) -> str:
        return f"{self.key}: {brief(self.before)} → {brief(self.after)}"

    def as_json(self) -> dict[str, Any]:
        """For a program to read; what one of the two does not have is left out."""
        values = {name: thaw(value) for name, value in (("a", self.before), ("b", self.after)) if value is not ABSENT}
        return {"key": self.key, "kind": self.kind, **values}


def compared(first: Resolved, second: Resolved) -> list[Change]:
    """What differs between two procedures of one type, scientific settings first; their names do not count.

    Raises
    ------
    ConfigurationError
        They are of two types.
    """
    if first.kind != second.kind:
        text = f"{first.name} is {with_article(first.kind)}, {second.name} {with_article(second.kind)}"
        raise ConfigurationError([f"{text}: only two of one type can be compared"])
    pairs = (
        (SCIENTIFIC, first.scientific(), second.scientific()),
        (OPERATIONAL, first.operational(), second.operational()),
    )
    return [
        Change(key, kind, before, after)
        for kind, old, new in pairs
        for key, before, after in changes(old, new)
        if key not in ("name", "extends")
    ]


@dataclass(frozen=True, slots=True)
class Entry:
    """A procedure in the list of all."""

    name: str
    kind: str
    origin: str
    extends: str | None
    problems: int

    def as_json(self) -> dict[str, Any]:
        """For a program to read."""
        return {"name": self.name, "origin": self.origin, "extends": self.extends, "problems": self.problems}


@dataclass(frozen=True, slots=True)
class Catalog:
    """What a site's library holds; `problems` are those around the procedures: files that cannot be read, workflows."""

    files: tuple[str, ...]
    procedures: tuple[Entry, ...]
    workflows: tuple[Workflow, ...]
    problems: tuple[str, ...]

    def of_type(self, kind: str) -> list[Entry]:
        """The procedures of a type."""
        return [one for one in self.procedures if one.kind == kind]

    def as_json(self) -> dict[str, Any]:
        """For a program to read."""
        return {
            "files": list(self.files),
            "procedures": {kind: [one.as_json() for one in self.of_type(kind)] for kind in SCHEMAS},
            "workflows": [
                {"name": one.name, "tasks": list(one.tasks), "order": list(one.order), "origin": one.origin}
                for one in self.workflows
            ],
            "problems": list(self.problems),
        }


def catalog(path: Path) -> Catalog:
    """All procedures and workflows, with those that something is wrong with.

    Raises
    ------
    ConfigurationError
        The main file cannot be read.
    """
    problems = Problems()
    opened = open_library(path, problems)
    if opened is None:
        problems.raise_if_any()
    assert opened is not None
    here, workflows = opened
    files = dict.fromkeys(str(one.document.path) for one in here.library)
    return Catalog(tuple(files), tuple(_entries(here.library)), tuple(workflows), tuple(problems.lines()))


def _entries(library: list[Checked]) -> Iterator[Entry]:
    for one in library:
        name = one.values["name"] or "(without a name)"
        origin = one.document.where(("name",)).short
        yield Entry(name, one.values["type"], origin, one.values["extends"], len(one.problems))
