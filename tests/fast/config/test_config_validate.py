"""Every mistake at once: of the main file and of all procedures, or of the one asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from osa_luigi.config import load, validate
from osa_luigi.errors import ConfigurationError

if TYPE_CHECKING:
    from tests.fast.config.conftest import SiteOnDisk

THREE = """\
procedures:
- name: a
  dl2: {enabled: false}
- name: b
  dl2: {enabled: false}
  cat_b: {enable: true}
- name: c
  dl2: {enabled: true}
"""


@pytest.fixture
def three(site: SiteOnDisk) -> SiteOnDisk:
    """A good procedure, one with an unknown key, one whose settings do not go together."""
    site.procedure.write_text(THREE)
    return site


def keys(site: SiteOnDisk, procedure: str | None = None) -> list[str]:
    return [line.removeprefix(f"{site.folder}/").split(": ")[1] for line in validate(site.main, procedure)[1]]


def test_the_main_file_s_mistakes_hide_no_procedure_s(three: SiteOnDisk) -> None:
    three.edit("cores: 2", "cores: 0")
    names, _ = validate(three.main)
    assert names == ["a", "b", "c"]
    assert keys(three) == ["executor.local.cores", "procedures[1].cat_b.enable", "procedures[2].dl2.models"]


def test_of_a_named_procedure_only_the_main_file_s_and_its_own(three: SiteOnDisk) -> None:
    assert validate(three.main, "a") == (["a"], [])
    assert keys(three, "b") == ["procedures[1].cat_b.enable"]
    three.edit("cores: 2", "cores: 0")
    assert keys(three, "a") == ["executor.local.cores"]
    assert keys(three, "c") == ["executor.local.cores", "procedures[2].dl2.models"]


def test_another_procedure_s_mistake_stops_no_night(three: SiteOnDisk) -> None:
    assert load(three.main, "a").procedure.name == "a"
    with pytest.raises(ConfigurationError, match=r"1 problem .*\n.*cat_b.enable"):
        load(three.main, "b")


def test_a_file_that_cannot_be_read_hides_no_procedure_of_another_one(three: SiteOnDisk) -> None:
    three.edit("[p.yaml]", "[p.yaml, q.yaml]")
    (three.folder / "q.yaml").write_text("name: [\n")
    assert validate(three.main, "a")[1] == []
    (problem, *_) = validate(three.main, "d")[1]
    assert "p.yaml" in problem or "q.yaml" in problem
    assert any(line.startswith(f"{three.folder}/q.yaml:") for line in validate(three.main, "d")[1])


def test_a_procedure_that_is_nowhere_is_all_that_is_wrong(site: SiteOnDisk) -> None:
    (problem,) = validate(site.main, "pp")[1]
    assert problem.endswith("no procedure 'pp' (did you mean 'p'?)")


def test_a_default_that_is_nowhere(three: SiteOnDisk) -> None:
    three.procedure.write_text("procedures:\n- name: a\n  dl2: {enabled: false}\n- name: b\n  dl2: {enabled: false}\n")
    assert keys(three) == []  # it is enough to name one when a night is run
    three.add("default_procedure: d\n", "main.yaml")
    assert keys(three) == ["default_procedure"]


def test_a_main_file_that_cannot_be_read_is_all_that_is_said(three: SiteOnDisk) -> None:
    three.main.write_text("site: [\n")
    assert validate(three.main)[0] == []
    assert len(validate(three.main)[1]) == 1
