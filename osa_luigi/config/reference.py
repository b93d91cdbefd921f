"""The tables of docs/configuration.md, made from the schemas: ``python -m osa_luigi.config.reference`` prints them."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from osa_luigi.config.render import scalar
from osa_luigi.config.rules import Schema, is_section, leaves
from osa_luigi.config.schema import MAIN, PROCEDURE

BEGIN = "<!-- reference: made by `python -m osa_luigi.config.reference` -->"
END = "<!-- end of reference -->"

_TYPES = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "list": "list of texts",
    "dict": "mapping",
}


def reference_markdown() -> str:
    """Every key of both files: kind, type, default, and what it is for."""
    parts = [BEGIN, *_file("The main file", MAIN), *_file("A procedure", PROCEDURE), END]
    return "\n\n".join(parts)


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
    cells = [f"`{'.'.join(key)}`", meta["kind"], _type(rule), _default(rule), _doc(rule)]
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _type(rule: Schema) -> str:
    choices = ", ".join(f"`{choice}`" for choice in rule.get("allowed", ()))
    unit = rule["meta"].get("unit")
    return (choices or _TYPES[rule["type"]]) + (f" ({unit})" if unit else "")


def _default(rule: Schema) -> str:
    return "required" if rule.get("required") else f"`{scalar(rule['default'])}`"


def _doc(rule: Schema) -> str:
    meta = rule["meta"]
    path = f" Path, relative to {meta['path']}." if "path" in meta else ""
    later = f" Not yet: {', '.join(meta['later'])}." if "later" in meta else ""
    return f"{meta['doc']}{path}{later}"


if __name__ == "__main__":
    sys.stdout.write(reference_markdown() + "\n")
