"""A configuration written out: complete, as YAML with origins, its scientific part, and what differs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from typing import Any

from osa_luigi.config.frozen import thaw
from osa_luigi.config.model import Configuration, MainConfig, Origins, Procedure
from osa_luigi.config.problems import Key, dotted
from osa_luigi.config.procedure_schema import PROCEDURE
from osa_luigi.config.rules import SCIENTIFIC, Schema, is_section
from osa_luigi.config.yamlfile import plain_scalar

_CONFIGS = {
    ("calibration", "charge"),
    ("r0_to_dl1",),
    ("cat_b",),
    ("dl1ab",),
    ("dl2",),
}


def expanded(configuration: Configuration) -> dict[str, Any]:
    """The whole configuration as plain data, defaults filled in.

    ``main`` and ``procedure`` are keyed as in the YAML files, with paths as written there; ``base`` is the site's base as an
    absolute path, ``production_id`` has versions put in, ``lstchain`` the resolved lstchain configuration of each section.
    """
    procedure = configuration.procedure
    return {
        "production_id": procedure.production_id,
        "base": str(configuration.main.site.base),
        "main": thaw(configuration.main.settings),
        "procedure": thaw(procedure.settings),
        "lstchain": {dotted(section): thaw(_config(procedure, section)) for section in sorted(_CONFIGS)},
    }


def scientific(configuration: Configuration) -> dict[str, Any]:
    """The settings that change what is in a product, as plain data in the procedure's sections.

    ``config`` is the content of an lstchain configuration, with overrides and ``dl1ab.tailcuts`` already in it. The
    telescope is there as ``telescope``; ``fake`` is None unless steps are faked.
    """
    procedure = configuration.procedure
    result: dict[str, Any] = _scientific(PROCEDURE, procedure.settings, procedure, ())
    return {"telescope": configuration.main.site.telescope, **result}


def _scientific(schema: Schema, values: Mapping[str, Any], procedure: Procedure, key: Key) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, rule in schema.items():
        value, here = values[name], (*key, name)
        if key in _CONFIGS and name in ("overrides", "tailcuts"):
            continue
        if key in _CONFIGS and name == "config":
            result[name] = thaw(_config(procedure, key))
        elif is_section(rule):
            part = None if value is None else _scientific(rule["schema"], value, procedure, here)
            if part or rule["meta"]["optional"]:
                result[name] = part
        elif rule["meta"]["kind"] == SCIENTIFIC:
            result[name] = thaw(value)
    return result


def _config(procedure: Procedure, section: Key) -> Mapping[str, Any]:
    part: Any = procedure
    for name in section:
        part = getattr(part, str(name))
    config: Mapping[str, Any] = part.config
    return config


def show(configuration: Configuration) -> str:
    """The complete configuration as YAML.

    Behind each value stands where it comes from, ``file:line`` or ``default``, and what it amounts to, if that is not
    what is written: an absolute path, a version.
    """
    main, procedure = configuration.main, configuration.procedure
    lines = [
        f"# {configuration}",
        "main:",
        *yaml_lines(main.settings, _comments(main.origins, _main_meanings(main)), (), 1),
        "procedure:",
        *yaml_lines(procedure.settings, _comments(procedure.origins, _procedure_meanings(procedure)), (), 1),
    ]
    return "\n".join(lines) + "\n"


Comment = Callable[[str, str], str]


def _comments(origins: Origins, meanings: Mapping[str, str]) -> Comment:
    def comment(key: str, value: str) -> str:
        origin = origins.get(key, "default")
        meaning = meanings.get(key, value)
        return origin if meaning == value else f"{origin} → {meaning}"

    return comment


def _main_meanings(main: MainConfig) -> dict[str, str]:
    paths = {f"site.paths.{item.name}": getattr(main.site.paths, item.name) for item in fields(main.site.paths)}
    return {key: str(path) for key, path in {"site.base": main.site.base, **paths}.items() if path}


def _procedure_meanings(procedure: Procedure) -> dict[str, str]:
    dl2 = procedure.dl2
    folders = {"dl2.models": dl2.models, "dl2.model_choice.base": dl2.choice and dl2.choice.base}
    return {"production_id": procedure.production_id, **{key: str(path) for key, path in folders.items() if path}}


def yaml_lines(values: Mapping[str, Any], comment: Comment, key: Key = (), depth: int = 0) -> Iterator[str]:
    """Settings as YAML, with `comment(full key, value as text)` behind each."""
    for name, value in values.items():
        here = (*key, name)
        head = f"{'  ' * depth}{scalar(name)}:"
        if isinstance(value, Mapping) and value:
            yield head
            yield from yaml_lines(value, comment, here, depth + 1)
        else:
            yield f"{head} {scalar(value)}  # {comment(dotted(here), str(value))}"


def scalar(value: Any) -> str:
    """A value in one line of YAML."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(scalar(item) for item in value)}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{scalar(name)}: {scalar(item)}' for name, item in value.items())}}}"
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return ".inf" if value > 0 else "-.inf"
    if isinstance(value, str) and _is_plain(value):
        return value
    return json.dumps(value)


_PLAIN = re.compile(r"[A-Za-z0-9_./$][A-Za-z0-9_./${}+:-]*")


def _is_plain(text: str) -> bool:
    """Whether a text can stand in YAML without quotes and still mean itself."""
    return bool(_PLAIN.fullmatch(text)) and not text.endswith(":") and "{" not in text and _is_text(text)


def _is_text(word: str) -> bool:
    """Whether a word without quotes is a text to YAML."""
    try:
        return isinstance(plain_scalar(word), str)
    except ValueError:
        return False  # a number that nobody can use


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What changed from one mapping to another, a line each: ``dl1ab.images: true → false``."""
    return [f"{key}: {brief(before)} → {brief(after)}" for key, before, after in changes(old, new)]


def changes(old: Mapping[str, Any], new: Mapping[str, Any], key: Key = ()) -> Iterator[tuple[str, Any, Any]]:
    """What changed from one mapping to another: full key, value before and after, `ABSENT` for none."""
    for name in [*old, *(name for name in new if name not in old)]:
        here = (*key, name)
        before, after = old.get(name, ABSENT), new.get(name, ABSENT)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            yield from changes(before, after, here)
        elif thaw(before) != thaw(after) or isinstance(before, bool) is not isinstance(after, bool):
            yield dotted(here), before, after


class _Absent:
    def __repr__(self) -> str:
        return "(not there)"


ABSENT = _Absent()


def brief(value: Any) -> str:
    """A value in one line, cut short."""
    text = repr(value) if value is ABSENT else scalar(value)
    return text if len(text) <= 80 else text[:77] + "..."
