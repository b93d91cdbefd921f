"""One setting explained: what it is for, what it may be, and what it is here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from osa_luigi.config.frozen import thaw
from osa_luigi.config.problems import suggestion
from osa_luigi.config.reference import default_text, doc_text, type_text
from osa_luigi.config.render import scalar
from osa_luigi.config.rules import Schema, are_records, is_section, leaves
from osa_luigi.errors import ConfigurationError

Where = Mapping[str, tuple[Schema, Mapping[str, Any], Mapping[str, str]]]
"""``main`` or ``procedure`` → its schema, settings and origins."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """A setting, in words, and its value here; `kind` is empty for a group of settings."""

    key: str
    file: str
    doc: str
    kind: str
    type: str
    default: str
    value: Any
    origin: str
    keys: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """For a program to read."""
        return {
            "key": self.key,
            "file": self.file,
            "doc": self.doc,
            "kind": self.kind,
            "type": self.type,
            "default": self.default,
            "value": thaw(self.value),
            "origin": self.origin,
            "keys": list(self.keys),
        }

    def lines(self) -> list[str]:
        """For a person to read."""
        head = [f"{self.key} (in the {self.file}{' file' if self.file == 'main' else ''})", f"  {self.doc}"]
        if self.keys:
            return [*head, "  its keys: " + ", ".join(self.keys)]
        return [
            *head,
            f"  type       {self.type.replace('`', '')}",
            f"  default    {self.default.strip('`')}",
            f"  kind       {self.kind}",
            f"  here       {scalar(self.value)}  # {self.origin}",
        ]


def explained(key: str, places: Where) -> Explanation:
    """A key of the main file or of a procedure.

    Raises
    ------
    ConfigurationError
        There is no such key.
    """
    for file, (schema, settings, origins) in places.items():
        if found := _rule(schema, key.split(".")):
            rule, written = found
            return _explanation(key, file, rule, written, settings, origins)
    every = [".".join(name) for schema, _, _ in places.values() for name, _ in leaves(schema)]
    last = key.rpartition(".")[2]
    same = [name for name in every if name.rpartition(".")[2] == last]
    hint = f"(it exists as {', '.join(same[:5])})" if same else suggestion(key, every)
    if "known here" in hint:
        hint = "(docs/configuration.md lists them all)"
    raise ConfigurationError([f"no key is called {key!r} {hint}"])


def _rule(schema: Schema, parts: list[str]) -> tuple[Schema, list[str]] | None:
    """The rule of a key, and the part of the key that it is for: what is below an lstchain override has none of its own."""
    written: list[str] = []
    rule: Schema = {"type": "dict", "schema": schema, "meta": {}}
    for part in parts:
        if rule["meta"].get("free"):
            return rule, written
        inner = rule["schema"] if is_section(rule) else {}
        listed = inner.get(part.removesuffix("[]"), {})
        if part.endswith("[]") and listed and are_records(listed):
            rule = listed["schema"]
        elif part in inner:
            rule = inner[part]
        else:
            return None
        written.append(part)
    return rule, written


def _explanation(
    key: str, file: str, rule: Schema, written: list[str], settings: Mapping[str, Any], origins: Mapping[str, str]
) -> Explanation:
    if is_section(rule):
        keys = tuple(".".join(name) for name, _ in leaves(rule["schema"]))
        return Explanation(key, file, rule["meta"]["doc"], "", "", "", None, "", keys)
    value: Any = settings
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    below = key != ".".join(written)
    return Explanation(
        key=key,
        file=file,
        doc=doc_text(rule),
        kind=rule["meta"]["kind"],
        type="as in lstchain's file" if below else type_text(rule),
        default="as in lstchain's file" if below else default_text(rule),
        value=value,
        origin=origins.get(key, "in a list" if "[]" in key else "not set" if below else "default"),
    )
