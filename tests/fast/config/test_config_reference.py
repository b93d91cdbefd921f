"""docs/configuration.md and the schemas say the same."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

from osa_luigi.config import STEPS
from osa_luigi.config.reference import BEGIN, END, FILES, reference_markdown
from osa_luigi.config.render import scalar
from osa_luigi.config.rules import Schema, is_section, leaves

DOCS = Path(__file__).parents[3] / "docs/configuration.md"
SETTINGS = [(title, key, rule) for title, schema in FILES.items() for key, rule in leaves(schema)]


def rows(title: str) -> dict[str, list[str]]:
    """The tables under a heading of the page: the cells of each key."""
    part = DOCS.read_text().split(f"### {title}\n")[1].split("\n### ")[0]
    lines = re.findall(r"^\| `([^`]+)` \| ((?:scientific|operational) .*) \|$", part, re.M)
    return {key: [cell.strip() for cell in rest.split(" | ")] for key, rest in lines}


def test_the_tables_are_up_to_date() -> None:
    page = DOCS.read_text()
    tables = page[page.index(BEGIN) : page.index(END) + len(END)]
    assert tables == reference_markdown(), "run python -m osa_luigi.config.reference and put it into the page"


def test_every_key_is_documented_and_nothing_else() -> None:
    for title, schema in FILES.items():
        assert set(rows(title)) == {".".join(key) for key, _ in leaves(schema)}


@pytest.mark.parametrize(
    ("title", "key", "rule"), SETTINGS, ids=[f"{title.split()[-1]}-{'.'.join(key)}" for title, key, _ in SETTINGS]
)
def test_a_key_is_documented_with_kind_and_default(title: str, key: tuple[str, ...], rule: Schema) -> None:
    kind, _, default, doc = rows(title)[".".join(key)]
    assert kind == rule["meta"]["kind"]
    assert default == ("required" if rule.get("required") else f"`{scalar(rule['default'])}`")
    assert doc.startswith(rule["meta"]["doc"])
    assert rule["meta"]["doc"].endswith(".")


def test_the_page_names_every_step() -> None:
    page = DOCS.read_text()
    assert all(f"`{step}`" in page for step in STEPS)


def test_every_section_says_what_it_is_for() -> None:
    pending = [rule for schema in FILES.values() for rule in schema.values()]
    while pending:
        rule = pending.pop()
        assert rule["meta"]["doc"]
        if is_section(rule):
            pending += rule["schema"].values()


def test_printing_it(capsys: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder) -> None:
    runpy.run_module("osa_luigi.config.reference", run_name="__main__")
    assert capsys.readouterr().out == reference_markdown() + "\n"
