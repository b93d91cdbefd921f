"""What the schema cannot say of ``dl2.model_choice``: templates that name no folder, settings without an effect."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from osa_luigi.config.model_choice import PLACE, PLACES
from osa_luigi.config.validate import Checked

KEY = ("dl2", "model_choice")


def check_model_choice(procedure: Checked) -> None:
    """What the schema cannot say of the choice."""
    choice = procedure.get(*KEY)
    if choice is None:
        return
    if procedure.get("dl2", "models") is not None:
        procedure.report(
            ("dl2", "models"), "is set beside dl2.model_choice, which is in its place: leave one of them out"
        )
    for name, trouble in _troubles(procedure, choice):
        if procedure.sound(*KEY, name):
            procedure.report((*KEY, name), trouble)


def _troubles(procedure: Checked, choice: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    per_run = procedure.get("tailcuts", "source") == "per_run"
    if per_run and choice["nsb"] is not None:
        yield "nsb", "has no effect where tailcuts.source is per_run: each run's NSB is found"
    if not per_run and choice["nsb"] is None:
        yield "nsb", "is needed where tailcuts.source is standard: the NSB that the models shall suit"
    if trouble := _template_trouble(choice["folders"]):
        yield "folders", trouble
    if (level := _twice(choice["levels"])) is not None:
        yield "levels", f"has picture_thresh {level} twice: write its NSBs in one list"


def _twice(levels: Sequence[Mapping[str, Any]]) -> float | None:
    seen = [row["picture_thresh"] for row in levels]
    return next((level for level in seen if seen.count(level) > 1), None)


def _template_trouble(template: str) -> str:
    if sorted(PLACE.findall(template)) != sorted(PLACES) or "{" in PLACE.sub("", template):
        return f"{template!r} must hold {{nsb}} and {{declination}}, each once, and no other placeholder"
    if not {"", ".", ".."}.isdisjoint(template.split("/")):
        return f"{template!r} must be the path of a folder below base, without .."
    return ""
