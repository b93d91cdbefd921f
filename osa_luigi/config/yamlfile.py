"""YAML files with the line and column of every key and value.

The events of ruamel's parser are put together here, because composing hides what an operator has to be told: a
duplicate key, an anchor, a tag, a second document. Plain words mean what the core schema of YAML 1.2 says: ``no`` and
``2024-11-15`` are texts, ``012`` is twelve.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml import events as ev
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.reader import ReaderError

from osa_luigi.config.problems import Key, Position, Problems, dotted

MAX_DEPTH = 40
MAX_BYTES = 4_000_000

_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL_FLOAT = re.compile(r"([-+]?)\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


@dataclass(frozen=True, slots=True)
class Inherited:
    """Something that another procedure wrote: its full name in that one's file, and that one's name."""

    dotted: str
    procedure: str


@dataclass(frozen=True, slots=True)
class Document:
    """The content of a YAML file, or of a mapping within it, with positions.

    `value` is plain data; `keys` and `values` give the position of a key's name and of its value, by full path from
    the top of the file; `root` is where `value` stands in the file. `inherited` has what came from other procedures.
    """

    path: Path
    value: dict[str, Any]
    keys: Mapping[Key, Position] = field(default_factory=dict)
    values: Mapping[Key, Position] = field(default_factory=dict)
    root: Key = ()
    inherited: Mapping[Key, Inherited] = field(default_factory=dict)

    def where(self, key: Key) -> Position:
        """The position of a value; where the file has none, of the name of the nearest key around it."""
        return self.values.get(self.root + key) or self.where_name(key)

    def where_name(self, key: Key) -> Position:
        """The position of a key's name, or the nearest one around it."""
        full = self.root + key
        for length in range(len(full), 0, -1):
            found = self.keys.get(full[:length]) or self._element(full[:length])
            if found:
                return found
        return self.values.get((), Position(self.path))

    def _element(self, full: Key) -> Position | None:
        """The position of a list's element, which has no name."""
        return self.values.get(full) if isinstance(full[-1], int) else None

    def has(self, key: Key) -> bool:
        """Whether the file itself sets this key."""
        return self.root + key in self.values

    def dotted(self, key: Key) -> str:
        """The key's full name in the file where it stands."""
        full = self.root + key
        above, length = self._inherited(full)
        return dotted((above.dotted, *full[length:])) if above else dotted(full)

    def _inherited(self, full: Key) -> tuple[Inherited | None, int]:
        """What came with a key or the nearest one around it from another procedure, and how much of the key that is."""
        for length in range(len(full), len(self.root), -1):
            if found := self.inherited.get(full[:length]):
                return found, length
            if full[:length] in self.values:
                break
        return None, 0

    def folder(self, key: Key) -> Path:
        """The folder of the file where a value is written: what its relative paths mean."""
        return self.where(key).file.parent

    def note(self, key: Key, name: str) -> str:
        """Of something inherited: who meets it, and from whom it came."""
        above, _ = self._inherited(self.root + key)
        return f" (as {name!r} extends {above.procedure!r})" if above else ""

    def origins(self) -> dict[str, str]:
        """Where what was written: full key → ``file:line``, with the procedure that it was inherited from."""
        root = len(self.root)
        inside = (key for key in self.values if key[:root] == self.root and len(key) > root)
        return {dotted(key[root:]): self._origin(key) for key in inside}

    def _origin(self, full: Key) -> str:
        above = self.inherited.get(full)
        return f"{self.values[full].short}{f' (of {above.procedure})' if above else ''}"

    def part(self, key: Key) -> Document:
        """The mapping at `key` as a document of its own."""
        value: Any = self.value
        for step in key:
            value = value[step]
        return Document(self.path, value, self.keys, self.values, self.root + key)


def load_yaml(path: Path) -> Document:
    """Read a YAML file whose top is a mapping.

    Raises
    ------
    ConfigurationError
        Whatever is wrong with it: missing, a directory, not UTF-8, empty, a syntax error, a duplicate key.
    """
    problems = Problems()
    document = read_yaml(Path(path), problems)
    problems.raise_if_any()
    assert document is not None
    return document


def read_yaml(path: Path, problems: Problems) -> Document | None:
    """As `load_yaml`, but what is wrong goes into `problems`; None if nothing could be read."""
    text = read_text(path, problems)
    return None if text is None else parse_yaml(path, text, problems)


