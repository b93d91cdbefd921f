"""Inputs that hold no text of their own say the same as those that do."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path

import pytest
from fake_nights import FakeSite, plan_of
from hypothesis import given
from hypothesis import strategies as st

from osa_luigi.night import Subrun
from osa_luigi.products.identity import canonical_json
from osa_luigi.steps.call import FileInput, Input, Output, Outputs, StepCall
from osa_luigi.steps.plan import NightPlan
from osa_luigi.steps.references import Product, RawInput

NAMES = st.text("abR0123.", min_size=1, max_size=12)
UNITS = st.sampled_from(["Run02003.0001", "Run02003", "night", "Run123456.10000"])


@pytest.fixture
def plan(tmp_path: Path) -> NightPlan:
    site = FakeSite(tmp_path / "site")
    site.write()
    site.night()
    site.foreign()
    return plan_of(site)


def as_text(item: Input) -> Input:
    return FileInput(item.role, item.place, item.identity, item.key)


def test_every_input_of_a_plan_is_what_it_says(plan: NightPlan) -> None:
    inputs = [item for _, call in plan.calls.values() for item in call.inputs]
    assert {type(item) for item in inputs} == {FileInput, Product, RawInput}
    for item in inputs:
        for same in (as_text(item), copy.deepcopy(item), pickle.loads(pickle.dumps(item)), item.read_as(item.role)):
            assert (same, hash(same)) == (item, hash(item))
            assert same.as_json() == item.as_json()
            assert same.identity_json() == item.identity_json() == canonical_json(item.identity)
        other = item.read_as("other")
        assert (other.role, other.place, other.identity, other.key) == ("other", item.place, item.identity, item.key)
        assert other != item


def test_calls_are_what_they_say(plan: NightPlan) -> None:
    for _, call in plan.calls.values():
        assert StepCall.from_json(json.loads(json.dumps(call.as_json()))) == call
        assert call.name == f"{call.step}.{call.unit}"


def test_a_raw_file_is_known_by_name_and_size() -> None:
    item = RawInput(Subrun(2003, 0, Path("/R0/20241115"), (1,), (7,)), 1)
    assert item.as_json() == {
        "role": "raw",
        "path": "/R0/20241115/LST-1.1.Run02003.0000.fits.fz",
        "identity": {"name": "LST-1.1.Run02003.0000.fits.fz", "size": 7},
        "key": "",
    }


@given(UNITS, st.lists(st.tuples(NAMES, st.booleans(), NAMES, NAMES, st.booleans()), max_size=4))
def test_outputs_are_those_that_were_declared(unit: str, parts: list[tuple[str, bool, str, str, bool]]) -> None:
    declared = tuple(
        Output(role, f"{folder}/{unit if named else 'x'}{suffix}", optional)
        for role, named, folder, suffix, optional in parts
    )
    held = Outputs.of(unit, declared)
    assert tuple(held) == declared
    assert held == declared
    assert (len(held), hash(held), held[:1]) == (len(declared), hash(declared), declared[:1])


def test_units_of_a_step_share_what_is_the_same() -> None:
    one, other = (
        Outputs.of(unit, [Output("dl1", f"dl1_LST-1.{unit}.h5")]) for unit in ("Run02003.0000", "Run02003.0001")
    )
    assert one.kinds is other.kinds
    assert one != other
