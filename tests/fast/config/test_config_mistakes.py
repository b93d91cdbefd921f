"""docs/mistakes.md holds the fifty mistakes with what is really said about them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fast.config.mistakes import MISTAKES, Mistake, page

PAGE = Path(__file__).parents[3] / "docs/mistakes.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == page().rstrip("\n") + "\n", "python -m tests.fast.config.mistakes > docs/mistakes.md"


def test_they_are_fifty() -> None:
    assert len(MISTAKES) == len({one.title for one in MISTAKES}) == 50


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda one: one.title)
def test_a_mistake_is_named_with_its_file_and_line(mistake: Mistake) -> None:
    messages = mistake.messages()
    assert messages
    assert all(":" in line and line.split(":")[1].isdecimal() for line in messages), messages
    assert all(line.split(":")[0].endswith(".yaml") for line in messages)
