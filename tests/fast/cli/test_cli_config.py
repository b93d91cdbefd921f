"""``osa config``: a procedure with its origins, what two have differently, what is there, what a setting is for."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from cli_nights import FAKE, Site

from osa_luigi.config.json_schema import SCHEMA_OF

TIGHT = {
    "name": "tight",
    "extends": "fake",
    "production_id": "tight",
    "dl1ab": {"tailcuts": {"picture_thresh": 10}},
    "datacheck": {"plots": False},
}


@pytest.fixture
def library(tmp_path: Path) -> Site:
    """A library with an heir, a workflow, and a procedure with a mistake."""
    site = Site(tmp_path / "site")
    site.configure(TIGHT, {**FAKE, "name": "wrong", "cat_b": {"enable": True}})
    main = json.loads(site.config.read_text())
    site.config.write_text(json.dumps({**main, "workflows": [{"name": "both", "tasks": ["fake", "tight"]}]}, indent=1))
    return site


def test_expanding_says_from_whom_a_value_comes(library: Site) -> None:
    found = library.data("config", "expand", "tight")
    assert found["settings"]["dl1ab"]["tailcuts"]["picture_thresh"] == 10
    assert found["origins"]["dl2.models"].endswith("(of fake)")
    assert "(of" not in found["origins"]["production_id"]
    assert found["lstchain"]["dl1ab"]["tailcut"]["picture_thresh"] == 10
    lines = library.osa("config", "expand", "tight").stdout.splitlines()
    assert any(line.startswith("  models: models/") and line.endswith("(of fake)") for line in lines)
    assert "name: fake" in library.osa("config", "expand").stdout


def test_what_two_have_differently(library: Site) -> None:
    found = library.data("config", "diff", "fake", "tight", code=1)["differences"]
    assert [(one["key"], one["kind"], one["a"], one["b"]) for one in found] == [
        ("dl1ab.config.tailcut.picture_thresh", "scientific", 8, 10),
        ("dl1ab.config.tailcuts_clean_with_pedestal_threshold.picture_thresh", "scientific", 8, 10),
        ("production_id", "operational", "fake", "tight"),
        ("datacheck.plots", "operational", True, False),
    ]
    said = library.osa("config", "diff", "fake", "tight", code=1).stdout
    assert "operational  datacheck.plots: true → false" in said
    assert library.osa("config", "diff", "fake", "fake").stdout == ""
    assert "a second procedure, or --date" in library.osa("config", "diff", "fake", code=2).stderr


def test_a_night_that_was_not_begun_differs_in_nothing(site: Site) -> None:
    assert site.data("config", "diff", "fake", "--date", "2024-11-15") == {"differences": []}


def test_what_is_there(library: Site) -> None:
    found = library.data("config", "list")
    (fake, tight, wrong) = found["procedures"]["reconstruction"]
    assert (fake["name"], tight["extends"], wrong["problems"]) == ("fake", "fake", 1)
    (workflow,) = found["workflows"]
    assert (workflow["name"], workflow["order"]) == ("both", ["fake", "tight"])
    said = library.osa("config", "list").stdout
    assert "  both: fake → tight  # " in said
    assert "tight  # " in said
    assert "1 problems (osa config validate)" in said


def test_a_setting_explained(library: Site) -> None:
    found = library.data("config", "explain", "dl1ab.tailcuts.picture_thresh", "--procedure", "tight")
    assert (found["value"], found["kind"]) == (10, "scientific")
    assert found["origin"].partition(":")[0] == str(library.base / "procedures.yaml")
    assert found["reaches"][0] == "dl1ab"
    assert "r0_to_dl1" not in found["reaches"]
    memory = library.data("config", "explain", "resources.dl2.memory_mb")
    assert (memory["value"], memory["origin"], memory["reaches"]) == (60_000, "default", [])
    keys = library.data("config", "explain", "dl2")["keys"]
    assert [key for key in keys if not key.startswith("model_choice")] == ["enabled", "models", "config", "overrides"]
    assert "model_choice.base" in keys
    assert "one after the other" in library.osa("config", "explain", "workflows").stdout
    assert "what the workflow is called" in library.osa("config", "explain", "workflows[].name").stdout.lower()


def test_an_override_of_lstchain_explained(library: Site) -> None:
    key = "dl1ab.overrides.tailcut.delta_time"
    found = library.data("config", "explain", key)
    assert (found["value"], found["origin"], found["kind"]) == (None, "not set", "scientific")


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("boundary_thresh", "(it exists as dl1ab.tailcuts.boundary_thresh)"),
        ("dl1ab.tailcuts.pictur_thresh", "(did you mean 'dl1ab.tailcuts.picture_thresh'?)"),
        ("zzz", "(docs/configuration.md lists them all)"),
    ],
)
def test_a_key_that_is_nowhere(library: Site, key: str, hint: str) -> None:
    assert hint in library.osa("config", "explain", key, code=3).stderr


@pytest.mark.parametrize("file", ["main", "procedure"])
def test_the_schema_is_one(site: Site, file: str) -> None:
    found = site.data("config", "schema", file)
    jsonschema.Draft7Validator.check_schema(found)
    assert found == json.loads(json.dumps(SCHEMA_OF[file]()))
