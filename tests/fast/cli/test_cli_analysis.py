"""``osa analysis``: what there is, by hand, on trial, and a new one."""

from __future__ import annotations

import runpy
import shutil
from pathlib import Path

import pytest
from cli_nights import DATE, Demo, Site

COUNT = '''
"""Counts."""
class Count:
    """Counts files."""
    def __init__(self, parameters): self.fail = parameters.get("fail")
    def output(self): return {"files": ["count.txt"]}
    def run(self, data, output_dir):
        (output_dir / "count.txt").write_text(str(len(data.files)))
        if self.fail:
            raise ValueError("as asked for")
'''
ANALYSIS = {"name": "count", "type": "analysis", "of": "fake", "class": "Count", "path": "count.py", "reads": ["dl2"]}


@pytest.fixture
def with_analyses(closed: Demo, tmp_path: Path) -> Site:
    """A closed night, with an analysis that works and one that fails."""
    site = Site(tmp_path / "site")
    shutil.copytree(closed.site.base, site.base, ignore=shutil.ignore_patterns("engine"))
    (site.base / "count.py").write_text(COUNT)
    site.configure(ANALYSIS, {**ANALYSIS, "name": "failing", "scope": "run", "parameters": {"fail": True}})
    return site


def test_list_and_show(with_analyses: Site) -> None:
    rows = with_analyses.data("analysis", "list")
    assert [(row["name"], row["scope"], row["of"]) for row in rows] == [
        ("count", "night", ["fake"]),
        ("failing", "run", ["fake"]),
    ]
    assert "count.py" in with_analyses.osa("analysis", "list").stdout
    shown = with_analyses.data("analysis", "show", "count")
    assert shown["outputs"] == {"file:count.txt": "count.txt"}
    assert shown["what"] == "Counts files."
    assert (
        "no analysis 'counts' (did you mean 'count'?)" in with_analyses.osa("analysis", "show", "counts", code=3).stderr
    )


def test_on_trial_nothing_of_a_production_is_touched(with_analyses: Site, tmp_path: Path) -> None:
    folder = tmp_path / "try"
    folder.mkdir()
    (folder / "mine").touch()
    trial = ("analysis", "run", "failing", *DATE, "--trial", str(folder))
    assert "holds other things than a trial's" in with_analyses.osa(*trial, code=3).stderr
    (folder / "mine").unlink()
    out, _ = with_analyses.process(*trial, code=1)
    assert out.count("count.py, line 10, in run") == 2
    assert (folder / "Run02003" / "attempt" / "output" / "count.txt").read_text() == "1"
    assert not with_analyses.production("failing").root.exists()


def test_by_hand_it_is_made_with_receipts(with_analyses: Site) -> None:
    site = with_analyses
    assert [one["made"] for one in site.data("analysis", "show", "count", *DATE, code=1)["products"]] == [False, False]
    out, _ = site.process("analysis", "run", "count", *DATE)
    assert "analysis.night: made" in out
    assert site.data("analysis", "show", "count", *DATE)["products"][1] == {
        "call": "close.night",
        "made": True,
        "folder": str(site.production("count").root),
        "failed": None,
    }


def test_what_failed_is_shown_with_its_reason(with_analyses: Site) -> None:
    site = with_analyses
    site.process("analysis", "run", "failing", *DATE, code=1)
    shown = site.osa("analysis", "show", "failing", *DATE, code=1).stdout
    assert "analysis.Run02003: FAILED at 20" in shown
    assert "count.py, line 10, in run" in shown
    assert "close.night: not made" in shown
    parts = site.data("analysis", "show", "failing", *DATE, code=1)["products"]
    failures = [one["failed"] for one in parts if one["failed"]]
    assert len(failures) == 2
    assert all("line 10" in Path(one["log"]).read_text() for one in failures)


def test_what_is_not_closed_is_not_read(with_analyses: Site) -> None:
    err = with_analyses.osa("analysis", "run", "count", "--date", "2024-11-16", code=3).stderr
    assert (
        "the night is not closed. Run it first: luigi --module osa_luigi NightTask --date 2024-11-16 --procedure fake"
        in err
    )


def test_a_new_analysis_works_as_it_is(site: Site, tmp_path: Path) -> None:
    folder = tmp_path / "analyses"
    assert "pointing.yaml" in site.osa("analysis", "new", "pointing", "--folder", str(folder)).stdout
    made = runpy.run_path(str(folder / "pointing_test.py"))
    made["test_events_are_counted_above_the_threshold"](tmp_path)
    assert (tmp_path / "pointing.png").exists()
    site.configure()
    main = site.config.read_text().replace('"procedures.yaml"', f'"procedures.yaml", "{folder}/pointing.yaml"')
    site.config.write_text(main)
    assert site.data("analysis", "list")[0]["of"] == ["fake"]
    assert "is there already" in site.osa("analysis", "new", "pointing", "--folder", str(folder), code=3).stderr
    assert "cannot name an analysis" in site.osa("analysis", "new", "Pointing!", code=3).stderr
