"""``extends``: what is taken over, what replaces it, and where an inherited mistake is said to be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from osa_luigi.config import expanded, load, show, validate
from osa_luigi.config.extending import Family, extended
from osa_luigi.config.problems import Problems
from osa_luigi.config.yamlfile import Document
from osa_luigi.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fast.config.conftest import SiteOnDisk

FAMILY = """\
procedures:
- name: first
  production_id: first
  cat_b: {enabled: true, sample_size: 100}
  dl1ab: {tailcuts: {picture_thresh: 9, boundary_thresh: 4}}
  dl2: {enabled: false}
  decisions: {discard: {last_subrun_failures: [a, b]}}
- name: second
  extends: first
  cat_b: {sample_size: 200}
  decisions: {discard: {last_subrun_failures: [c]}}
- name: third
  extends: second
  production_id: third
  dl1ab: {tailcuts: null}
"""


@pytest.fixture
def family(site: SiteOnDisk) -> SiteOnDisk:
    site.procedure.write_text(FAMILY)
    return site


def test_mappings_are_merged_and_all_else_is_replaced(family: SiteOnDisk) -> None:
    second = load(family.main, "second").procedure
    assert (second.cat_b.enabled, second.cat_b.sample_size) == (True, 200)
    assert second.production_id == "first"
    assert second.discard.last_subrun_failures == ("c",)
    assert second.dl1ab.picture_thresh == 9


def test_null_puts_the_default_back(family: SiteOnDisk) -> None:
    third = load(family.main, "third").procedure
    assert third.cat_b.sample_size == 200
    assert third.production_id == "third"
    assert (third.dl1ab.picture_thresh, third.dl1ab.boundary_thresh) == (8, 4)
    assert third.settings["dl1ab"]["tailcuts"] is None


def test_null_takes_an_inherited_override_away(family: SiteOnDisk) -> None:
    family.edit(
        "picture_thresh: 9, boundary_thresh: 4}", "picture_thresh: 9}, overrides: {write_pe_image: true}", "p.yaml"
    )
    family.edit("{tailcuts: null}", "{tailcuts: null, overrides: {write_pe_image: null}}", "p.yaml")
    assert load(family.main, "second").procedure.dl1ab.config["write_pe_image"] is True
    assert load(family.main, "third").procedure.dl1ab.config["write_pe_image"] is False


def test_where_each_value_comes_from(family: SiteOnDisk) -> None:
    lines = show(load(family.main, "third")).splitlines()
    origins = dict(line.strip().split("  # ") for line in lines[lines.index("procedure:") :] if "  # " in line)
    assert origins["sample_size: 200"] == f"{family.procedure}:10 (of second)"
    assert origins["production_id: third"] == f"{family.procedure}:14"
    assert origins["tailcuts: null"] == f"{family.procedure}:15"
    assert origins["last_subrun_failures: [c]"] == f"{family.procedure}:11 (of second)"


def test_an_inherited_mistake_is_said_once_where_it_was_written(family: SiteOnDisk) -> None:
    family.edit("enabled: true, sample_size: 100", "enable: true, sample_size: no", "p.yaml")
    where = f"{family.procedure}:4"
    assert validate(family.main)[1] == [
        f"{where}:11: procedures[0].cat_b.enable: unknown key (did you mean 'enabled'?)",
        f"{where}:38: procedures[0].cat_b.sample_size: must be a whole number, not 'no' "
        "(a number stands without quotes and unit)",
    ]
    with pytest.raises(ConfigurationError, match=r"procedures\[0\]\.cat_b\.enable: unknown"):
        load(family.main, "third")


def test_what_only_goes_wrong_with_an_heir_names_it(family: SiteOnDisk) -> None:
    family.edit(
        "sample_size: 200}", "sample_size: 200}\n  dl2: {enabled: true, models: models/m}\n  merge: {}", "p.yaml"
    )
    family.edit("  production_id: first\n", "  production_id: first\n  merge: {dl1: false}\n", "p.yaml")
    (problem,) = validate(family.main)[1]
    assert problem == (
        f"{family.procedure}:4:16: procedures[0].merge.dl1: must be true where dl2.enabled is: "
        "DL2 is made of merged files (as 'second' extends 'first')"
    )


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (
            "extends: second",
            "extends: secnd",
            "12: procedures[2].extends: no procedure 'secnd' (did you mean 'second'?)",
        ),
        (
            "extends: first",
            "extends: third",
            "12: procedures[1].extends: procedures extend one another in a circle: second → third → second",
        ),
        (
            "extends: first",
            "extends: second",
            "12: procedures[1].extends: procedures extend one another in a circle: second → second",
        ),
        ("extends: first", "extends: [first]", "12: procedures[1].extends: must be a text, not a list"),
    ],
)
def test_what_cannot_be_extended(family: SiteOnDisk, old: str, new: str, complaint: str) -> None:
    family.edit(old, new, "p.yaml")
    problems = [line.partition(":")[2].partition(":")[2] for line in validate(family.main)[1]]
    assert complaint in problems


def test_an_heir_of_a_broken_chain_does_not_load(family: SiteOnDisk) -> None:
    family.edit("extends: first", "extends: frist", "p.yaml")
    assert load(family.main, "first").procedure.name == "first"
    with pytest.raises(ConfigurationError, match="no procedure 'frist'"):
        load(family.main, "third")


def test_relative_paths_mean_what_they_meant_where_they_were_written(site: SiteOnDisk) -> None:
    (site.folder / "lib").mkdir()
    (site.folder / "lib/own.json").write_text('{"write_pe_image": true}')
    (site.folder / "lib/base.yaml").write_text("name: base\ndl2: {enabled: false}\ndl1ab: {config: own.json}\n")
    site.edit("[p.yaml]", "[p.yaml, lib/base.yaml]")
    site.procedure.write_text("name: p\nextends: base\n")
    assert load(site.main, "p").procedure.dl1ab.config["write_pe_image"] is True


def test_a_long_line_of_heirs(tmp_path: Path) -> None:
    documents = [Document(tmp_path, {"name": "0", "a": 0})]
    documents += [Document(tmp_path, {"name": str(n), "extends": str(n - 1)}) for n in range(1, 2000)]
    with_places = [Document(one.path, one.value, {}, {(key,): one.where(()) for key in one.value}) for one in documents]
    whole = Family(with_places).whole(with_places[-1], Problems())
    assert whole.value == {"name": "1999", "extends": "1998", "a": 0}


values = st.recursive(
    st.integers(0, 3) | st.none(),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)
mappings = st.dictionaries(st.sampled_from("abc"), values, max_size=3)


def document(value: dict[str, Any], path: Path) -> Document:
    import json

    from osa_luigi.config.yamlfile import load_yaml

    path.write_text(json.dumps(value))
    return load_yaml(path)


@settings(max_examples=60)
@given(lower=mappings, upper=mappings)
def test_every_value_has_the_place_of_who_wrote_it(tmp_path_factory: Any, lower: Any, upper: Any) -> None:
    folder = tmp_path_factory.mktemp("merge")
    base, own = document(lower, folder / "base.yaml"), document(upper, folder / "own.yaml")
    merged = extended(own, base)

    def leaves(value: Any, key: tuple[str, ...] = ()) -> Any:
        for name, item in value.items():
            if isinstance(item, dict):
                yield from leaves(item, (*key, name))
            else:
                yield (*key, name), item

    written = {**dict(leaves(lower)), **dict(leaves(upper))}
    for key, item in leaves(merged.value):
        assert written[key] == item
        assert merged.where(key).file.name == ("own.yaml" if own.has(key) else "base.yaml")
        assert merged.where(key) == (own if own.has(key) else base).where(key)


def test_the_settings_are_those_of_a_procedure_written_out(family: SiteOnDisk) -> None:
    third = expanded(load(family.main, "third"))
    family.procedure.write_text(
        "name: third\nproduction_id: third\ncat_b: {enabled: true, sample_size: 200}\ndl2: {enabled: false}\n"
        "decisions: {discard: {last_subrun_failures: [c]}}\nextends: null\n"
    )
    third["procedure"]["extends"] = None
    assert expanded(load(family.main)) == third
