"""The schemas as JSON Schema, for editors: what an editor can know of a file without the others.

It is more lenient than `osa config validate` only where a procedure has `extends`: a key may be missing that is required, and any may be
null, which takes back what is inherited.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from osa_luigi.config.kinds import RECONSTRUCTION, SCHEMAS
from osa_luigi.config.main_schema import MAIN
from osa_luigi.config.reference import doc_text
from osa_luigi.config.rules import Schema, is_section
from osa_luigi.config.sharing import SHARING

DRAFT = "http://json-schema.org/draft-07/schema#"
"""The newest that editors know everywhere."""

_EXTENDS = {"properties": {"extends": {"type": "string"}}, "required": ["extends"]}

_HEAD = ("name", "type", "extends")
"""What is never inherited, or never taken back."""

_TYPES = {"string": "string", "integer": "integer", "number": "number", "boolean": "boolean", "dict": "object"}


def main_schema() -> dict[str, Any]:
    """Of a main file."""
    return {"$schema": DRAFT, "title": "Main file of osa_luigi", **_section(MAIN, lenient=False)}


def procedure_schema() -> dict[str, Any]:
    """Of a file with a procedure, or with a library."""
    whole = {kind: _section(schema, lenient=False) for kind, schema in SCHEMAS.items()}
    heirs = {_heir(kind): _inheriting(schema) for kind, schema in SCHEMAS.items()}
    named = [{"if": _has_type(kind), "then": _either(kind)} for kind in SCHEMAS if kind != RECONSTRUCTION]
    untyped = {"if": _EXTENDS, "then": {"anyOf": [_reference(_heir(kind)) for kind in SCHEMAS]}}
    others = {"if": {"required": ["type"]}, "then": {"if": _has_type(RECONSTRUCTION), "then": _either(RECONSTRUCTION)}}
    known = {"properties": {"type": {"enum": list(SCHEMAS)}}}
    procedure = {"allOf": [known, *named, {**others, "else": {**untyped, "else": _reference(RECONSTRUCTION)}}]}
    library = _section(SHARING, lenient=False)
    elements = {"type": "array", "minItems": 1, "items": _reference("procedure"), "description": "Procedures."}
    library["properties"]["procedures"] = elements
    return {
        "$schema": DRAFT,
        "title": "Procedure or library of osa_luigi",
        "definitions": {**whole, **heirs, "procedure": procedure, "library": library},
        "if": {"anyOf": [{"required": [name]} for name in library["properties"]]},
        "then": _reference("library"),
        "else": _reference("procedure"),
    }


def _has_type(kind: str) -> dict[str, Any]:
    return {"properties": {"type": {"const": kind}}, "required": ["type"]}


def _reference(name: str) -> dict[str, str]:
    return {"$ref": f"#/definitions/{name}"}


def _either(kind: str) -> dict[str, Any]:
    """A procedure that says all itself, or one that leaves things to the one that it extends."""
    return {"if": _EXTENDS, "then": _reference(_heir(kind)), "else": _reference(kind)}


def _heir(kind: str) -> str:
    return f"{kind}_extending"


def _inheriting(schema: Schema) -> dict[str, Any]:
    """One type of procedure as it may be written beside `extends`; its head is not inherited."""
    found = _section(schema, lenient=True)
    own = {name: _rule(schema[name], lenient=False) for name in _HEAD if name in schema}
    return {**found, "properties": {**found["properties"], **own}, "required": ["name"]}


def _section(schema: Schema, *, lenient: bool) -> dict[str, Any]:
    properties = {name: _rule(rule, lenient=lenient) for name, rule in schema.items()}
    required = [name for name, rule in schema.items() if rule.get("required") and not lenient]
    needed = {"required": required} if required else {}
    return {"type": "object", "properties": properties, "additionalProperties": False, **needed}


def _rule(rule: Schema, *, lenient: bool) -> dict[str, Any]:
    if is_section(rule):
        return _nullable({**_section(rule["schema"], lenient=lenient), "description": rule["meta"]["doc"]})
    found = _leaf(rule)
    return _nullable(found) if lenient or rule.get("nullable") else found


def _leaf(rule: Schema) -> dict[str, Any]:
    found: dict[str, Any] = {"description": f"{doc_text(rule)} ({rule['meta']['kind']})", **_type(rule)}
    if not rule.get("required"):
        found["default"] = rule["default"]
    return {**found, **_limits(rule)}


def _type(rule: Schema) -> dict[str, Any]:
    kinds = rule["type"] if isinstance(rule["type"], tuple) else [rule["type"]]
    names = ["array" if kind == "list" else _TYPES[kind] for kind in kinds]
    found: dict[str, Any] = {"type": names[0] if len(names) == 1 else names}
    inner = rule.get("schema")
    if "list" in kinds and inner:
        found["items"] = (
            _section(inner["schema"], lenient=False) if is_section(inner) else {**_type(inner), **_limits(inner)}
        )
    return found


def _limits(rule: Schema) -> dict[str, Any]:
    limits: dict[str, Any] = {}
    if "allowed" in rule:
        limits["enum"] = list(rule["allowed"])
    if "regex" in rule:
        limits["pattern"] = f"^(?:{rule['regex']})$"
    if "min" in rule:
        limits["minimum"] = rule["min"]
    if "max" in rule:
        limits["maximum"] = rule["max"]
    if "minlength" in rule:
        limits["minItems" if rule["type"] == "list" else "minLength"] = rule["minlength"]
    return limits


def _nullable(found: Mapping[str, Any]) -> dict[str, Any]:
    kinds = found["type"] if isinstance(found["type"], list) else [found["type"]]
    more = {"enum": [*found["enum"], None]} if "enum" in found else {}
    return {**found, "type": [*kinds, "null"], **more}


SCHEMA_OF = {"main": main_schema, "procedure": procedure_schema}
