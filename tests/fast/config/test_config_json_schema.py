"""The JSON Schemas take what loads, and find in one file what the loader finds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest

from osa_luigi.config.json_schema import main_schema, procedure_schema
from osa_luigi.config.yamlfile import load_yaml

ROOT = Path(__file__).parents[3]
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
        {"workflows": [{"name": "w"}]},
        {"libraries": "a.yaml"},
    ],
)
def test_what_is_wrong(value: dict[str, Any]) -> None:
    assert not PROCEDURE.is_valid(value)


def test_every_key_is_described() -> None:
    def described(schema: dict[str, Any]) -> None:
        for name, inner in schema.get("properties", {}).items():
            assert inner.get("description"), name
            described(inner)

    described(main_schema())
    described(procedure_schema()["definitions"]["reconstruction"])
