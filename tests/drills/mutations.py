"""Ways to spoil a YAML file: of its text, and of what it says. Each is drawn from a random generator, so a seed spoils alike."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

Key = tuple[str | int, ...]

ODD: list[Any] = [
    None,
    True,
    0,
    -1,
    3.5,
    10**400,
    float("inf"),
    float("nan"),
    "",
    " ",
    "yes",
    "\0",
    "\ud800",
    "ä\u2028\u202e",
    "x" * 70_000,
    "${HOME}",
    "${NO_SUCH}",
    "${",
    "~/x",
    "/",
    "..",
    ".",
    "/dev/zero",
    "/proc/self/mem",
    "main.yaml",
    "p0.yaml",
    "lstchain:",
    "lstchain:../x.json",
    "{lstchain}" * 9,
    "*:*",
    "[",
    "2024-13-45",
    [],
    {},
    [[]],
    [None],
    [{}],
    {"": None},
    {"name": {"name": []}},
    [1, "a", {"b": [None]}],
]

TEXTS = [
    "\t",
    "&a ",
    "*a",
    "<<: *a\n",
    "!!python/object/apply:os.system [ls]",
    "!!binary aGk=",
    "!<tag:x> ",
    "%YAML 1.1\n---\n",
    "---\n",
    "...\n",
    "? ",
    ": ",
    "- ",
    "|+9\n",
    ">-\n",
    "{",
    "[",
    "}",
    "]",
    '"',
    "'",
    "#",
    "`",
    "@",
    "\\x",
    "\ufeff",
    "\r",
    "\x85",
    "\0",
    "\x1b[31m",
    "1e999",
    "0x" + "f" * 5000,
    "9" * 5000,
    "0o8",
    ".inf",
    "=",
]

BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{','.join([f'*{chr(97 + n)}'] * 9)}]\n" for n in range(20)
)


def keys_of(value: Any, key: Key = ()) -> Iterator[Key]:
    """The full key of everything in a value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, item in list(inside):
        yield (*key, name)
        yield from keys_of(item, (*key, name))


def _holder(value: Any, key: Key) -> Any:
    for part in key[:-1]:
        value = value[part]
    return value


def drop(value: Any, key: Key, draw: random.Random) -> None:
    """Without it."""
    del _holder(value, key)[key[-1]]


def retype(value: Any, key: Key, draw: random.Random) -> None:
    """Something else in its place."""
    _holder(value, key)[key[-1]] = copy.deepcopy(draw.choice(ODD))


def rename(value: Any, key: Key, draw: random.Random) -> None:
    """Another name, near the right one or far from it."""
    holder = _holder(value, key)
    if isinstance(holder, dict):
        name = str(key[-1])
        at = draw.randrange(len(name) + 1)
        new = draw.choice([name[:at] + name[at + 1 :], name.upper(), name + "s", "", "extends", "\0", "é", name * 300])
        holder[new] = holder.pop(key[-1])


def graft(value: Any, key: Key, draw: random.Random) -> None:
    """A part of the file in another place."""
    source = draw.choice(list(keys_of(value)))
    _holder(value, key)[key[-1]] = copy.deepcopy(_holder(value, source)[source[-1]])


def wrap(value: Any, key: Key, draw: random.Random) -> None:
    """Deeper, by one or by far too many."""
    holder = _holder(value, key)
    for _ in range(draw.choice([1, 1, 2, 39, 45, 200])):
        holder[key[-1]] = draw.choice([lambda inner: [inner], lambda inner: {"a": inner}])(holder[key[-1]])


def refer(value: Any, key: Key, draw: random.Random) -> None:
    """A name where names lead somewhere."""
    if isinstance(value, dict):
        names = ["p0", "p1", "w0", "simulated", "nobody", 3, None]
        what = draw.choice(["extends", "workflows", "libraries", "default_procedure", "type"])
        tasks = [{"name": draw.choice(names), "tasks": [draw.choice(names) for _ in range(draw.randrange(4))]}]
        kinds = ["campaign", "analysis", "workflow", "reconstruction", "x", 1]
        files = ["main.yaml", "p0.yaml", "p1.yaml", "/", ".", "none.yaml", ""]
        offered: dict[str, list[Any]] = {
            "extends": names,
            "workflows": [tasks],
            "libraries": [[name] for name in files],
            "default_procedure": names,
            "type": kinds,
        }
        value[what] = draw.choice(offered[what])


OF_CONTENT: list[Callable[[Any, Key, random.Random], None]] = [drop, retype, retype, rename, graft, wrap, refer]


def spoilt_content(value: Any, draw: random.Random) -> str:
    """What a file says, with one to three things in it changed, as JSON: which is YAML."""
    value = copy.deepcopy(value)
    for _ in range(draw.choice([1, 1, 2, 3])):
        if keys := list(keys_of(value)):
            draw.choice(OF_CONTENT)(value, draw.choice(keys), draw)
    return json.dumps(value, indent=draw.choice([None, 1]))


def _cut(text: str, draw: random.Random) -> str:
    start = draw.randrange(len(text) + 1)
    return text[:start] + text[draw.randrange(start, len(text) + 1) :]


def _insert(text: str, draw: random.Random) -> str:
    at = draw.randrange(len(text) + 1)
    return text[:at] + draw.choice(TEXTS) + text[at:]


def _double(text: str, draw: random.Random) -> str:
    lines = text.splitlines(keepends=True) or [""]
    at = draw.randrange(len(lines))
    return "".join([*lines[: at + 1], *lines[at:]])


def _indent(text: str, draw: random.Random) -> str:
    lines = text.splitlines(keepends=True) or [""]
    at = draw.randrange(len(lines))
    lines[at] = draw.choice(["\t", " ", "   ", "\u00a0"]) + lines[at]
    return "".join(lines)


def _swap(text: str, draw: random.Random) -> str:
    lines = text.splitlines(keepends=True) or [""]
    draw.shuffle(lines)
    return "".join(lines)


def _nest(text: str, draw: random.Random) -> str:
    depth = draw.choice([30, 41, 500, 20_000])
    return text + "\nzzz: " + draw.choice(["[", "{a: ", "- "]) * depth


def _explode(text: str, draw: random.Random) -> str:
    return draw.choice([BOMB + text, text + "\n" + BOMB])


OF_TEXT: list[Callable[[str, random.Random], str]] = [_cut, _insert, _insert, _double, _indent, _swap, _nest, _explode]


def spoilt_text(text: str, draw: random.Random) -> bytes:
    """A file's text, with one to three things done to it; sometimes bytes that are no text."""
    for _ in range(draw.choice([1, 1, 2, 3])):
        text = draw.choice(OF_TEXT)(text, draw)
    data = text.encode("utf-8", "surrogatepass")
    if draw.random() < 0.1:
        at = draw.randrange(len(data) + 1)
        data = data[:at] + draw.randbytes(draw.choice([1, 3, 300])) + data[at:]
    return data
