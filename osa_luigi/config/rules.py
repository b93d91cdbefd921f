"""The words in which the schemas are written: cerberus rules, plus what cerberus does not know (`meta`).

`meta` holds, for a leaf: ``kind`` ("scientific": changes what is in a product, so it enters the step keys;
"operational": may change at any time), ``doc`` (one sentence), ``unit``, ``instead`` (values of other systems →
what to write), ``hint`` (what a pattern asks for) and ``path`` (expand ``${NAME}``, take relative to a
folder). For a section: ``doc`` and ``optional`` (null means none).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

Schema = dict[str, Any]
Kind = Literal["scientific", "operational"]

SCIENTIFIC: Kind = "scientific"
OPERATIONAL: Kind = "operational"

Report = Callable[[str, str], None]


def leaf(kind: Kind, cerberus_type: str | tuple[str, ...], default: Any, doc: str, **more: Any) -> Schema:
    """One setting; `unit`, `path` and the like go into the meta data, all else to cerberus."""
    meta = {name: more.pop(name) for name in ("unit", "path", "hint", "instead") if name in more}
    rule: Schema = {"type": cerberus_type, "default": default, **more}
    if cerberus_type in ("float", "number"):
        rule["check_with"] = _finite
    if cerberus_type == "string":
        rule.setdefault("check_with", _printable)
    if default is None and "required" not in more:
        rule["nullable"] = True
    return {**rule, "meta": {"kind": kind, "doc": doc, **meta}}


def names(kind: Kind, default: list[str], doc: str, **more: Any) -> Schema:
    """A list of texts."""
    item = {"type": "string", "check_with": _printable}
    return leaf(kind, "list", default, doc, schema=item, **more)


def one_or_more(kind: Kind, doc: str, **more: Any) -> Schema:
    """A text, or a list of texts."""
    item = {"type": "string", "check_with": _printable}
    return leaf(kind, ("string", "list"), None, doc, schema=item, minlength=1, **more)


def free(kind: Kind, doc: str) -> Schema:
    """A mapping whose keys are checked elsewhere, against a file of lstchain's."""
    return {"type": "dict", "default": {}, "nullable": True, "meta": {"kind": kind, "doc": doc, "free": True}}


def records(kind: Kind, doc: str, schema: Schema) -> Schema:
    """A list of groups of settings, each with the same keys."""
    return leaf(
        kind, "list", [], doc, schema={"type": "dict", "schema": schema, "meta": {"doc": doc, "optional": False}}
    )


def section(doc: str, schema: Schema, *, optional: bool = False) -> Schema:
    """A group of settings; left empty it means: all defaults, or none at all if it is `optional`."""
    meta = {"doc": doc, "optional": optional}
    default: Schema | None = None if optional else {}
    return {"type": "dict", "nullable": True, "default": default, "schema": schema, "meta": meta}


def is_section(rule: Schema) -> bool:
    """Whether a rule groups others."""
    return rule["type"] == "dict" and "schema" in rule


def are_records(rule: Schema) -> bool:
    """Whether a rule is for a list of groups."""
    return rule["type"] == "list" and is_section(rule.get("schema", {"type": ""}))


def leaves(schema: Schema, prefix: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Schema]]:
    """Every setting of a schema with its full name, in the order written; those of a list's elements as ``list[].name``."""
    for name, rule in schema.items():
        if is_section(rule):
            yield from leaves(rule["schema"], (*prefix, name))
        else:
            yield (*prefix, name), rule
        if are_records(rule):
            yield from leaves(rule["schema"]["schema"], (*prefix, f"{name}[]"))


def completed(schema: Schema, given: Mapping[str, Any] | None) -> dict[str, Any]:
    """`given` with the defaults filled in, in the schema's order; keys the schema does not know are left out."""
    given = given or {}
    return {name: _complete(rule, given, name) for name, rule in schema.items()}


def _complete(rule: Schema, given: Mapping[str, Any], name: str) -> Any:
    value = given.get(name, rule["default"])
    if is_section(rule):
        absent = value is None and rule["meta"]["optional"]
        return None if absent else completed(rule["schema"], value)
    if rule["meta"].get("free"):
        return value or {}
    if are_records(rule):
        return [completed(rule["schema"]["schema"], one) for one in value or ()]
    if rule["type"] == "number" and isinstance(value, float) and value.is_integer():
        return int(value)  # 8.0 is 8: the same setting, the same step key
    return value


def _finite(field: str, value: Any, error: Report) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        error(field, f"must be a finite number, not {value}")


def _printable(field: str, value: Any, error: Report) -> None:
    if isinstance(value, str) and not value.isprintable():
        error(field, "must not hold control characters")
