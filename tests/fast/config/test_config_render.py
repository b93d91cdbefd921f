"""A configuration written out, its scientific part, and differences."""

from __future__ import annotations

import copy
import json
import math
from typing import TYPE_CHECKING, Any

import pytest

from osa_luigi.config import Configuration, difference, expanded, freeze, load, scientific, show
from osa_luigi.config.main_schema import MAIN
from osa_luigi.config.procedure_schema import PROCEDURE
from osa_luigi.config.render import scalar
from osa_luigi.config.rules import completed, leaves
from osa_luigi.config.yamlfile import load_yaml

if TYPE_CHECKING:
    from tests.fast.config.conftest import SiteOnDisk


def test_expanded_is_complete_and_plain(site: SiteOnDisk) -> None:
    result = expanded(site.load())
    assert json.loads(json.dumps(result)) == result
    assert result["main"]["resources"]["dl2"]["memory_mb"] == 60_000
    assert result["procedure"]["calibration"]["charge"]["events_to_skip"] == 1000
    assert result["production_id"] == "v1"
    assert result["base"] == str(site.folder / "data")
    assert result["lstchain"]["calibration.charge"]["version"] == 1
    assert set(result["lstchain"]) == {"calibration.charge", "r0_to_dl1", "cat_b", "dl1ab", "dl2"}


def test_expanded_is_a_copy(site: SiteOnDisk) -> None:
    configuration = site.load()
    expanded(configuration)["procedure"]["dl1ab"]["images"] = "changed"
    assert expanded(configuration)["procedure"]["dl1ab"]["images"] is True


def test_show_can_be_read_again(site: SiteOnDisk) -> None:
    site.add('fake: {fail: ["r0_to_dl1:Run1", "*:a b"]}\ndl1ab: {overrides: {events_filters: {r: [0, .inf]}}}\n')
    configuration = site.load()
    path = site.folder / "shown.yaml"
    path.write_text(show(configuration))
    result = expanded(configuration)
    assert load_yaml(path).value == {"main": result["main"], "procedure": result["procedure"]}


def test_what_is_shown_loads_to_the_same(site: SiteOnDisk) -> None:
    site.add("dl1ab: {tailcuts: {picture_thresh: 9}}\n")
    configuration = site.load()
    shown = load_yaml_text(site, show(configuration))
    site.main.write_text(to_yaml(shown["main"]))
    site.procedure.write_text(to_yaml(shown["procedure"]))
    assert site.load() == configuration


def load_yaml_text(site: SiteOnDisk, text: str) -> dict[str, Any]:
    path = site.folder / "text.yaml"
    path.write_text(text)
    return load_yaml(path).value


def to_yaml(values: dict[str, Any]) -> str:
    return "".join(f"{name}: {scalar(value)}\n" for name, value in values.items())


def test_show_says_where_values_come_from(site: SiteOnDisk) -> None:
    lines = [line.strip() for line in show(site.load()).splitlines()]
    assert f"name: test  # {site.main}:2" in lines
    assert f"memory_mb: 3000  # {site.main}:8" in lines
    assert f"models: models/m  # {site.procedure}:4 → {site.folder}/data/models/m" in lines
    assert f"r0: R0  # default → {site.folder}/data/R0" in lines
    assert f"production_id: v1  # {site.procedure}:2" in lines
    assert "look_back_days: 7  # default" in lines
    assert lines[0] == "# p (v1) at test"


def test_show_of_a_listed_procedure(site: SiteOnDisk) -> None:
    site.procedure.write_text("procedures:\n- name: p\n  dl2: {enabled: false}\n")
    assert f"enabled: false  # {site.procedure}:3" in show(site.load())


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("52", '"52"'),
        ("true", '"true"'),
        ("null", '"null"'),
        ("1e3", '"1e3"'),
        (".inf", '".inf"'),
        ("", '""'),
        ("a: b", '"a: b"'),
        ("a #b", '"a #b"'),
        ("word", "word"),
        ("../x/y.yaml", "../x/y.yaml"),
        ("ä", '"\\u00e4"'),
        (None, "null"),
        (True, "true"),
        (1.5, "1.5"),
        (math.inf, ".inf"),
        (-math.inf, "-.inf"),
        ((1, "a"), "[1, a]"),
        ({}, "{}"),
        ({"a": [1]}, "{a: [1]}"),
    ],
)
def test_a_scalar_in_yaml(value: object, text: str) -> None:
    assert scalar(value) == text


