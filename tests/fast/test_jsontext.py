"""What Python's `json` has written is read as it would read it."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osa_luigi.jsontext import line_of, parsed

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text()
    | st.text(st.characters(categories=["Cs"]), max_size=2)
)
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10)


@given(values, st.sampled_from([None, 1]))
def test_a_text_is_read_as_python_reads_it(value: Any, indent: int | None) -> None:
    text = json.dumps(value, indent=indent).encode()
    assert parsed(text) == json.loads(text)


@given(st.dictionaries(st.text(), values))
def test_a_line_is_read_as_it_was_written(value: dict[str, Any]) -> None:
    line = line_of(value)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    said = json.dumps(value).encode()
    assert json.loads(line, parse_constant=lambda _: None) == json.loads(said, parse_constant=lambda _: None)


def test_not_a_number() -> None:
    assert math.isnan(parsed(json.dumps({"rate": math.nan}).encode())["rate"])


@pytest.mark.parametrize("text", [b"", b"{", b'{"a": 1', b"{'a': 1}", b"\xff", b"[" * 2000])
def test_what_is_cut_short_or_no_json_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (no two say it alike)
        parsed(text)
