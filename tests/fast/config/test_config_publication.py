"""Templates of the publication: what is wrong with them is said with the place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osa_luigi.config import load
from osa_luigi.config.publication import LINKS, TEMPLATES
from osa_luigi.config.publication_checks import _troubles

if TYPE_CHECKING:
    from tests.fast.config.conftest import SiteOnDisk


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ("templates: {dl1: 'DL1/{date}/{production}/{name'}", "is no template"),
        ("templates: {dl1: 'DL1/{date}/{name}'}", "must hold {production}: else two products would have one place"),
        ("templates: {muons: 'DL1/{date}/{production}/{tailcut}/{name}'}", "no placeholder is called {tailcut} here"),
        ("templates: {dl1: '/DL1/{date}/{production}/{name}'}", "must be a path below publication.root"),
        ("templates: {dl1: '../{date}/{production}/{name}'}", "must be a path below publication.root"),
        ("templates: {dl1: 'DL1/{date}/{production}/{name}.h5'}", "must end in {name}"),
        ("templates: {dl1: 'DL1/{date}/{production}/{name!r}{name:>9}'}", "must end in {name}"),
        ("links: {muons: 'DL1/datacheck_files/muons'}", "must hold {name}"),
        ("pro: ['DL1/{date}/{production}/muons']", "must end in /{production}"),
        ("template: {}", "unknown key (did you mean 'templates'?)"),
    ],
)
def test_a_wrong_template_is_named(site: SiteOnDisk, given: str, complaint: str) -> None:
    site.add(f"publication:\n  {given}\n", "main.yaml")
    assert any(complaint in line and line.startswith("main.yaml:") for line in site.problems())


def test_the_default_is_lst_1_s_tree_and_off(site: SiteOnDisk) -> None:
    publication = load(site.main).main.publication
    assert not publication.enabled
    assert publication.root == load(site.main).main.site.base
    assert publication.templates["dl2"] == "DL2/{date}/{production}/{tailcut}/{nsb}/{name}"


def test_a_kind_can_be_left_out(site: SiteOnDisk) -> None:
    site.add("publication:\n  templates: {interleaved: null}\n", "main.yaml")
    assert load(site.main).main.publication.templates["interleaved"] is None


@given(st.text(max_size=40))
def test_any_text_is_judged(text: str) -> None:
    fit = not list(_troubles(text, ("date", "production", "name"), ()))
    if fit:  # what is let through can be filled in, and stays below the root
        filled = text.format(date="20241115", production="v1", name="a.h5")
        assert filled.endswith("a.h5")
        assert not filled.startswith("/")


def test_links_are_of_kinds_that_are_published() -> None:
    assert set(LINKS) <= set(TEMPLATES)
