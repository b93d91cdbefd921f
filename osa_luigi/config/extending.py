"""Inheritance between procedures: what ``extends`` names is merged in, and each value keeps the place where it was written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from osa_luigi.config.kinds import type_of, with_article
from osa_luigi.config.problems import Key, Problems, suggestion
from osa_luigi.config.yamlfile import Document, Inherited

OWN = ("name", "extends")
"""What a procedure never inherits."""


class Family:
    """The procedures of a library as written, and each with what it inherits."""

    def __init__(self, documents: Iterable[Document]) -> None:
        self._named: dict[str, Document] = {}
        for document in documents:
            self._named.setdefault(_name(document), document)
        self._whole: dict[str, Document] = {}

    def whole(self, document: Document, problems: Problems) -> Document:
        """A procedure with all that it inherits; what is wrong on the way goes into `problems`."""
        chain = self._chain(document, problems)
        result = self._known(chain[-1])
        for own in reversed(chain[:-1]):
            result = self._known(own) or extended(own, result or chain[-1])
            if self._named.get(_name(own)) is own:
                self._whole[_name(own)] = result
        return result or document

    def _known(self, document: Document) -> Document | None:
        return self._whole.get(_name(document)) if self._named.get(_name(document)) is document else None

    def _chain(self, document: Document, problems: Problems) -> list[Document]:
        """The procedure, what it extends, what that extends, and so on; it alone where they are no chain."""
        chain, places = [document], {id(document): 0}
        while isinstance(wanted := chain[-1].value.get("extends"), str):
            base = self._named.get(wanted)
            if base is None:
                _blame(chain[-1], self._unknown(chain[-1], wanted), problems)
                return [document]
            if id(base) in places:
                _blame_circle(chain[places[id(base)] :], problems)
                return [document]
            places[id(base)] = len(chain)
            chain.append(base)
        return chain if _of_one_type(chain, problems) else [document]

    def _unknown(self, document: Document, wanted: str) -> str:
        others = [name for name in self._named if name and name != _name(document)]
        return f"no procedure {wanted!r} {suggestion(wanted, others)}"


def _blame(document: Document, text: str, problems: Problems) -> None:
    problems.add(document.where(("extends",)), document.dotted(("extends",)), text)


def _blame_circle(circle: list[Document], problems: Problems) -> None:
    """All who meet a circle say it in the same words."""
    first = circle.index(min(circle, key=_name))
    turned = [*circle[first:], *circle[:first]]
    names = " → ".join(map(_name, (*turned, turned[0])))
    _blame(turned[0], f"procedures extend one another in a circle: {names}", problems)


def _of_one_type(chain: list[Document], problems: Problems) -> bool:
    """Whether all that say their type say that of the first ancestor."""
    first = type_of(chain[-1].value)
    for document in chain[:-1]:
        own = type_of(document.value)
        if "type" in document.value and own != first:
            text = f"{_name(chain[-1])!r} is {with_article(first)}, this is {with_article(own)}: only the like can be extended"
            _blame(document, text, problems)
            return False
    return True


def _name(document: Document) -> str:
    name = document.value.get("name")
    return name if isinstance(name, str) else ""


@dataclass(slots=True)
class _Merge:
    """Puts one procedure over another; `replaced` has what is hidden of the lower one."""

    replaced: set[Key] = field(default_factory=set)

    def merged(self, base: Mapping[str, Any], own: Mapping[str, Any], key: Key = ()) -> dict[str, Any]:
        result = dict(base)
        for name, value in own.items():
            below, here = base.get(name), (*key, name)
            if isinstance(value, dict) and isinstance(below, dict):
                result[name] = self.merged(below, value, here)
            elif name in base and value is None:
                del result[name]  # null puts the default back
                self.replaced.add(here)
            else:
                result[name] = value
                self.replaced.add(here)
        return result


def extended(own: Document, base: Document) -> Document:
    """A procedure over the one that it extends: mappings are merged, all else is replaced, null puts the default back."""
    merge = _Merge()
    value = merge.merged({name: item for name, item in base.value.items() if name not in OWN}, own.value)
    mine = set(_paths(own.value))
    keys = {own.root + key: own.keys[own.root + key] for key in mine if own.root + key in own.keys}
    values = {own.root + key: own.values[own.root + key] for key in mine}
    inherited: dict[Key, Inherited] = {}
    for key in _paths(base.value):
        if key in mine or key[:1] in [(name,) for name in OWN] or _hidden(key, merge.replaced):
            continue
        below, here = base.root + key, own.root + key
        values[here] = base.values[below]
        if below in base.keys:
            keys[here] = base.keys[below]
        inherited[here] = base.inherited.get(below) or Inherited(base.dotted(key), _name(base))
    top = {own.root: own.where(())}
    return replace(own, value=value, keys=keys, values={**top, **values}, inherited=inherited)


def _hidden(key: Key, replaced: set[Key]) -> bool:
    return any(key[:length] in replaced for length in range(1, len(key) + 1))


def _paths(value: Any, key: Key = ()) -> Iterator[Key]:
    """The full key of everything in a value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, item in inside:
        yield (*key, name)
        yield from _paths(item, (*key, name))