def changed(site: SiteOnDisk, text: str, file: str = "p.yaml") -> tuple[Configuration, Configuration]:
    before = site.load()
    site.add(text, file)
    return before, site.load()


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("cat_b: {enabled: true}\n", ["cat_b.enabled: false → true"]),
        (
            "dl1ab: {tailcuts: {picture_thresh: 6}}\n",
            [
                "dl1ab.config.tailcut.picture_thresh: 8 → 6",
                "dl1ab.config.tailcuts_clean_with_pedestal_threshold.picture_thresh: 8 → 6",
            ],
        ),
        (
            "r0_to_dl1: {overrides: {image_extractor: NeighborPeakWindowSum}}\n",
            ["r0_to_dl1.config.image_extractor: LocalPeakWindowSum → NeighborPeakWindowSum"],
        ),
        ('calibration: {charge: {filters: "53"}}\n', ['calibration.charge.filters: "52" → "53"']),
        ("fake:\n", []),
        ("fake: {}\n", ["fake: null → {size_kb: 4}"]),
        ("fake: {size_kb: 4}\n", ["fake: null → {size_kb: 4}"]),
        ("merge: {images: true, muons: false}\n", ["merge.images: false → true"]),
        ("datacheck: {plots: false}\n", []),
        ("calibration: {look_back_days: 3}\n", []),
        ("dl1ab: {tailcuts: {picture_thresh: 8.0}}\n", []),
    ],
)
def test_what_changes_scientifically(site: SiteOnDisk, text: str, lines: list[str]) -> None:
    before, after = changed(site, text)
    assert difference(scientific(before), scientific(after)) == lines


def test_operational_settings_of_the_site_change_nothing(site: SiteOnDisk) -> None:
    before, after = changed(site, "log_level: DEBUG\n", "main.yaml")
    assert scientific(before) == scientific(after)
    assert difference(expanded(before), expanded(after)) == ["main.log_level: INFO → DEBUG"]


def test_eight_is_eight(site: SiteOnDisk) -> None:
    before, after = changed(site, "dl1ab: {tailcuts: {picture_thresh: 8.0}}\n")
    assert json.dumps(scientific(before)) == json.dumps(scientific(after))


def test_the_production_id_is_not_scientific(site: SiteOnDisk) -> None:
    before = scientific(site.load())
    site.edit("v1", "v2", "p.yaml")
    site.edit("name: p", "name: other", "p.yaml")
    assert scientific(site.load()) == before


def test_the_scientific_part_follows_the_schema(site: SiteOnDisk) -> None:
    site.add("fake: {size_kb: 2}\n")
    names = flat(scientific(site.load()))
    for key, rule in leaves(PROCEDURE):
        dotted = ".".join(key)
        merged = (
            key[-1] in ("config", "overrides") or "tailcuts" in key[1:] or "model_choice" in key
        )  # where it is asked for
        if not merged:
            assert (dotted in names) is (rule["meta"]["kind"] == "scientific"), dotted
    assert "telescope" in names
    assert not any("overrides" in name for name in names)


def flat(values: dict[str, Any], prefix: str = "") -> set[str]:
    names: set[str] = set()
    for name, value in values.items():
        names |= flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}"}
    return names


def test_difference_names_what_comes_and_goes() -> None:
    old = {"a": 1, "b": {"c": [1, 2]}, "d": True, "e": None}
    new = {"b": {"c": [1, 3]}, "d": 1, "e": None, "f": "x"}
    assert difference(old, new) == [
        "a: 1 → (not there)",
        "b.c: [1, 2] → [1, 3]",
        "d: true → 1",
        "f: (not there) → x",
    ]


def test_difference_takes_frozen_and_plain_alike() -> None:
    values = {"a": [1, {"b": 2}]}
    assert difference(freeze(values), copy.deepcopy(values)) == []


def test_a_long_value_is_cut() -> None:
    (line,) = difference({"a": list(range(100))}, {"a": 1})
    assert line.endswith("... → 1")
    assert len(line) < 100


def test_defaults_are_valid_themselves(site: SiteOnDisk) -> None:
    values = completed(PROCEDURE, {"name": "p", "dl2": {"models": "models/m"}})
    site.procedure.write_text(to_yaml(values))
    given = {"site": {"name": "t", "base": "data"}, "procedures": ["p.yaml"]}
    main = completed(MAIN, {**given, "executor": {"local": {"memory_mb": 60_000}}})
    site.main.write_text(to_yaml(main))
    assert load(site.main).procedure.name == "p"
