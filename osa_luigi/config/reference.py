"""The tables of docs/configuration.md, made from the schemas: ``python -m osa_luigi.config.reference`` prints them."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping

from osa_luigi.config.kinds import SCHEMAS
from osa_luigi.config.main_schema import MAIN
from osa_luigi.config.render import scalar
from osa_luigi.config.rules import Schema, are_records, is_section, leaves

BEGIN = "<!-- reference: made by `python -m osa_luigi.config.reference` -->"
END = "<!-- end of reference -->"

FILES: Mapping[str, Schema] = {
    "The main file": MAIN,
    **{f"A procedure of type {kind}": schema for kind, schema in SCHEMAS.items()},
}
"""Heading → what may stand there."""

_TYPES: Mapping[str | tuple[str, ...], str] = {
    ("string", "list"): "text, or list of texts",
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "list": "list",
    "dict": "mapping",
}


def reference_markdown() -> str:
    """Every key of the main file and of procedures: kind, type, default, and what it is for."""
    parts = [part for title, schema in FILES.items() for part in _file(title, schema)]
    return "\n\n".join([BEGIN, *parts, END])


def _file(title: str, schema: Schema) -> Iterator[str]:
    yield f"### {title}"
    loose = {name: rule for name, rule in schema.items() if not is_section(rule)}
    yield _table(loose, ())
    for name, rule in schema.items():
        if is_section(rule):
            yield f"#### `{name}`"
            yield f"{rule['meta']['doc']}{' Optional.' if rule['meta']['optional'] else ''}"
            yield _table(rule["schema"], (name,))


def _table(schema: Schema, prefix: tuple[str, ...]) -> str:
    rows = [_row((*prefix, *key), rule) for key, rule in leaves(schema)]
    return "\n".join(["| key | kind | type | default | what it is for |", "|---|---|---|---|---|", *rows])


def _row(key: tuple[str, ...], rule: Schema) -> str:
    meta = rule["meta"]
    cells = [f"`{'.'.join(key)}`", meta["kind"], type_text(rule), default_text(rule), doc_text(rule)]
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def type_text(rule: Schema) -> str:
    """What a value may be."""
    choices = ", ".join(f"`{choice}`" for choice in rule.get("allowed", ()))
    unit = rule["meta"].get("unit")
    return (choices or _kind_of(rule)) + (f" ({unit})" if unit else "")


def _kind_of(rule: Schema) -> str:
    if are_records(rule):
        return "list of mappings"
    if rule["type"] == "list" and "schema" in rule:
        return "list of numbers" if rule["schema"]["type"] == "number" else "list of texts"
    return _TYPES[rule["type"]]


def default_text(rule: Schema) -> str:
    """What holds where nothing is said."""
    return "required" if rule.get("required") else f"`{scalar(rule['default'])}`"


def doc_text(rule: Schema) -> str:
    """What a setting is for, and what a path is relative to."""
    meta = rule["meta"]
    path = f" Path, relative to {meta['path']}." if "path" in meta else ""
    return f"{meta['doc']}{path}"


if __name__ == "__main__":
    sys.stdout.write(reference_markdown() + "\n")
