"""Analyses on a fake site: what a scientist would write, small."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import luigi
from fake_nights import DAY, FAKE, FakeSite, new_process

from osa_luigi.batch.command import OsaFactory
from osa_luigi.tasks.analysis import AnalysisTask
from osa_luigi.tasks.analysis_session import forget_analyses

COUNT = '''
"""Counts the bytes that it is given."""
import json
from pathlib import Path


class Count:
    """Counts bytes."""

    def __init__(self, parameters):
        self.factor = parameters.get("factor", 1)

    def output(self):
        return {"summary": "count.h5", "calibration": "levels.json", "files": ["more/runs.txt"]}

    def run(self, data, output_dir):
        import numpy as np
        import tables

        rows = [(file.run or 0, self.factor * file.path.stat().st_size) for file in data.files]
        with tables.open_file(output_dir / "count.h5", "w") as out:
            out.create_table("/", "count", np.array(rows, dtype=[("run", "i8"), ("bytes", "i8")]))
        (output_dir / "levels.json").write_text(json.dumps({"tailcut": {"picture_thresh": 7 + self.factor}}))
        (output_dir / "more").mkdir()
        (output_dir / "more" / "runs.txt").write_text(" ".join(str(run.number) for run in data.runs))
'''

ANALYSIS: dict[str, Any] = {
    "name": "count",
    "type": "analysis",
    "of": "fake",
    "class": "Count",
    "path": "count.py",
    "reads": ["dl2", "longterm"],
}


def add_analysis(site: FakeSite, source: str = COUNT, **settings: Any) -> Path:
    """Put an analysis into the site's library; returns the file of its class."""
    entry = {**ANALYSIS, **settings}
    site.procedures = {**site.procedures, "fake": site.procedures.get("fake", FAKE), entry["name"]: entry}
    site.write()
    path = site.folder / entry["path"]
    path.write_text(textwrap.dedent(source))
    return path


def run_analysis(site: FakeSite, name: str = "count", **parameters: Any) -> Any:
    """Run an analysis through luigi in this process; returns luigi's result."""
    return run_analyses(site, name, **parameters)


def run_analyses(site: FakeSite, *names: str, **parameters: Any) -> Any:
    """The same of several at once."""
    new_process(site.config)
    forget_analyses()
    tasks = [AnalysisTask(name=name, **({"date": DAY} | parameters)) for name in names]
    return luigi.build(
        tasks, local_scheduler=True, worker_scheduler_factory=OsaFactory(), detailed_summary=True, log_level="INFO"
    )


TROUBLE = '''
"""Ends badly in many ways, for one run."""
import os
import signal
import sys
import time


class Trouble:
    def __init__(self, parameters):
        self.how = parameters["how"]
        self.elsewhere = parameters.get("elsewhere", "")

    def output(self):
        return {"files": ["good.txt"]}

    def run(self, data, output_dir):
        (output_dir / "good.txt").write_text("good")
        if data.runs[0].number == 2003:
            getattr(self, self.how)(data)

    def raising(self, data):
        raise KeyError("intensity")

    def leaving(self, data):
        os._exit(0)

    def exiting(self, data):
        sys.exit(0)

    def killed(self, data):
        os.kill(os.getpid(), signal.SIGKILL)

    def endless(self, data):
        while True:
            time.sleep(1)

    def writing(self, data):
        open(self.elsewhere, "w").write("not mine")

    def destroying(self, data):
        os.remove(data.files[0].path)
'''
