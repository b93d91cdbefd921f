"""Workflows: their order, and the names that lead nowhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from osa_luigi.config import load_main, load_workflow, validate, workflows
from osa_luigi.errors import ConfigurationError

if TYPE_CHECKING:
    from tests.fast.config.conftest import SiteOnDisk

LIBRARY = """\
procedures:
- {name: a, dl2: {enabled: false}}
- {name: b, dl2: {enabled: false}}
- {name: c, dl2: {enabled: false}}
workflows:
- {name: inner, tasks: [b, a]}
- {name: outer, tasks: [c, inner, p]}
- {name: all, tasks: [outer, inner, b]}
"""


@pytest.fixture
def works(site: SiteOnDisk) -> SiteOnDisk:
    (site.folder / "w.yaml").write_text(LIBRARY)
    site.edit("[p.yaml]", "[p.yaml]\nlibraries: [w.yaml]\ndefault_procedure: p")
    return site


def test_inner_workflows_stand_in_their_places(works: SiteOnDisk) -> None:
    main = load_main(works.main)
    assert load_workflow(main, "inner").order == ("b", "a")
    assert load_workflow(main, "outer").order == ("c", "b", "a", "p")
    assert load_workflow(main, "outer").tasks == ("c", "inner", "p")


def test_a_procedure_runs_where_it_comes_first(works: SiteOnDisk) -> None:
    assert load_workflow(load_main(works.main), "all").order == ("c", "b", "a", "p")


def test_one_of_the_main_file(works: SiteOnDisk) -> None:
    works.add("workflows:\n- name: mine\n  tasks: [all, inner]\n", "main.yaml")
    assert [one.name for one in workflows(load_main(works.main))] == ["mine", "inner", "outer", "all"]


def test_one_that_is_nowhere(works: SiteOnDisk) -> None:
    with pytest.raises(ConfigurationError, match=r"no workflow 'outre' \(did you mean 'outer'\?\)"):
        load_workflow(load_main(works.main), "outre")


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("[b, a]", "[b, aa]", "6:28: workflows[0].tasks[1]: no procedure or workflow 'aa' (did you mean 'a'?)"),
        ("[b, a]", "[b, b]", "6:28: workflows[0].tasks[1]: 'b' is there twice: within a workflow each runs once"),
        ("[b, a]", "[]", "6:24: workflows[0].tasks: must not be empty"),
        ("[b, a]", "b", "6:24: workflows[0].tasks: must be a list, not 'b'"),
        ("[b, a]", "[1, b]", 'workflows[0].tasks[0]: must be a text, not 1 (put it in quotes: "1")'),
        (", tasks: [b, a]", "", "workflows[0].tasks: is missing: Names of procedures and of other workflows"),
        ("name: inner", "nam: inner", "6:4: workflows[0].nam: unknown key (did you mean 'name'?)"),
        ("name: inner", "name: a", "6:10: workflows[0].name: 'a' is the name of a procedure, too ("),
        ("name: inner", "name: outer", "workflows[1].name: 'outer' is the name of another workflow, too ("),
        (
            "[b, a]",
            "[b, inner]",
            "6:28: workflows[0].tasks[1]: workflows hold one another in a circle: inner → inner",
        ),
        (
            "[b, a]",
            "[b, all]",
            "8:23: workflows[2].tasks[0]: workflows hold one another in a circle: all → outer → inner → all",
        ),
        ("- {name: inner, tasks: [b, a]}", "- inner", "workflows[0]: must be 'key: value' lines, not 'inner'"),
    ],
)
def test_what_a_workflow_cannot_be(works: SiteOnDisk, old: str, new: str, complaint: str) -> None:
    works.edit(old, new, "w.yaml")
    assert any(complaint in line for line in validate(works.main)[1]), validate(works.main)[1]


def test_a_broken_workflow_stops_no_night_but_itself(works: SiteOnDisk) -> None:
    works.edit("[b, a]", "[b, aa]", "w.yaml")
    main = load_main(works.main)
    assert validate(works.main, "c") == (["c"], [])
    with pytest.raises(ConfigurationError, match="'aa'"):
        load_workflow(main, "outer")
