"""A document against a schema: cerberus finds what is wrong, here it is said with file, line and a hint."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from cerberus import Validator
from cerberus.errors import UNKNOWN_FIELD, ValidationError
from cerberus.schema import UnvalidatedSchema

from osa_luigi.config.kinds import RECONSTRUCTION, SCHEMAS, type_of
from osa_luigi.config.main_schema import MAIN
from osa_luigi.config.problems import Key, Position, Problems, suggestion
from osa_luigi.config.rules import Schema, are_records, completed, is_section, leaves
from osa_luigi.config.sharing import SHARING
from osa_luigi.config.yamlfile import Document

TYPE_WORDS: Mapping[str | tuple[str, ...], str] = {
    ("string", "list"): "a text or a list of texts",
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "dict": "'key: value' lines",
    "list": "a list",
}


@dataclass(frozen=True, slots=True)
class Checked:
    """A document, its values with the defaults filled in, and the basket for what is wrong.

    Wrong values are replaced by their defaults, so that checking can go on; `bad` has their keys, and those of values
    that turned out to be wrong later.
    """

    document: Document
    values: Mapping[str, Any]
    problems: Problems
    bad: set[Key]

    def get(self, *key: str) -> Any:
        """The value at a key; None if a group on the way is absent."""
        value: Any = self.values
        for name in key:
            value = None if value is None else value[name]
        return value

    def good(self, *key: str | int) -> bool:
        """Whether nothing is wrong with a value, nor with a group around it."""
        return not any(key[:length] in self.bad for length in range(1, len(key) + 1))

    def sound(self, *key: str | int) -> bool:
        """Whether nothing is wrong with a value, around it or in it."""
        return self.good(*key) and not any(bad[: len(key)] == key for bad in self.bad)

    def given(self, *key: str) -> bool:
        """Whether the file sets the key, well or badly."""
        return self.document.has(key)

    def report(self, key: Key, text: str) -> None:
        """Note a problem with a value, at its place, and count it as bad."""
        self.problems.add(self.document.where(key), self.document.dotted(key), text, self._note(key))
        self.bad.add(key)

    def report_name(self, key: Key, text: str) -> None:
        """Note a problem with a key's name, at its place."""
        self.problems.add(self.document.where_name(key), self.document.dotted(key), text, self._note(key))

    def _note(self, key: Key) -> str:
        return self.document.note(key, str(self.values.get("name")))


def check_main(document: Document, problems: Problems) -> Checked:
    """Check a main file against its schema."""
    return _check(document, MAIN, _validator("main"), problems)


def check_library(document: Document, problems: Problems) -> Checked:
    """Check what a library holds beside its procedures."""
    rest = {name: value for name, value in document.value.items() if name in SHARING}
    return _check(replace(document, value=rest), SHARING, _validator("library"), problems)


def check_procedure(document: Document, problems: Problems, *, partial: bool = False) -> Checked:
    """Check a procedure against the schema of its type; of a `partial` one, nobody asks what is missing."""
    kind = type_of(document.value)
    return _check(document, SCHEMAS[kind], _validator(kind), problems, partial=partial)


ALL_SCHEMAS: Mapping[str, Schema] = {"main": MAIN, "library": SHARING, **SCHEMAS}


@cache
def _validator(name: str) -> Validator:
    # To validate the schemas themselves takes longer than all else that a command does; a test does it.
    return Validator(UnvalidatedSchema(ALL_SCHEMAS[name]))


def _check(
    document: Document, schema: Schema, validator: Validator, problems: Problems, *, partial: bool = False
) -> Checked:
    validator.validate(document.value, normalize=False, update=partial)
    bad: set[Key] = set()
    for error in _flat(validator._errors):
        key = tuple(error.document_path)
        bad.add(key)
        position, text = _described(error, key, document, schema)
        problems.add(position, document.dotted(key), text)
    values = completed(schema, _without(document.value, bad))
    return Checked(document, values, problems, bad)


def _flat(errors: Iterable[ValidationError]) -> Iterator[ValidationError]:
    for error in errors:
        if error.child_errors:
            yield from _flat(error.child_errors)
        else:
            yield error


def _without(value: Any, bad: set[Key], key: Key = ()) -> Any:
    """A copy of the value without its bad parts."""
    if isinstance(value, dict):
        items = ((name, item, (*key, name)) for name, item in value.items())
        return {name: _without(item, bad, path) for name, item, path in items if path not in bad}
    if isinstance(value, list):
        return [_without(item, bad, (*key, index)) for index, item in enumerate(value) if (*key, index) not in bad]
    return value


