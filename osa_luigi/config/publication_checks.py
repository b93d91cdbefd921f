"""What the schema cannot say of ``publication``: templates that would put two products to one place, or out of the tree."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from string import Formatter

from osa_luigi.config.publication import LINKS, OF_A_NIGHT, TEMPLATES
from osa_luigi.config.validate import Checked


def check_publication(main: Checked) -> None:
    """Templates hold what tells one product from another, and nothing that nobody knows."""
    for kind, (_, _, more) in TEMPLATES.items():
        _check(main, ("publication", "templates", kind), (*OF_A_NIGHT, "name"), more)
    for kind in LINKS:
        _check(main, ("publication", "links", kind), ("name",), OF_A_NIGHT)
    for index, text in enumerate((main.get("publication", "pro") or ()) if main.sound("publication", "pro") else ()):
        for trouble in _troubles(text, OF_A_NIGHT, ()):
            main.report(("publication", "pro", index), trouble)
        if not text.endswith("/{production}"):
            main.report(
                ("publication", "pro", index), "must end in /{production}: the link pro stands beside that folder"
            )


def _check(main: Checked, key: tuple[str, ...], needed: tuple[str, ...], more: tuple[str, ...]) -> None:
    text = main.get(*key)
    if text is None or not main.good(*key):
        return
    for trouble in _troubles(text, needed, more):
        main.report(key, trouble)


def _troubles(text: str, needed: tuple[str, ...], more: tuple[str, ...]) -> Iterator[str]:
    known = (*needed, *more)
    try:
        fields = [(name, form, kind) for _, name, form, kind in Formatter().parse(text) if name is not None]
    except ValueError as error:
        yield f"{text!r} is no template ({error})"
        return
    if unknown := [name for name, form, kind in fields if name not in known or form or kind]:
        yield f"no placeholder is called {{{unknown[0]}}} here (there are {_braced(known)})"
    if missing := [name for name in needed if name not in {field for field, _, _ in fields}]:
        yield f"must hold {_braced(tuple(missing))}: else two products would have one place"
    if text.startswith("/") or not re.fullmatch(r"[^\\\s]+", text) or {"..", "."} & set(PurePosixPath(text).parts):
        yield f"{text!r} must be a path below publication.root, without .. and spaces"
    if "name" in needed and PurePosixPath(text).name != "{name}":
        yield "must end in {name}: a published product keeps its name"


def _braced(names: tuple[str, ...]) -> str:
    return ", ".join(f"{{{name}}}" for name in names)