def parse_yaml(path: Path, text: str, problems: Problems) -> Document | None:
    """As `read_yaml`, of a text that was read already, from this file."""
    document, found = _parsed(path, text)
    problems.absorb(found)
    return document


@lru_cache(maxsize=32)
def _parsed(path: Path, text: str) -> tuple[Document | None, Problems]:
    """What a text says, and what is wrong with it; a library is read again and again, its text seldom changes."""
    problems = Problems()
    builder = _Builder(path, problems)
    try:
        value = builder.build(_events(path, text))
    except _UnreadableError as error:
        problems.add(error.position, "", error.text)
        return None, problems
    if isinstance(value, dict):
        return Document(path, value, builder.keys, builder.values), problems
    problems.add(Position(path, 1, 1), "", _not_a_mapping(value))
    return None, problems


def read_text(path: Path, problems: Problems) -> str | None:
    """A file as UTF-8 text; None, with a problem noted, when it cannot be had."""
    try:
        data = _bytes(path)
    except FileNotFoundError:
        problems.add(Position(path), "", "no such file")
    except IsADirectoryError:
        problems.add(Position(path), "", "is a directory, a file is expected")
    except (OSError, ValueError) as error:
        problems.add(Position(path), "", f"cannot be read: {getattr(error, 'strerror', None) or error}")
    else:
        return _decoded(path, data, problems)
    return None


def _bytes(path: Path) -> bytes:
    """What a file holds, and a little more than may be of it: devices and pipes never end."""
    mode = path.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise ValueError("it is a device or a pipe, a file is expected")
    with path.open("rb") as stream:
        return stream.read(MAX_BYTES + 1)


def _decoded(path: Path, data: bytes, problems: Problems) -> str | None:
    if len(data) > MAX_BYTES:
        problems.add(Position(path), "", f"is no configuration file: more than {MAX_BYTES} bytes")
        return None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        problems.add(Position(path, line, column), "", "is not UTF-8 text (save the file as UTF-8)")
        return None


class _UnreadableError(Exception):
    """A syntax error: what follows it in the file cannot be understood."""

    def __init__(self, position: Position, text: str) -> None:
        super().__init__(text)
        self.position = position
        self.text = text


