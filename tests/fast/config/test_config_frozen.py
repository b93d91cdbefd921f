"""What cannot be changed cannot be changed."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pytest

from osa_luigi.config import FrozenMapping, expanded, freeze, scientific, thaw

if TYPE_CHECKING:
    from tests.fast.config.conftest import SiteOnDisk


def test_a_frozen_mapping_is_deeply_frozen() -> None:
    source = {"a": {"b": [1, {"c": 2}]}}
    frozen = freeze(source)
    source["a"]["b"].append(3)
    assert frozen["a"]["b"] == (1, FrozenMapping({"c": 2}))
    with pytest.raises(TypeError):
        frozen["x"] = 1
    with pytest.raises(TypeError):
        del frozen["a"]
    with pytest.raises(AttributeError):
        frozen._items = {}
    with pytest.raises(AttributeError):
        del frozen._items
    with pytest.raises(AttributeError):
        frozen.update({})


def test_frozen_compares_hashes_copies_and_pickles() -> None:
    frozen = freeze({"a": [1, {"b": None}]})
    assert frozen == freeze({"a": (1, {"b": None})})
    assert hash(frozen) == hash(freeze({"a": (1, {"b": None})}))
    assert pickle.loads(pickle.dumps(frozen)) == frozen
    assert copy.deepcopy(frozen) == frozen
    assert repr(frozen).startswith("FrozenMapping(")
    assert len(frozen) == 1
    assert freeze(frozen) is frozen


def test_thaw_gives_plain_data() -> None:
    plain = {"a": [1, {"b": [True, None, 1.5, "x"]}]}
    thawed = thaw(freeze(plain))
    assert thawed == plain
    assert json.dumps(thawed) == json.dumps(plain)
    thawed["a"].append(2)


def parts(value: Any) -> list[Any]:
    """A configuration's dataclasses, all the way down."""
    if not dataclasses.is_dataclass(value):
        return []
    below = [parts(getattr(value, field.name)) for field in dataclasses.fields(value)]
    return [value, *(part for group in below for part in group)]


def test_no_field_of_a_configuration_can_be_set(site: SiteOnDisk) -> None:
    found = parts(site.load())
    assert len(found) > 15
    for part in found:
        assert not hasattr(part, "__dict__")
        for field in dataclasses.fields(part):
            with pytest.raises(dataclasses.FrozenInstanceError):
                setattr(part, field.name, None)


def test_no_field_of_a_configuration_is_mutable(site: SiteOnDisk) -> None:
    site.add("fake: {fail: ['*:x']}\n")
    for part in parts(site.load()):
        for field in dataclasses.fields(part):
            value = getattr(part, field.name)
            assert not isinstance(value, list | dict | set), field.name
            assert not isinstance(value, Mapping) or isinstance(value, FrozenMapping)


def test_a_configuration_hashes_compares_and_pickles(site: SiteOnDisk) -> None:
    one, two = site.load(), site.load()
    assert one == two
    assert hash(one) == hash(two)
    again = pickle.loads(pickle.dumps(one))
    assert again == one
    assert scientific(again) == scientific(one)
    assert expanded(again) == expanded(one)
