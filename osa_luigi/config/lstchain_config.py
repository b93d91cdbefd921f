"""lstchain's JSON configurations: found without importing lstchain, completed, and overridden key by key."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from osa_luigi.config.frozen import FrozenMapping, thaw
from osa_luigi.config.paths import PathError, located, not_a_file
from osa_luigi.config.problems import Key, Position, Problems, dotted, suggestion
from osa_luigi.config.validate import Checked, shown
from osa_luigi.config.yamlfile import read_text

SHIPPED = "lstchain:"
STANDARD = "lstchain_standard_config.json"


def lstchain_version() -> str | None:
    """The installed lstchain's version; None without lstchain."""
    try:
        return importlib.metadata.version("lstchain")
    except importlib.metadata.PackageNotFoundError:
        return None


@cache
def lstchain_data() -> Path | None:
    """The folder of the files that lstchain ships; None without lstchain."""
    spec = find_spec("lstchain")
    return Path(spec.origin).parent / "data" if spec and spec.origin else None


def resolve(checked: Checked, section: Key, *, over_standard: bool) -> FrozenMapping:
    """The configuration that `section` of a procedure names, with its overrides; problems go where `checked` has them.

    With `over_standard` its top-level keys replace those of lstchain's standard configuration, as lstchain's own
    scripts do it (`lstchain.io.config.replace_config`), so that the result is complete.
    """
    settings = checked.get(*(str(part) for part in section))
    base = _named(checked, (*section, "config"), settings["config"], over_standard)
    if base is None:
        return FrozenMapping()
    merge = _Merge(checked, base)
    return FrozenMapping(merge.merged(base, settings["overrides"], (*section, "overrides")))


def _named(checked: Checked, key: Key, reference: str, over_standard: bool) -> dict[str, Any] | None:
    try:
        path = _find(reference, checked.document.folder(key))
        standard = _find(SHIPPED + STANDARD, Path())
    except PathError as error:
        checked.report(key, str(error))
        return None
    trouble = Problems()
    content = read_json(path, trouble)
    base = read_json(standard, trouble) if over_standard else FrozenMapping()
    for line in trouble.lines():
        checked.report(key, line)
    return None if content is None or base is None else {**thaw(base), **thaw(content)}


def _find(reference: str, folder: Path) -> Path:
    if not reference.startswith(SHIPPED):
        return located(reference, folder)
    name = reference.removeprefix(SHIPPED)
    data = lstchain_data()
    if data is None:
        raise PathError("lstchain is not installed here")
    path = located(name, data)
    if wrong := not_a_file(path):
        shipped = sorted(file.name for file in data.glob("*.json"))
        raise PathError(f"{wrong} {suggestion(name, shipped)}")
    return path


_read: dict[tuple[Path, int, int], FrozenMapping] = {}


def read_json(path: Path, problems: Problems) -> FrozenMapping | None:
    """A JSON file's content, whose top must be an object; lstchain's ``Infinity`` is allowed."""
    try:
        status = path.stat()
        stamp = (path, status.st_mtime_ns, status.st_size)
    except (OSError, ValueError):
        stamp = (path, 0, -1)
    if stamp not in _read:
        content = _fresh_json(path, problems)
        if content is None:
            return None
        _read[stamp] = content
    return _read[stamp]


def _fresh_json(path: Path, problems: Problems) -> FrozenMapping | None:
    text = read_text(path, problems)
    if text is None:
        return None
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        problems.add(Position(path, error.lineno, error.colno), "", f"not valid JSON: {error.msg}")
        return None
    except (ValueError, RecursionError) as error:
        problems.add(Position(path), "", f"not usable JSON: {error}")
        return None
    if not isinstance(content, dict):
        problems.add(Position(path, 1, 1), "", "a JSON object is expected at the top of the file")
        return None
    return FrozenMapping(content)


class _Merge:
    """Merges overrides into a base, reporting those that fit nowhere."""

    def __init__(self, checked: Checked, base: Mapping[str, Any]) -> None:
        self.checked = checked
        self.base = base

    def merged(self, base: Mapping[str, Any], overrides: Mapping[str, Any], key: Key) -> dict[str, Any]:
        result = dict(base)
        for name, value in overrides.items():
            if name not in base:
                self._unknown(name, base, (*key, name))
            else:
                result[name] = self._value(base[name], value, (*key, name))
        return result

    def _value(self, old: Any, new: Any, key: Key) -> Any:
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            return self.merged(old, new, key) if old else new
        if new != new:
            self.checked.report(key, "must not be .nan, which equals nothing, not even itself")
        wanted = _mismatch(old, new)
        if wanted:
            self.checked.report(key, f"must be {wanted}, not {shown(new)} (it is {shown(old)} in the file)")
        return new

    def _unknown(self, name: str, base: Mapping[str, Any], key: Key) -> None:
        hint = suggestion(name, base)
        elsewhere = [dotted(path) for path in _places(self.base, name)]
        if elsewhere and "did you mean" not in hint:
            hint = f"(it exists as {' and '.join(elsewhere[:3])})"
        self.checked.report_name(key, f"unknown key in the lstchain configuration {hint}")


def _places(base: Mapping[str, Any], name: str, key: Key = ()) -> Iterator[Key]:
    for own, value in base.items():
        if own == name:
            yield (*key, own)
        if isinstance(value, Mapping):
            yield from _places(value, name, (*key, own))


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "a text"
    return "'key: value' lines" if isinstance(value, Mapping) else "a list"


def _mismatch(old: Any, new: Any) -> str | None:
    """What was wanted, if the new value is of another kind than the old; null goes for any single value."""
    if isinstance(old, Mapping):
        return _kind(old)
    if old is None or new is None:
        return None
    return None if _kind(old) == _kind(new) else _kind(old)
