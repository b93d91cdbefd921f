"""Finding a user's class, asking it, and keeping it to its folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from analyses import COUNT

from osa_luigi.analysis.confine import confine
from osa_luigi.analysis.describe import ask, describe
from osa_luigi.analysis.loading import ClassSpec
from osa_luigi.analysis.outputs import declared_outputs
from osa_luigi.errors import StepError


def test_outputs_get_roles() -> None:
    said = {"summary": "a.h5", "plots": ["a.png", "more/b.pdf"], "files": [], "calibration": "c.json"}
    assert declared_outputs(said, "Trend") == {
        "summary": "a.h5",
        "calibration": "c.json",
        "plot:a.png": "a.png",
        "plot:more/b.pdf": "more/b.pdf",
    }


@pytest.mark.parametrize(
    ("said", "trouble"),
    [
        (None, "returned a NoneType, not a dictionary"),
        ({}, "names no file"),
        ({"plot": ["a.png"]}, r"has an unknown key 'plot' \(known: summary, calibration, plots, files\)"),
        ({"plots": "a.png"}, "has plots that are no list"),
        ({"summary": "/etc/passwd"}, "names '/etc/passwd', which is not relative to the output folder"),
        ({"summary": "../a.h5"}, "is not relative"),
        ({"summary": ".a.h5"}, "is hidden"),
        ({"summary": "a//b.h5"}, "not written plainly"),
        ({"summary": 3}, "names 3, which is no name of a file"),
        ({"summary": "a.h5", "files": ["a.h5"]}, "names 'a.h5' twice"),
        ({"calibration": "a.h5"}, "must be a JSON file"),
    ],
)
def test_outputs_that_cannot_be(said: object, trouble: str) -> None:
    with pytest.raises(StepError, match=rf"^Trend\.output\(\) {trouble}|{trouble}"):
        declared_outputs(said, "Trend")


def spec(folder: Path, source: str, name: str = "Count") -> ClassSpec:
    path = folder / "mine.py"
    path.write_text(source)
    return ClassSpec(name, path)


def test_a_class_of_a_file_is_asked_in_a_process_of_its_own(tmp_path: Path) -> None:
    helper = tmp_path / "helper.py"
    helper.write_text("NAME = 'a.h5'\n")
    source = "from helper import NAME\n\nclass Count:\n    'Counts.'\n    def __init__(self, p): pass\n"
    source += "    def output(self): return {'summary': NAME}\n    def run(self, data, folder): pass\n"
    found = ask(ClassSpec("Count", spec(tmp_path, source).path, (helper,)), {})
    assert found.outputs == {"summary": "a.h5"}
    assert found.doc == "Counts."
    assert sorted(found.sources) == ["helper.py", "mine.py"]
    helper.write_text("NAME = 'other.h5'\n")
    again = ask(ClassSpec("Count", tmp_path / "mine.py", (helper,)), {})
    assert again.outputs == {"summary": "other.h5"}
    assert again.sources != found.sources


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import os\nos._exit(3)\n", "its process ended with 3 while it was imported"),
        ("class Count(:\n", r"SyntaxError: .*mine\.py, line 1"),
        ("import no_such_module\n", r"No module named 'no_such_module' \(.*mine\.py, line 1, in <module>\)"),
        ("open('/var/tmp/osa-mine', 'w')\n", r"PermissionError.*mine\.py, line 1"),
        ("Count = 3\n", "Count is no class"),
        ("class Trend: pass\n", "has no class 'Count'; it has Trend"),
        ("class Count:\n    def output(self): pass\n", "has no method run"),
        (COUNT.replace("return {", "return {'a': 1,", 1), "unknown key 'a'"),
        (
            COUNT.replace('parameters.get("factor", 1)', 'parameters["factor"]'),
            r"KeyError: 'factor' \(.*line \d+, in __init__\)",
        ),
    ],
)
def test_a_class_that_cannot_be_used(tmp_path: Path, source: str, said: str) -> None:
    with pytest.raises(StepError, match=said):
        ask(spec(tmp_path, source), {})
    assert not Path("/var/tmp/osa-mine").exists()


def test_a_class_of_a_module_and_of_an_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = "osa_luigi.analysis.examples.datacheck_trend:DatacheckTrend"
    assert (
        describe(ClassSpec(module), {"quantities": ["cosmics_rate"]}).outputs["plot:cosmics_rate.png"]
        == "cosmics_rate.png"
    )
    with pytest.raises(StepError, match="ValueError: unknown quantities rate; known are pedestal_std"):
        describe(ClassSpec(module), {"quantities": ["rate"]})
    installed = tmp_path / "theirs-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Name: theirs\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text(f"[osa_luigi.analyses]\ntrend = {module}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert describe(ClassSpec("trend"), {}).outputs["summary"] == "datacheck_trend.h5"
    with pytest.raises(StepError, match=r"no installed package offers an analysis 'trends' .*trend"):
        describe(ClassSpec("trends"), {})


def test_a_confined_process_writes_into_its_folder_only(tmp_path: Path) -> None:
    own, other = tmp_path / "own", tmp_path / "other"
    own.mkdir()
    other.mkdir()
    (other / "there").write_text("kept")
    script = f"""
import os, subprocess, sys
from pathlib import Path
from osa_luigi.analysis.confine import confine
confined = confine([Path({str(own)!r})])
Path({str(own)!r}, "new").write_text("mine")
refused = 0
for attempt in (
    lambda: Path({str(other)!r}, "new").write_text("not mine"),
    lambda: Path({str(other)!r}, "there").write_text("not mine"),
    lambda: Path({str(other)!r}, "there").unlink(),
    lambda: os.truncate({str(other / "there")!r}, 0),
    lambda: Path({str(other)!r}, "folder").mkdir(),
    lambda: os.rename({str(own / "new")!r}, {str(other / "moved")!r}),
    lambda: subprocess.run(["/bin/sh", "-c", "echo x > {other}/by-child"], check=True, stderr=subprocess.DEVNULL),
):
    try:
        attempt()
    except (OSError, subprocess.CalledProcessError):
        refused += 1
print(confined, refused)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    if done.stdout.startswith("False"):
        pytest.skip("this kernel has no Landlock")
    assert done.stdout.split() == ["True", "7"]
    assert [path.name for path in other.iterdir()] == ["there"]
    assert (other / "there").read_text() == "kept"


def test_where_there_is_no_landlock_nothing_is_restricted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("osa_luigi.analysis.confine._CREATE", 100_000)  # a system call that no kernel has
    assert confine([tmp_path]) is False
    assert os.access(tmp_path, os.W_OK)
