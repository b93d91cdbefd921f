"""Whatever is in the files: a configuration, or a ConfigurationError."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from osa_luigi.config import expanded, load, show
from osa_luigi.config.yamlfile import load_yaml
from osa_luigi.errors import ConfigurationError
from tests.drills.config import attempt as drilled
from tests.drills.config import spoil

ROOT = Path(__file__).parents[3]
FILES = sorted((*ROOT.glob("procedures/*.yaml"), *ROOT.glob("configs/*.yaml")))

quick = settings(max_examples=60, suppress_health_check=list(HealthCheck))
thorough = settings(quick, max_examples=150)
few = settings(quick, max_examples=20)

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["${X}", "~", "lstchain:", "lstchain:..", "../..", "*:*", "52", "\0", "\ud800", "x" * 5000])
)
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)

MAIN = json.dumps({"site": {"name": "t", "base": "."}, "procedures": ["p.yaml"]})


def attempt(folder: Path, main: str | bytes, procedure: str | bytes) -> None:
    """Load; whatever loads can be written out."""
    for name, content in (("main.yaml", main), ("p.yaml", procedure)):
        data = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
        (folder / name).write_bytes(data)
    try:
        configuration = load(folder / "main.yaml", check_files=False)
    except ConfigurationError as error:
        problems = error.problems
    else:
        problems = ()
        assert json.dumps(expanded(configuration))
        assert show(configuration)
    assert all(problem.startswith(str(folder)) for problem in problems)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@thorough
@given(content=st.binary() | st.text())
def test_any_bytes(folder: Path, content: str | bytes) -> None:
    attempt(folder, content, "name: p")


@thorough
@given(text=st.text(alphabet="abc:-[]{}#&*!|>'\"%@`, \n\t?~0.\\x\0\ufeff"))
def test_text_that_looks_like_yaml(folder: Path, text: str) -> None:
    attempt(folder, text, "name: p")
    attempt(folder, MAIN, text)


def with_changes(data: Any, draw: Any) -> Any:
    """A value with something in it replaced, renamed or added."""
    if isinstance(data, dict) and data and draw(st.integers(0, 4)):
        name = draw(st.sampled_from(sorted(data)))
        return {**data, name: with_changes(data[name], draw)}
    if isinstance(data, dict) and data and draw(st.booleans()):
        return {**data, draw(st.text(max_size=5)): draw(values)}
    return draw(values)


@st.composite
def changed_files(draw: Any) -> tuple[Any, Any]:
    main = load_yaml(draw(st.sampled_from([file for file in FILES if file.parent.name == "configs"]))).value
    procedure = load_yaml(draw(st.sampled_from([file for file in FILES if file.parent.name == "procedures"]))).value
    main = {**main, "procedures": ["p.yaml"], "default_procedure": procedure.get("name")}
    if draw(st.booleans()):
        return with_changes(main, draw), procedure
    return main, with_changes(procedure, draw)


@thorough
@given(files=changed_files())
def test_valid_files_with_a_changed_value(folder: Path, files: tuple[Any, Any]) -> None:
    attempt(folder, json.dumps(files[0]), json.dumps(files[1]))


@few
@given(number=st.integers(0, 10**9))
def test_cases_of_the_drill(folder: Path, number: int) -> None:
    spoil(number, 1, folder)
    assert drilled(folder / "main.yaml") in ("good", "refused")


@quick
@given(data=st.data())
def test_valid_files_with_damaged_text(folder: Path, data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(FILES)).read_text()
    start = data.draw(st.integers(0, len(text)))
    stop = data.draw(st.integers(start, min(len(text), start + 20)))
    damaged = text[:start] + data.draw(st.text(max_size=5)) + text[stop:]
    attempt(folder, damaged, damaged)
    attempt(folder, MAIN, damaged)
