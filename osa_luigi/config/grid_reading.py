"""The dimensions of a grid as a file writes them: ``{key, values}``, or ``{template, default, values}``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from osa_luigi.config.frozen import FrozenMapping
from osa_luigi.config.grid import Choice, Dimension, leaves, nested
from osa_luigi.config.problems import Key, Problems, suggestion
from osa_luigi.config.validate import Checked, shown
from osa_luigi.config.yamlfile import parse_yaml

MOST_VALUES = 10_000
FORMS = {"key": ("key", "values"), "template": ("template", "default", "values")}
RANGE = ("start", "stop", "step")
VALUE = "value"
"""What a template calls a value that is not a mapping."""


def read_grid(checked: Checked) -> tuple[Dimension, ...]:
    """All dimensions of a campaign's grid; they count only if no problem was noted."""
    given = checked.get("grid")
    found = [_dimension(checked, ("grid", number), item) for number, item in enumerate(given)]
    dimensions = tuple(dimension for dimension in found if dimension and dimension.choices)
    _refuse_twice(checked, dimensions)
    return dimensions


def _dimension(checked: Checked, key: Key, item: Any) -> Dimension | None:
    form = next((name for name in FORMS if isinstance(item, dict) and name in item), None)
    if form is None:
        checked.report(key, "must be {key: [...], values: ...} or {template: ..., values: ...}")
        return None
    if unknown := [name for name in item if name not in FORMS[form]]:
        checked.report((*key, unknown[0]), f"unknown key {suggestion(unknown[0], FORMS[form])}")
        return None
    values = _values(checked, (*key, "values"), item.get("values"))
    choices = _of_key(checked, key, item, values) if form == "key" else _of_template(checked, key, item, values)
    return Dimension(key, tuple(choices))


def _of_key(checked: Checked, key: Key, item: Mapping[str, Any], values: list[Any]) -> Iterator[Choice]:
    parts = item["key"]
    if not (isinstance(parts, list) and parts and all(isinstance(part, str) and part for part in parts)):
        checked.report((*key, "key"), "must be a list of names, as [dl1ab, tailcuts, picture_thresh]")
        return
    names = ".".join(parts).split(".")
    for value in values:
        yield Choice(FrozenMapping({names[-1]: value}), FrozenMapping(nested(names, value)))


def _of_template(checked: Checked, key: Key, item: Mapping[str, Any], values: list[Any]) -> Iterator[Choice]:
    template, default = item["template"], item.get("default") or {}
    if not isinstance(template, str):
        checked.report((*key, "template"), f"must be a text, not {shown(template)}")
        return
    if not isinstance(default, dict):
        checked.report((*key, "default"), f"must be 'name: value' lines, not {shown(default)}")
        return
    for number, value in enumerate(values):
        labels = {**default, **(value if isinstance(value, dict) else {VALUE: value})}
        changes = _rendered(checked, key, number, template, labels)
        if changes is None:
            return
        yield Choice(FrozenMapping(labels), FrozenMapping(changes))


def _rendered(checked: Checked, key: Key, number: int, template: str, labels: Mapping[str, Any]) -> Any:
    """The settings that a template says for a value; None, with the problem noted, if it says none."""
    from osa_luigi.config.templating import TROUBLE, fill_in

    try:
        text = fill_in(template, labels)
    except TROUBLE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        checked.report((*key, "template"), f"cannot be filled in for values[{number}]: {reason}")
        return None
    problems = Problems()
    document = parse_yaml(checked.document.path, text, problems)
    if document is None or problems:
        said = problems.lines()[0].rpartition(": ")[2]
        checked.report((*key, "template"), f"with values[{number}] it is not settings of a procedure: {said}")
        return None
    return document.value


def _values(checked: Checked, key: Key, given: Any) -> list[Any]:
    if isinstance(given, dict):
        return _range(checked, key, given)
    if not isinstance(given, list) or not given:
        checked.report(key, "must be a list of values, or {start: 0, stop: ..., step: 1}")
        return []
    return _not_too_many(checked, key, given)


def _range(checked: Checked, key: Key, given: Mapping[str, Any]) -> list[Any]:
    """From `start` on in steps, `stop` excluded; decimal numbers stay what they look like."""
    if unknown := [name for name in given if name not in RANGE]:
        checked.report((*key, unknown[0]), f"unknown key {suggestion(unknown[0], RANGE)}")
        return []
    numbers = {"start": 0, "step": 1, **given}
    bad = [name for name in RANGE if not _is_number(numbers.get(name))]
    if bad:
        checked.report((*key, bad[0]), f"{bad[0]} must be a number")
        return []
    start, stop, step = (Decimal(str(numbers[name])) for name in RANGE)
    if step == 0 or (stop - start) / step <= 0:
        checked.report(key, f"holds no value: from {start} in steps of {step}, {stop} excluded")
        return []
    count = min(int(-((start - stop) // step)) + 1, MOST_VALUES + 1)
    values = (start + number * step for number in range(count))
    found = [value for value in values if (value < stop if step > 0 else value > stop)]
    return _not_too_many(checked, key, [int(one) if one == one.to_integral_value() else float(one) for one in found])


def _is_number(value: Any) -> bool:
    finite = isinstance(value, int | float) and not isinstance(value, bool)
    return finite and abs(value) < 1e15


def _not_too_many(checked: Checked, key: Key, values: list[Any]) -> list[Any]:
    if len(values) > MOST_VALUES:
        checked.report(key, f"holds more than {MOST_VALUES} values")
        return []
    return values


def _refuse_twice(checked: Checked, grid: tuple[Dimension, ...]) -> None:
    """A setting that two dimensions change would be what the later one says, whatever the earlier one does."""
    first: dict[tuple[str, ...], Key] = {}
    for dimension in grid:
        for name in {name for choice in dimension.choices for name, _ in leaves(choice.changes)}:
            other = first.setdefault(name, dimension.key)
            if other != dimension.key:
                text = f"{'.'.join(name)} is changed by another dimension, too (grid[{other[-1]}])"
                checked.report(dimension.key, text)