def _events(path: Path, text: str) -> Iterator[ev.Event]:
    """The parser's events; any failure becomes _UnreadableError with its place."""
    try:
        yield from YAML(typ="safe", pure=True).parse(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        position = Position(path, mark.line + 1, mark.column + 1) if mark else Position(path)
        raise _UnreadableError(position, _syntax_message(error)) from None
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        column = error.position - text.rfind("\n", 0, error.position)
        message = "a control character, which YAML does not allow"
        raise _UnreadableError(Position(path, line, column), message) from None
    except Exception as error:  # ruamel lets ValueError and others out for a few malformed escapes
        raise _UnreadableError(Position(path), f"cannot be read as YAML: {error}") from None


def _syntax_message(error: MarkedYAMLError) -> str:
    said = error.problem or error.context or "cannot be understood"
    if "'\\t'" in said:
        return "a tab, which YAML does not allow here (indent with spaces)"
    hint = next((f" ({hint})" for part, hint in _HINTS.items() if part in said), "")
    return f"not valid YAML: {said}{hint}"


_HINTS = {
    "mapping values are not allowed": "is there a space behind each colon, in the line above, too?",
    "expected <block end>": "the line does not begin below those that it belongs to",
    "expected ',' or": "is a bracket, a brace or a comma missing before this?",
    "unexpected end of stream": "a quote is never closed",
    "could not find expected ':'": "is there a colon, and a space behind it, in the line above?",
}
"""Part of what the parser says → what a person most likely did."""


def _not_a_mapping(value: object) -> str:
    if value is None:
        return "the file is empty"
    if isinstance(value, list):
        return "'key: value' lines are expected at the top of the file, not a list (put `procedures:` above it)"
    return "'key: value' lines are expected at the top of the file, not a single value"


class _Builder:
    """Puts events together to plain data, noting positions and what our files must not hold."""

    def __init__(self, path: Path, problems: Problems) -> None:
        self.path = path
        self.problems = problems
        self.keys: dict[Key, Position] = {}
        self.values: dict[Key, Position] = {}

    def build(self, events: Iterator[ev.Event]) -> Any:
        """The first document's content; None for an empty file."""
        value: Any = None
        documents = 0
        for event in events:
            if isinstance(event, ev.DocumentStartEvent):
                documents += 1
                self._check_start(event, documents)
            elif isinstance(event, ev.NodeEvent):
                value = self._node(event, events, ())
        return value

    def _check_start(self, event: ev.DocumentStartEvent, documents: int) -> None:
        if documents > 1:
            raise _UnreadableError(self._position(event), "a second document ('---'): a file holds one")
        version = event.version
        if version is not None and tuple(version) != (1, 2):
            raise _UnreadableError(self._position(event), "a %YAML directive: files are read as YAML 1.2")

    def _node(self, event: ev.Event, events: Iterator[ev.Event], key: Key) -> Any:
        position = self._position(event)
        if isinstance(event, ev.ScalarEvent) and not event.value and not event.style:
            position = self.keys.get(key, position)  # nothing is there, and the parser's mark lies beyond
        self.values[key] = position
        self._check_node(event, position, key)
        if len(key) > MAX_DEPTH:
            raise _UnreadableError(position, f"nested more than {MAX_DEPTH} levels deep")
        if isinstance(event, ev.MappingStartEvent):
            return self._mapping(events, key)
        if isinstance(event, ev.SequenceStartEvent):
            return self._sequence(events, key)
        return self._scalar(event, position, key)

    def _check_node(self, event: ev.Event, position: Position, key: Key) -> None:
        name = dotted(key)
        if isinstance(event, ev.AliasEvent) or getattr(event, "anchor", None) is not None:
            self.problems.add(position, name, "anchors and aliases (&, *) are not supported (write it out)")
        tag = getattr(event, "tag", None)
        if tag is not None:
            self.problems.add(position, name, f"tags (!) are not supported: {tag}")

    def _mapping(self, events: Iterator[ev.Event], key: Key) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for event in events:
            if isinstance(event, ev.MappingEndEvent):
                break
            name = self._key_name(event)
            self._note_key(key, name, self._position(event), name in result)
            result[name] = self._node(next(events), events, (*key, name))
        return result

    def _key_name(self, event: ev.Event) -> str:
        if isinstance(event, ev.ScalarEvent):
            return str(event.value)
        raise _UnreadableError(self._position(event), "a key must be a plain word")

    def _note_key(self, parent: Key, name: str, position: Position, seen: bool) -> None:
        key = (*parent, name)
        if seen:
            first = self.keys[key].line
            self.problems.add(position, dotted(key), f"the key is there twice (first in line {first})")
        self.keys[key] = position

    def _sequence(self, events: Iterator[ev.Event], key: Key) -> list[Any]:
        result: list[Any] = []
        for event in events:
            if isinstance(event, ev.SequenceEndEvent):
                break
            result.append(self._node(event, events, (*key, len(result))))
        return result

    def _scalar(self, event: ev.Event, position: Position, key: Key) -> Any:
        if not isinstance(event, ev.ScalarEvent):
            return None
        text = str(event.value)
        if event.style or not event.implicit[0]:
            return text
        try:
            return plain_scalar(text)
        except ValueError as error:
            self.problems.add(position, dotted(key), f"not a usable number: {error}")
            return None

    def _position(self, event: ev.Event) -> Position:
        mark = event.start_mark
        return Position(self.path, mark.line + 1, mark.column + 1)


def plain_scalar(text: str) -> bool | int | float | str | None:
    """What an unquoted word means, by the core schema of YAML 1.2 (yaml.org/spec/1.2.2, 10.3.2).

    Raises
    ------
    ValueError
        An integer of more than 64 bits.
    """
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return _of_64_bits(int(text, 0) if text[:2] in ("0o", "0x") else int(text))
    if _FLOAT.fullmatch(text) or _SPECIAL_FLOAT.fullmatch(text):
        return float(text.replace(".", "", 1) if text.lower().endswith(("inf", "nan")) else text)
    return text


def _of_64_bits(value: int) -> int:
    """No setting needs more, and beyond that arithmetic with floats ends."""
    if abs(value) >= 2**63:
        raise ValueError("it does not fit into 64 bits")
    return value
