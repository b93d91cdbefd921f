"""How calls are made: roles, configurations, keys."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fakes import key_of
from hypothesis import given
from hypothesis import strategies as st
from paper_steps import COMMON, Paper

from osa_luigi.errors import ConfigurationError
from osa_luigi.steps import making
from osa_luigi.steps.call import FileInput, Needs, Output
from osa_luigi.steps.drs4_baseline import Drs4Baseline
from osa_luigi.steps.references import Product

IDENTITIES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
SETTINGS = st.dictionaries(st.text("abc", min_size=1, max_size=3), IDENTITIES, max_size=4)


def key(settings=None, inputs=(), software=None, needs=COMMON["needs"], fake=None, unit="Run02005"):
    call = making.make(
        Drs4Baseline,
        unit=unit,
        settings=settings or {},
        inputs=inputs,
        outputs=[Output("pedestal", Path("p.h5"))],
        software=software or {"lstchain": "0.12.3"},
        needs=needs,
        fake=fake,
    )
    return call.key


@given(SETTINGS, SETTINGS)
def test_equal_settings_equal_key_and_only_they(one, other):
    assert (key(one) == key(other)) == (json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True))


@pytest.mark.parametrize("value", [0, False, 0.0, -0.0, None, "0", 1, True, 1.0])
def test_settings_that_python_takes_for_equal_have_keys_of_their_own(value):
    for _ in range(2):
        assert key({"a": value}) == key_of(
            "drs4_baseline", Drs4Baseline.version, {"a": value}, {"lstchain": "0.12.3"}, {}
        )


@given(st.integers(1, 10**6), st.integers(1, 64), st.floats(1, 1e6))
def test_what_an_attempt_needs_is_not_in_the_key(memory, cores, limit):
    assert key(needs=Needs(memory, cores, limit)) == key()


@given(st.lists(IDENTITIES, min_size=1, max_size=3), st.text("xyz/", min_size=1, max_size=8))
def test_where_an_input_lies_is_not_in_the_key(identities, folder):
    def inputs(base):
        return [FileInput("raw", f"/{base}/{i}", identity) for i, identity in enumerate(identities)]

    assert key(inputs=inputs(folder)) == key(inputs=inputs("elsewhere"))


def test_identity_role_and_order_of_inputs_are_in_the_key():
    a, b = FileInput("raw", "/a", "a"), FileInput("raw", "/b", "b")
    keys = {key(inputs=inputs) for inputs in ([a], [b], [a, b], [b, a], [a.read_as("dark")], [])}
    assert len(keys) == 6


def test_software_is_in_the_key():
    assert key(software={"lstchain": "0.12.4"}) != key()


def test_a_fake_never_has_the_key_of_the_real_thing():
    assert key(fake={}) != key()
    assert key(fake={"duration": 3}) == key(fake={}), "what a fake does is no science"


def test_the_version_of_a_step_is_in_the_key(monkeypatch):
    before = key()
    monkeypatch.setattr(Drs4Baseline, "version", Drs4Baseline.version + 1)
    assert key() != before


def test_a_configuration_enters_the_settings_by_its_content(paper: Paper, tmp_path):
    call = paper.call("dl2")
    same = tmp_path / "same.json"
    same.write_text('{ "tailcut":\n {"picture_thresh":   8}}')
    other = tmp_path / "other.json"
    other.write_text('{"tailcut": {"picture_thresh": 9}}')
    assert call.configs == {"config": paper.config}
    assert call.settings["config"] == making.config_digest(paper.config)
    assert paper.call("dl2", config=same).key == call.key, "white space and place do not count"
    assert paper.call("dl2", config=other).key != call.key


def test_a_configuration_that_changes_is_read_again(paper: Paper):
    before = paper.call("dl2").key
    paper.config.write_text('{"tailcut": {"picture_thresh": 10}}')
    assert paper.call("dl2").key != before


@pytest.mark.parametrize(("content", "said"), [(None, "cannot be read"), ("{", "is not JSON"), ("\x00", "is not JSON")])
def test_a_configuration_that_cannot_be_read_is_named(tmp_path, content, said):
    path = tmp_path / "config.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigurationError, match=rf"config\.json: {said}"):
        making.config_digest(path)


def test_an_output_becomes_an_input(paper: Paper):
    call = paper.call("drs4_baseline")
    made = Product(call, "pedestal", "/prod", "baseline")
    assert made == FileInput(
        "baseline",
        "/prod/calibration/drs4_pedestal.Run02005.0000.h5",
        {"key": call.key, "role": "pedestal"},
        call.key,
    )


def test_inputs_that_are_not_there_have_no_role(paper: Paper):
    one = paper.foreign("a")
    assert making.as_role("raw", one, None) == (one.read_as("raw"),)
    assert making.identities_json(making.as_role("raw", None)) == "{}"
