"""Workflows: procedures in their order, under one name; a workflow may hold others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from osa_luigi.config.problems import Key, suggestion
from osa_luigi.config.validate import Checked


@dataclass(frozen=True, slots=True)
class Workflow:
    """Procedures to run one after the other.

    `tasks` as written; `order` has the procedures alone, those of inner workflows in their places, each where it comes first.
    """

    name: str
    tasks: tuple[str, ...]
    order: tuple[str, ...]
    origin: str


@dataclass(frozen=True, slots=True)
class _Written:
    """A workflow in its file."""

    holder: Checked
    key: Key
    name: str
    tasks: tuple[str, ...]

    def task(self, index: int) -> Key:
        """The key of a task."""
        return (*self.key, "tasks", index)


def read_workflows(holders: Iterable[Checked], procedures: Mapping[str, Checked]) -> list[Workflow]:
    """All workflows; what is wrong with one goes to the problems of the file that holds it."""
    written = [one for holder in holders for one in _written(holder)]
    named: dict[str, _Written] = {}
    for one in written:
        _check_name(one, named, procedures)
        named.setdefault(one.name, one)
    for one in written:
        _check_tasks(one, named, procedures)
    return [_workflow(one, named) for one in named.values()]


def _written(holder: Checked) -> Iterator[_Written]:
    entries = holder.document.value.get("workflows") or ()
    for index, entry in enumerate(entries if holder.good("workflows") else ()):
        key = ("workflows", index)
        if holder.good(*key) and holder.good(*key, "name"):
            tasks = entry["tasks"] if holder.sound(*key, "tasks") else ()
            yield _Written(holder, key, entry["name"], tuple(tasks))


def _check_name(one: _Written, named: Mapping[str, _Written], procedures: Mapping[str, Checked]) -> None:
    first = named.get(one.name)
    place = first.holder.document.where((*first.key, "name")) if first else None
    other = procedures.get(one.name)
    if place:
        one.holder.report((*one.key, "name"), f"{one.name!r} is the name of another workflow, too ({place.short})")
    elif other:
        there = other.document.where(("name",)).short
        one.holder.report((*one.key, "name"), f"{one.name!r} is the name of a procedure, too ({there})")


def _check_tasks(one: _Written, named: Mapping[str, _Written], procedures: Mapping[str, Checked]) -> None:
    for index, task in enumerate(one.tasks):
        if task in one.tasks[:index]:
            one.holder.report(one.task(index), f"{task!r} is there twice: within a workflow each runs once")
        elif task not in procedures and task not in named:
            hint = suggestion(task, [name for name in (*procedures, *named) if name != one.name])
            one.holder.report(one.task(index), f"no procedure or workflow {task!r} {hint}")
        elif (circle := _circle(one, task, named)) and one.name == min(circle):
            text = f"workflows hold one another in a circle: {' → '.join(circle)}"
            one.holder.report(one.task(index), text)


def _circle(one: _Written, task: str, named: Mapping[str, _Written]) -> list[str]:
    """The way from a workflow by one of its tasks back to itself; empty if there is none."""
    ways, seen = [[one.name, task]], {task}
    while ways:
        way = ways.pop()
        if way[-1] == one.name:
            return way
        inner = named.get(way[-1])
        for name in inner.tasks if inner else ():
            if name not in seen:
                seen.add(name)
                ways.append([*way, name])
    return []


def _workflow(one: _Written, named: Mapping[str, _Written]) -> Workflow:
    origin = one.holder.document.where((*one.key, "name")).short
    return Workflow(one.name, one.tasks, tuple(_flat(one, named)), origin)


def _flat(one: _Written, named: Mapping[str, _Written]) -> list[str]:
    """The procedures of a workflow in their order, each once; a circle, which is refused, is cut."""
    order: dict[str, None] = {}
    pending, entered = list(reversed(one.tasks)), {one.name}
    while pending:
        name = pending.pop()
        if name not in named:
            order.setdefault(name)
        elif name not in entered:
            entered.add(name)
            pending.extend(reversed(named[name].tasks))
    return list(order)