def _described(error: ValidationError, key: Key, document: Document, schema: Schema) -> tuple[Position, str]:
    if error.code == UNKNOWN_FIELD.code:
        return document.where_name(key), f"unknown key {_hint(key, schema)}"
    describe = _MESSAGES.get(error.rule or "check_with", _other)
    return document.where(key), describe(error, _rule_at(schema, key))


def _rule_at(schema: Schema, key: Key) -> Schema:
    """The rule of a key; for a text in a list, the list's."""
    rule: Schema = {"type": "dict", "schema": schema, "meta": {}}
    for part in key:
        if not isinstance(part, int):
            rule = rule["schema"][part]
        elif are_records(rule):
            rule = rule["schema"]
        else:
            break
    return rule


def _known_at(schema: Schema, key: Key) -> list[str]:
    rule = _rule_at(schema, key)
    return list(rule["schema"]) if is_section(rule) else []


def _hint(key: Key, schema: Schema) -> str:
    """What an unknown key is likely to mean: one that is like it, or one of its name elsewhere."""
    name = str(key[-1])
    hint = suggestion(name, _known_at(schema, key[:-1]))
    if "did you mean" in hint:
        return hint
    if places := _places(name, schema):
        return f"(it exists as {' and '.join(places)})"
    if schema is not MAIN and name in MAIN:
        return "(it belongs into the main file)"
    return "(it belongs into a procedure)" if schema is MAIN and name in SCHEMAS[RECONSTRUCTION] else hint


def _places(name: str, schema: Schema) -> list[str]:
    """Where a key of this name exists; none if it is in too many places to be meant."""
    places = [".".join(key) for key, _ in leaves(schema) if key[-1] == name and len(key) > 1]
    return places if len(places) <= 3 else []


def shown(value: object) -> str:
    """A value as the operator wrote it, cut short."""
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict | list):
        return "a list" if isinstance(value, list) else "'key: value' lines"
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _type(error: ValidationError, rule: Schema) -> str:
    wanted = TYPE_WORDS[error.constraint]
    text = f"must be {wanted}, not {shown(error.value)}"
    if error.constraint == "string" and isinstance(error.value, dict) and "hint" in rule["meta"]:
        return f"{text} ({rule['meta']['hint']})"
    if error.constraint == "string" and isinstance(error.value, int | float):
        return f'{text} (put it in quotes: "{shown(error.value)}")'
    if error.constraint == "boolean" and str(error.value).lower() in ("yes", "no", "on", "off"):
        word = "true" if str(error.value).lower() in ("yes", "on") else "false"
        return f"{text} (write {word})"
    if error.constraint in ("integer", "number") and isinstance(error.value, str):
        return f"{text} (a number stands without quotes and unit)"
    return text


def _nullable(error: ValidationError, rule: Schema) -> str:
    in_list = isinstance(error.document_path[-1], int) and rule["type"] == "list"
    wanted = TYPE_WORDS["string" if in_list else rule["type"]]
    hint = "" if rule.get("required") else " (leave the key out for its default)"
    return f"must be {wanted}, not empty{hint}"


def _allowed(error: ValidationError, rule: Schema) -> str:
    if instead := rule["meta"].get("instead", {}).get(str(error.value)):
        return f"there is no {shown(error.value)} here: {instead}"
    choices = {str(choice).lower(): choice for choice in error.constraint}
    near = difflib.get_close_matches(str(error.value).lower(), choices, n=1)
    hint = f" (did you mean '{choices[near[0]]}'?)" if near else ""
    return f"must be one of {', '.join(error.constraint)}; not {shown(error.value)}{hint}"


def _regex(error: ValidationError, rule: Schema) -> str:
    return f"{shown(error.value)} will not do: {rule['meta'].get('hint', error.constraint)}"


def _required(error: ValidationError, rule: Schema) -> str:
    return f"is missing: {rule['meta']['doc']}"


def _unit(rule: Schema) -> str:
    unit = rule["meta"].get("unit")
    return f" {unit}" if unit else ""


def _min(error: ValidationError, rule: Schema) -> str:
    return f"must be at least {error.constraint}{_unit(rule)}, not {shown(error.value)}"


def _minlength(error: ValidationError, rule: Schema) -> str:
    return "must not be empty"


def _check_with(error: ValidationError, rule: Schema) -> str:
    return str(error.info[0])


def _other(error: ValidationError, rule: Schema) -> str:
    return f"breaks the rule {error.rule}: {error.constraint}"


_MESSAGES: dict[str, Callable[[ValidationError, Schema], str]] = {
    "type": _type,
    "nullable": _nullable,
    "allowed": _allowed,
    "regex": _regex,
    "required": _required,
    "min": _min,
    "minlength": _minlength,
    "check_with": _check_with,
}
