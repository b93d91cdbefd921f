"""Libraries: files that name further files, each read once, and what is wrong with that."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from osa_luigi.config import load, load_main, procedure_names

if TYPE_CHECKING:
    from tests.fast.config.conftest import SiteOnDisk

A = "libraries: [sub/b.yaml]\nprocedures:\n- {name: a, dl2: {enabled: false}}\n"
B = "libraries: [../c.yaml]\nprocedures:\n- {name: b, dl2: {enabled: false}}\n"
C = "name: c\ndl2: {enabled: false}\n"


@pytest.fixture
def shelves(site: SiteOnDisk) -> SiteOnDisk:
    """A main file with p.yaml and a library, in which is another, in which is a procedure."""
    (site.folder / "sub").mkdir()
    for name, text in (("a.yaml", A), ("sub/b.yaml", B), ("c.yaml", C)):
        (site.folder / name).write_text(text)
    site.edit("procedures: [p.yaml]\n", "procedures: [p.yaml]\nlibraries: [a.yaml]\ndefault_procedure: p\n")
    return site


def test_procedures_of_libraries_within_libraries(shelves: SiteOnDisk) -> None:
    assert procedure_names(load_main(shelves.main)) == ("p", "a", "b", "c")
    assert load(shelves.main, "c").procedure.path == shelves.folder / "c.yaml"


def test_libraries_alone(shelves: SiteOnDisk) -> None:
    shelves.edit("procedures: [p.yaml]\n", "")
    shelves.edit("default_procedure: p", "default_procedure: b")
    assert load(shelves.main).procedure.name == "b"


def test_neither_procedures_nor_libraries(site: SiteOnDisk) -> None:
    site.edit("procedures: [p.yaml]\n", "")
    assert "procedures: is missing: name the files that hold the procedures" in site.problems()[0]


def test_a_file_that_is_named_twice_is_read_once(shelves: SiteOnDisk) -> None:
    (shelves.folder / "a.yaml").write_text(A.replace("[sub/b.yaml]", "[sub/b.yaml, ./c.yaml, sub/../sub/b.yaml]"))
    assert procedure_names(load_main(shelves.main)) == ("p", "a", "b", "c")


def test_a_variable_in_a_library_s_path(shelves: SiteOnDisk, monkeypatch: pytest.MonkeyPatch) -> None:
    (shelves.folder / "sub/b.yaml").write_text(B.replace("../c.yaml", "'${SHELF}/c.yaml'"))
    monkeypatch.setenv("SHELF", str(shelves.folder))
    assert load(shelves.main, "c").procedure.name == "c"


@pytest.mark.parametrize(
    ("listed", "complaint"),
    [
        ("../d.yaml", "sub/b.yaml:1:13: libraries[0]: no such file: {folder}/d.yaml"),
        ("..", "sub/b.yaml:1:13: libraries[0]: is a directory, a file is expected: {folder}"),
        ("~/c.yaml", "sub/b.yaml:1:13: libraries[0]: ~ is not expanded (write ${{HOME}})"),
        (
            "'${NO_SUCH_VARIABLE}/c'",
            "sub/b.yaml:1:13: libraries[0]: the environment variable NO_SUCH_VARIABLE is not set "
            "(${{NO_SUCH_VARIABLE:-default}} gives one)",
        ),
        ("3", 'sub/b.yaml:1:13: libraries[0]: must be a text, not 3 (put it in quotes: "3")'),
        (
            "../a.yaml",
            "sub/b.yaml:1:13: libraries[0]: libraries hold one another in a circle: "
            "{folder}/main.yaml → {folder}/a.yaml → {folder}/sub/b.yaml → {folder}/a.yaml",
        ),
        (
            "../main.yaml",
            "sub/b.yaml:1:13: libraries[0]: libraries hold one another in a circle: "
            "{folder}/main.yaml → {folder}/a.yaml → {folder}/sub/b.yaml → {folder}/main.yaml",
        ),
    ],
)
def test_what_a_library_cannot_name(shelves: SiteOnDisk, listed: str, complaint: str) -> None:
    (shelves.folder / "sub/b.yaml").write_text(B.replace("../c.yaml", listed))
    assert shelves.problems() == [complaint.format(folder=shelves.folder)]


def test_a_procedure_beside_the_list(shelves: SiteOnDisk) -> None:
    shelves.add("dl2: {enabled: false}\n", "a.yaml")
    assert shelves.problem() == "a.yaml:4:1: dl2: unknown key beside 'libraries' (put it into a procedure)"


def test_libraries_all_the_way_down(site: SiteOnDisk) -> None:
    for number in range(30):
        (site.folder / f"{number}.yaml").write_text(f"libraries: [{number + 1}.yaml]\n")
    site.edit("[p.yaml]", "[p.yaml]\nlibraries: [0.yaml]")
    assert site.problem() == "19.yaml:1:13: libraries[0]: libraries within libraries, more than 20 deep"


def test_a_device_is_no_library(site: SiteOnDisk) -> None:
    site.edit("[p.yaml]", "[p.yaml]\nlibraries: [/dev/zero]")
    assert site.problem() == "/dev/zero: cannot be read: it is a device or a pipe, a file is expected"


def test_names_are_unique_over_all_files(shelves: SiteOnDisk) -> None:
    (shelves.folder / "c.yaml").write_text(C.replace("name: c", "name: a"))
    assert shelves.problem() == (
        f"c.yaml:1:7: name: 'a' is the name of another procedure, too ({shelves.folder}/a.yaml:3)"
    )
