"""The JSON Schemas take what loads, and find in one file what the loader finds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from osa_luigi.config.json_schema import main_schema, procedure_schema
from osa_luigi.config.load import validate
from osa_luigi.config.yamlfile import load_yaml

if TYPE_CHECKING:
    from tests.fast.config.conftest import SiteOnDisk

ROOT = Path(__file__).parents[3]
LSTCHAIN = "lstchain:lstchain_standard_config.json"
MAIN = jsonschema.Draft7Validator(main_schema())
PROCEDURE = jsonschema.Draft7Validator(procedure_schema())


@pytest.mark.parametrize("file", sorted(ROOT.glob("configs/*.yaml")), ids=lambda file: file.name)
def test_stock_main_files(file: Path) -> None:
    MAIN.validate(load_yaml(file).value)


@pytest.mark.parametrize("file", sorted(ROOT.glob("procedures/*.yaml")), ids=lambda file: file.name)
def test_stock_procedures(file: Path) -> None:
    PROCEDURE.validate(load_yaml(file).value)


@pytest.mark.parametrize(
    "value",
    [
        {"name": "a", "extends": "b", "cat_b": None, "dl1ab": {"images": None}},
        {"name": "a", "extends": None, "dl2": {"enabled": False}},
        {"name": "a", "extends": "b", "reads": ["dl2"]},
        {"name": "a", "type": "analysis", "extends": "b", "reads": None},
        {"procedures": [{"name": "a"}], "libraries": ["b.yaml"], "workflows": [{"name": "w", "tasks": ["a"]}]},
    ],
)
def test_what_is_right(value: dict[str, Any]) -> None:
    PROCEDURE.validate(value)


@pytest.mark.parametrize(
    "value",
    [
        {"production_id": "v1"},
        {"name": "a", "cat_b": {"enable": True}},
        {"name": "a", "cat_b": {"enabled": "yes"}},
        {"name": "a", "type": "reconstructoin"},
        {"name": "a", "calibration": {"charge": {"filters": "5"}}},
        {"name": "a", "dl1ab": {"tailcuts": {"picture_thresh": -1}}},
        {"procedures": [{"name": "a", "dl2": {"enable": False}}]},
        {"procedures": []},
        {"name": "a", "dl1ab": {"images": None}},
        {"name": "a", "extends": None, "dl1ab": {"images": None}},
        {"name": "a", "extends": "b", "dl1ab": {"image": True}},
        {"name": "a", "extends": "b", "dl1ab": {"images": "yes"}},
        {"name": "a", "extends": "b", "type": "campaign", "dl1ab": {}},
        {"name": None, "extends": "b"},
        {"name": "a", "type": "analysis", "of": "b", "class": "C"},
        {"name": "a", "type": "analysis", "of": "b", "class": "C", "reads": [1]},
        {"name": "a", "type": "analysis", "extends": "b", "class": "1"},
        {"workflows": [{"name": "w"}]},
        {"libraries": "a.yaml"},
    ],
)
def test_what_is_wrong(value: dict[str, Any]) -> None:
    assert not PROCEDURE.is_valid(value)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"dl1ab": {"images": None}},
        {"dl1ab": {"image": True}},
        {"dl1ab": None},
        {"dl2": {"enabled": "yes"}},
        {"dl1ab": {"config": None}},
        {"select": {"sources": [1]}},
        {"select": {"sources": None}},
        {"datacheck": {"enabled": None}, "type": None},
    ],
)
@pytest.mark.parametrize("extends", [{}, {"extends": None}, {"extends": "base"}])
def test_one_procedure_by_itself_is_judged_as_by_the_loader(
    site: SiteOnDisk, extends: dict[str, Any], changes: dict[str, Any]
) -> None:
    """What is null takes back what is inherited; where nothing is, only the loader knows."""
    own = {"name": "own", "production_id": "own", "dl2": {"models": "models/m"}}
    inherited = {"dl1ab": {"images": True, "config": LSTCHAIN}, "select": {"sources": ["Crab"]}}
    base = {**own, **inherited, "name": "base", "production_id": "b", "datacheck": {"enabled": True}}
    value = {**own, **extends, **changes}
    site.procedure.write_text(json.dumps({"procedures": [base, value]}))
    _, problems = validate(site.main, "own", check_files=False)
    assert PROCEDURE.is_valid(value) == (not problems), problems


def test_every_key_is_described() -> None:
    def described(schema: dict[str, Any]) -> None:
        for name, inner in schema.get("properties", {}).items():
            assert inner.get("description"), name
            described(inner)

    described(main_schema())
    described(procedure_schema()["definitions"]["reconstruction"])
