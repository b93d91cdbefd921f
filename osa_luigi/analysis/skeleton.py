"""The beginning of a new analysis: a class that works, its procedure, and a test."""

from __future__ import annotations

import re
from pathlib import Path

from osa_luigi.errors import ConfigurationError

NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")

CLASS = '''"""{title}: what it finds, and from what."""

from astropy.table import Table
from ctapipe.io import write_table
from matplotlib.figure import Figure


class {title}:
    """How many events each run has above an intensity."""

    def __init__(self, parameters):
        self.intensity_min = parameters.get("intensity_min", 50)

    def output(self):
        return {{"summary": "{name}.h5", "plots": ["{name}.png"]}}

    def run(self, data, output_dir):
        rows = []
        for run, of_run in data.by_run():
            count = sum(int((chunk["intensity"] > self.intensity_min).sum()) for chunk in of_run.chunks("dl2"))
            rows.append({{"date": run.date.isoformat(), "run": run.number, "events": count}})
        table = Table(rows=rows)
        write_table(table, output_dir / "{name}.h5", "/runs")
        figure = Figure(layout="constrained")
        axes = figure.subplots()
        axes.plot(table["run"], table["events"], "o")
        axes.set_xlabel("run")
        axes.set_ylabel(f"events above {{self.intensity_min}} p.e.")
        figure.savefig(output_dir / "{name}.png")
'''

PROCEDURE = """procedures:
  - name: {name}
    type: analysis
    of: {of}                # the reconstruction whose products it reads
    scope: night            # or run, or campaign
    class: {title}
    path: {name}.py
    reads: [dl2]
    parameters:
      intensity_min: 50
"""

TEST = '''"""pytest {name}_test.py"""

import sys
from datetime import date
from pathlib import Path

from astropy.table import Table
from ctapipe.io import read_table, write_table

from osa_luigi.analysis import KINDS, Data, File, Run

sys.path.insert(0, str(Path(__file__).parent))
from {name} import {title}  # noqa: E402

DAY = date(2024, 11, 15)


def test_events_are_counted_above_the_threshold(tmp_path):
    dl2 = tmp_path / "dl2.h5"
    write_table(Table({{"intensity": [10.0, 60.0, 70.0]}}), dl2, KINDS["dl2"].table)
    data = Data((File("dl2", dl2, DAY, "v1", "{of}", "", 2003),), (Run(2003, DAY),))
    {title}({{"intensity_min": 50}}).run(data, tmp_path)
    assert list(read_table(tmp_path / "{name}.h5", "/runs")["events"]) == [2]
'''


def write_skeleton(name: str, folder: Path, of: str) -> tuple[Path, Path, Path]:
    """Write the class, its procedure and its test.

    Raises
    ------
    ConfigurationError
        The name cannot be a module's, or a file is there already: none is written then.
    OSError
        The folder cannot be written.
    """
    if not NAME.fullmatch(name):
        raise ConfigurationError(
            [f"{name!r} cannot name an analysis and its module: small letters, digits and _, a letter first"]
        )
    texts: dict[Path, str] = {}
    title = "".join(part.capitalize() for part in name.split("_"))
    for file, text in ((f"{name}.py", CLASS), (f"{name}.yaml", PROCEDURE), (f"{name}_test.py", TEST)):
        texts[folder / file] = text.format(name=name, title=title, of=of)
    if there := [str(path) for path in texts if path.exists()]:
        raise ConfigurationError([f"{path}: is there already: move it aside, or choose another name" for path in there])
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in texts.items():
        path.write_text(text)
    one, two, three = texts
    return one, two, three
