"""What model.py holds, as JSON and back, by the types that its fields are declared with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from osa_luigi.batch.slurm import exchange as ex

Kind = TypeVar("Kind")

KINDS: Mapping[str, type[Any]] = {kind.__name__: kind for kind in (*get_args(ex.Event), *get_args(ex.Command))}
"""Events and commands by their names."""


def encode(value: Any) -> Any:
    """A value of model.py in JSON's own types; of a dataclass without what is as by default."""
    if isinstance(value, tuple | list):
        return [encode(held) for held in value]
    if isinstance(value, Mapping):
        return {str(key): encode(held) for key, held in value.items()}
    if isinstance(value, StrEnum):
        return str(value)
    return value if isinstance(value, _PLAIN) else encode(opened(value))


_PLAIN = (str, int, float, bool, type(None))


def opened(value: Any) -> Any:
    """One level of `encode`, of what JSON does not know: a writer of JSON asks for it piece by piece, and thousands never exist at once.

    Raises
    ------
    TypeError
        Of no kind that model.py holds.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: held for field in fields(value) if (held := getattr(value, field.name)) != field.default}
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{value!r:.80} ({type(value).__name__}) is nothing that is recorded")


def decode(kind: type[Kind], data: Any) -> Kind:
    """The value of a type that `encode` described.

    Raises
    ------
    ValueError, TypeError, KeyError
        It describes none, perhaps because another version wrote it.
    """
    found: Kind = _decode(kind, data)
    return found


def encode_kind(value: ex.Event | ex.Command) -> dict[str, Any]:
    """An event or a command, with its name."""
    return {"is": type(value).__name__, **encode(value)}


def opened_kind(value: ex.Event | ex.Command) -> dict[str, Any]:
    """As `encode_kind`, of which what it holds is for `opened`."""
    return {"is": type(value).__name__, **opened(value)}


def decode_kind(data: Mapping[str, Any]) -> Any:
    """The event or command that `encode_kind` described; errors as of `decode`."""
    return decode(KINDS[data["is"]], {name: held for name, held in data.items() if name != "is"})


def _decode(kind: Any, data: Any) -> Any:
    if isinstance(kind, type) and is_dataclass(kind):
        hints = _hints(kind)
        return kind(**{name: _decode(hints[name], held) for name, held in data.items()})
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return None if data is None else _decode(next(one for one in inner if one is not type(None)), data)
    if origin is tuple:
        kinds = [inner[0]] * len(data) if inner[-1] is Ellipsis else inner
        return tuple(_decode(one, held) for one, held in zip(kinds, data, strict=True))
    if origin is frozenset:
        return frozenset(_decode(inner[0], held) for held in data)
    if origin is not None and issubclass(origin, Mapping):
        return {_decode(inner[0], key): _decode(inner[1], held) for key, held in data.items()}
    return _plain(kind, data)


def _plain(kind: Any, data: Any) -> Any:
    if kind is datetime:
        return datetime.fromisoformat(data)
    if kind in (int, float) or issubclass(kind, StrEnum):
        return kind(data)
    if not isinstance(data, kind):
        raise TypeError(f"{data!r} is no {kind.__name__}")
    return data


@cache
def _hints(kind: type[Any]) -> Mapping[str, Any]:
    return get_type_hints(kind)
