from __future__ import annotations

import json
import subprocess
import sys
from datetime import date
from enum import Enum
from pathlib import Path
from types import MappingProxyType

import hypothesis
import numpy as np
import pytest
from fakes import key_of
from hypothesis import given
from hypothesis import strategies as st

from osa_luigi.products import identity
from osa_luigi.products.identity import KEY_LENGTH, canonical_json, digest, plain

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4)
)
settings = st.dictionaries(st.text(max_size=8), values, max_size=4)
few = hypothesis.settings(max_examples=40)

KEY = {
    "step": "r0_to_dl1",
    "version": 1,
    "settings": {"tailcut": {"picture": 8, "boundary": 4}},
    "software": {"lstchain": "0.12.3"},
    "inputs": {"raw": [{"name": "LST-1.1.Run02008.0003.fits.fz", "size": 8}], "calibration": ["a" * 40]},
}


@given(values)
def test_what_json_knows_comes_back_from_its_canonical_text(value):
    assert json.loads(canonical_json(value)) == value


@given(values, values)
def test_two_values_share_a_text_only_if_they_are_one_in_json(one, other):
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (canonical_json(one) == canonical_json(other)) == same


@given(st.dictionaries(st.text(max_size=5), values, min_size=2, max_size=6), st.randoms())
@few
def test_the_order_of_keys_does_not_count(value, random):
    shuffled = list(value.items())
    random.shuffle(shuffled)
    assert canonical_json(dict(shuffled)) == canonical_json(value)


@given(st.lists(st.integers(), unique=True, min_size=2))
def test_the_order_of_a_list_counts_and_that_of_a_set_does_not(values):
    assert digest(values) != digest(values[::-1])
    assert digest(set(values)) == digest(frozenset(values[::-1]))


def test_a_set_of_texts_has_one_text_in_every_process():
    program = f"import runpy; print(runpy.run_path({identity.__file__!r})['digest']({{'muons', 'dl1', 'interleaved'}}))"
    said = {
        subprocess.check_output([sys.executable, "-S", "-c", program], env={"PYTHONHASHSEED": seed}, text=True).strip()
        for seed in ("1", "2", "3")
    }
    assert said == {digest({"muons", "dl1", "interleaved"})}


@given(values)
def test_the_text_is_of_one_line_without_white_space_outside_of_strings(value):
    text = canonical_json(value)
    assert text.isascii()
    assert "\n" not in text
    assert json.dumps(json.loads(text), separators=(",", ":"), sort_keys=True) == text


class Filter(Enum):
    OPEN = 52


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ((1, 2), [1, 2]),
        (MappingProxyType({"a": (1,)}), {"a": [1]}),
        ({2008: "run"}, {"2008": "run"}),
        (Path("/fefs/x"), "/fefs/x"),
        (date(2024, 11, 15), "2024-11-15"),
        (np.int64(7), 7),
        (np.float32(0.5), 0.5),
        (Filter.OPEN, 52),
        ({"filters": {np.int16(52)}}, {"filters": [52]}),
        (range(3), [0, 1, 2]),
    ],
)
def test_values_that_mean_the_same_become_the_same(value, expected):
    found = plain(value)
    assert found == expected
    assert json.dumps(found) == json.dumps(expected)


@pytest.mark.parametrize(
    "value",
    [object(), np.arange(3), lambda: None, {"settings": [object()]}, 1j],
    ids=lambda value: type(value).__name__,
)
def test_what_has_no_text_of_its_own_is_refused_not_guessed(value):
    with pytest.raises(TypeError, match="cannot be part of an identity: give text or a number"):
        digest(value)


def test_keys_that_become_one_text_are_refused():
    with pytest.raises(TypeError, match="cannot be told apart"):
        digest({1: "a", "1": "b"})


def test_a_step_key_is_as_long_as_promised_and_stays_the_same():
    key = key_of(**KEY)
    assert len(key) == KEY_LENGTH
    assert set(key) <= set("0123456789abcdef")
    # A change of this line means that every product of every site would be made again.
    assert key == "258ade059cf4593be6f9f960116f7412f1cd6d7d"


@pytest.mark.parametrize(
    "change",
    [
        {"step": "dl1ab"},
        {"version": 2},
        {"settings": {"tailcut": {"picture": 8, "boundary": 5}}},
        {"settings": {"tailcut": {"picture": 8, "boundary": 4}, "max_events": None}},
        {"settings": {}},
        {"software": {"lstchain": "0.12.4"}},
        {"software": {"lstchain": "0.12.3", "fake": "yes"}},
        {"inputs": {"raw": [{"name": "LST-1.1.Run02008.0003.fits.fz", "size": 9}], "calibration": ["a" * 40]}},
        {"inputs": {"raw": KEY["inputs"]["raw"], "calibration": ["b" * 40]}},
        {"inputs": {"raw": KEY["inputs"]["raw"], "pedestal": ["a" * 40]}},
        {"inputs": {"raw": KEY["inputs"]["raw"]}},
    ],
    ids=str,
)
def test_whatever_is_scientific_changes_the_key(change):
    assert key_of(**{**KEY, **change}) != key_of(**KEY)


@given(settings, settings)
@few
def test_keys_are_equal_exactly_when_the_settings_are(one, other):
    keys = [key_of(**{**KEY, "settings": value}) for value in (one, other)]
    assert (keys[0] == keys[1]) == (canonical_json(one) == canonical_json(other))
