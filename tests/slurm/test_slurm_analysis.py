"""A user's analysis as elements of real arrays: one for each run, and the end of it."""

from __future__ import annotations

import json

from slurm_site import Site

from osa_luigi.batch.slurm.records import INTENT
from osa_luigi.products.production import Production
from osa_luigi.products.receipt import current_receipt

COUNT = """
class Count:
    def __init__(self, parameters): pass
    def output(self): return {"files": ["count.txt"]}
    def run(self, data, output_dir):
        (output_dir / "count.txt").write_text(str(len(data.files)))
        if data.runs[0].number == 2004:
            raise ValueError("as asked for")
"""
ANALYSIS = {
    "name": "count",
    "type": "analysis",
    "of": "fake",
    "scope": "run",
    "class": "Count",
    "path": "count.py",
    "reads": ["dl2"],
    "resources": {"memory_mb": 100, "time_limit_minutes": 5},
}
FAILED = 30
"""Luigi's exit code."""


def test_an_analysis_runs_on_the_cluster_and_its_failure_is_of_one_run(site: Site) -> None:
    site.configure()
    library = site.folder / "procedures.yaml"
    library.write_text(json.dumps({"procedures": [*json.loads(library.read_text())["procedures"], ANALYSIS]}))
    (site.folder / "count.py").write_text(COUNT)
    assert site.run("AnalysisTask", "--name", "count") == FAILED
    place = Production(site.production.root.with_name("count"))
    made = current_receipt(place, "analysis", "Run02003")
    assert made is not None
    assert (place.root / "Run02003" / "count.txt").read_text() == "1"
    assert current_receipt(place, "analysis", "Run02004") is None
    arrays = [json.loads(path.read_text()) for path in (place.state / "engine" / "arrays").glob(f"*/{INTENT}")]
    assert arrays, "nothing was submitted for it"
    assert "ValueError: as asked for" in "".join(path.read_text() for path in site.folder.glob("luigi*.log"))
    (site.folder / "count.py").write_text(COUNT.replace("== 2004", "== 0"))
    assert site.run("AnalysisTask", "--name", "count", "--production", "count2") == 0
    assert (site.production.root.with_name("count2") / "NightFinished.txt").exists()
