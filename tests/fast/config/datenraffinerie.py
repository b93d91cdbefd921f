"""Datenraffinerie's documented configuration, written here: the page docs/datenraffinerie.md is made by running each example.

``python -m tests.fast.config.datenraffinerie`` prints the page.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from osa_luigi.config import load, load_main, load_of_type, load_workflow, procedure_names, validate
from osa_luigi.config.kinds import SCHEMAS
from tests.fast.config.mistakes import LIST, MAIN, OFF, STANDARD, Mistake

HEAD = """\
# Coming from Datenraffinerie

Each feature of Datenraffinerie's configuration, and how it is written here; or that it is refused, with what is said and why.
The page is made by running every example: `python -m tests.fast.config.datenraffinerie`.
"""

Check = Callable[[Path], bool]


@dataclass(frozen=True, slots=True)
class Feature:
    """A feature there, and the files that say the same here; refused where there is no `check`."""

    there: str
    here: str
    files: dict[str, str]
    check: Check | None = None

    def tried(self) -> tuple[list[str], bool]:
        """What is said about it, and whether the check holds."""
        with tempfile.TemporaryDirectory() as folder:
            site, main = Path(folder), Path(folder) / "main.yaml"
            Mistake("", "", "main.yaml", "", "").write(site)
            for name, text in self.files.items():
                (site / name).write_text(text)
            _, problems = validate(main)
            holds = self.check is None or (not problems and self.check(main))
        return [line.removeprefix(f"{folder}/").replace(folder, "/site") for line in problems], holds


WITH_LIBRARY = MAIN.replace(LIST, LIST + "libraries: [library.yaml]\ndefault_procedure: standard\n")
TWO = f"procedures:\n- {{name: a, {OFF}}}\n- {{name: b, {OFF}}}\n"


def _order(*names: str) -> Check:
    return lambda main: load_workflow(load_main(main), "all").order == names


def _names(*expected: str) -> Check:
    return lambda main: procedure_names(load_main(main)) == expected


SCAN = """\
procedures:
- name: scan
  type: campaign
  reconstruction: standard
  dates: [2024-11-15]
  grid:
"""
PICTURE = "  - {key: [dl1ab, tailcuts, picture_thresh], values: [6, 8]}\n"
BOUNDARY = "  - {key: [dl1ab, tailcuts, boundary_thresh], values: {start: 2, stop: 5, step: 2}}\n"


def _points(*expected: dict[str, int]) -> Check:
    def check(main: Path) -> bool:
        points = load_of_type(load_main(main), "campaign", "scan").all_points()
        return [dict(point.changes["dl1ab"]["tailcuts"]) for point in points] == list(expected)

    return check


OF_CAMPAIGNS = (
    Feature(
        "A parameter: `{key: [...], values: [...]}`",
        "The same, as a dimension of a campaign's `grid`; each value is a production of its own.",
        {"main.yaml": WITH_LIBRARY, "library.yaml": SCAN + PICTURE},
        _points({"picture_thresh": 6}, {"picture_thresh": 8}),
    ),
    Feature(
        "Values as `{start, stop, step}`, and several parameters: all combinations, the last one fastest",
        "The same.",
        {"main.yaml": WITH_LIBRARY, "library.yaml": SCAN + PICTURE + BOUNDARY},
        _points(*({"picture_thresh": p, "boundary_thresh": b} for p in (6, 8) for b in (2, 4))),
    ),
)
"""Once there are campaigns."""

CLASS = """\
class Count:
    def __init__(self, parameters):
        self.parameters = parameters

    def output(self):
        return {"summary": "count.json"}

    def run(self, data, output_dir):
        (output_dir / "count.json").write_text("{}")
"""
COUNT = """\
procedures:
- name: count
  type: analysis
  of: standard
  class: Count
  path: count.py
  reads: [dl2]
  parameters: {limit: 3}
"""

OF_ANALYSES = (
    Feature(
        "Type `analysis`: `daq`, `module_name`, `parameters`",
        "The same type: `of` names the reconstruction, `class` and `path` the class, `parameters` what it is made with.",
        {"main.yaml": WITH_LIBRARY, "library.yaml": COUNT, "count.py": CLASS},
        lambda main: load_of_type(load_main(main), "analysis", "count").name == "count",
    ),
    Feature(
        "`compatible_modes`",
        "Refused: an analysis says what it reads (`reads`), which is there or is refused.",
        {"main.yaml": WITH_LIBRARY, "library.yaml": COUNT + "  compatible_modes: [full]\n", "count.py": CLASS},
    ),
)
"""Once there are analyses."""

FEATURES = (
    *(OF_ANALYSES if "analysis" in SCHEMAS else ()),
    *(OF_CAMPAIGNS if "campaign" in SCHEMAS else ()),
    Feature(
        "`libraries: [path]`, relative to the file that includes",
        "The same; libraries may hold libraries, each file is read once, circles are refused.",
        {"main.yaml": WITH_LIBRARY, "library.yaml": TWO},
        _names("standard", "a", "b"),
    ),
    Feature(
        "A library is a list of procedures",
        "Refused: the list stands under `procedures:`, since `libraries` and `workflows` may stand beside it.",
        {"main.yaml": WITH_LIBRARY, "library.yaml": f"- {{name: a, {OFF}}}\n"},
    ),
    Feature(
        "`procedures:` in the main file hold procedures",
        "Refused: the main file says where we are, and is another at each site; procedures are shared.",
        {"main.yaml": MAIN.replace("[standard.yaml]", f"[standard.yaml, {{name: a, {OFF}}}]")},
    ),
    Feature(
        "`workflows: [{name, tasks: [name]}]`, in the given order",
        "The same. The order is a dependency, not a priority; workflows may hold workflows.",
        {
            "main.yaml": WITH_LIBRARY,
            "library.yaml": TWO + "workflows:\n- {name: all, tasks: [b, pair]}\n- {name: pair, tasks: [a, standard]}\n",
        },
        _order("b", "a", "standard"),
    ),
    Feature(
        "Two procedures of one name",
        "Refused; there the last one counts.",
        {"main.yaml": WITH_LIBRARY, "library.yaml": TWO.replace("name: b", "name: a")},
    ),
    Feature(
        "A workflow that names what is not there",
        "Refused, with the name that is likely meant.",
        {"main.yaml": WITH_LIBRARY, "library.yaml": TWO + "workflows:\n- {name: all, tasks: [a, standrad]}\n"},
    ),
    Feature(
        "A typing mistake in a key",
        "Refused; there it goes unnoticed.",
        {"standard.yaml": STANDARD + "merge: {dl: true}\n"},
    ),
    Feature(
        "Type `daq`",
        "Refused: the telescope takes the data. A procedure that processes them has the type `reconstruction`.",
        {"standard.yaml": STANDARD + "type: daq\n"},
    ),
    Feature(
        "`system_settings.default`: a file with all settings of the system",
        "`config` of a section: lstchain's configuration, from a file of your own or one that lstchain ships.",
        {"standard.yaml": STANDARD + "dl1ab:\n  config: lstchain:lstchain_standard_config.json\n"},
        lambda main: "tailcut" in load(main).procedure.dl1ab.config,
    ),
    Feature(
        "`system_settings.override`: single settings of that file",
        "`overrides` of a section. A key that the file does not have is refused.",
        {"standard.yaml": STANDARD + "dl1ab:\n  overrides: {tailcut: {picture_thresh: 7}}\n"},
        lambda main: load(main).procedure.dl1ab.config["tailcut"]["picture_thresh"] == 7,
    ),
    Feature(
        "`system_settings.init`: settings to start the hardware with",
        "Refused: no hardware is started. What several procedures begin with is a procedure that they extend.",
        {"standard.yaml": STANDARD + "system_settings: {init: start.yaml}\n"},
    ),
    Feature(
        "Precedence: override before default",
        "The same: `overrides` before `config` before lstchain's standard; and an heir before what it extends.",
        {
            "main.yaml": WITH_LIBRARY.replace("default_procedure: standard", "default_procedure: heir"),
            "standard.yaml": STANDARD + "dl1ab:\n  overrides: {tailcut: {picture_thresh: 7, boundary_thresh: 3}}\n",
            "library.yaml": (
                "procedures:\n- name: heir\n  extends: standard\n  dl1ab: {overrides: {tailcut: {picture_thresh: 9}}}\n"
            ),
        },
        lambda main: (
            [load(main).procedure.dl1ab.config["tailcut"][f"{name}_thresh"] for name in ("picture", "boundary")]
            == [9, 3]
        ),
    ),
    Feature(
        "`calibration`: the name of a procedure that calibrates",
        "The section `calibration` says how; which run calibrates a night is found in its run summary.",
        {"standard.yaml": STANDARD + "calibration:\n  charge: {sample_size: 5000}\n"},
        lambda main: load(main).procedure.calibration.charge.sample_size == 5000,
    ),
    Feature(
        "`merge: true`",
        "The section `merge`, for DL1 and muons.",
        {"standard.yaml": STANDARD + "merge: {dl1: true, muons: false, images: true}\n"},
        lambda main: load(main).procedure.merge.images and not load(main).procedure.merge.muons,
    ),
    Feature(
        "`repeat: n`",
        "Refused: the same data processed again give the same product, which is there already.",
        {"standard.yaml": STANDARD + "repeat: 3\n"},
    ),
    Feature(
        "`mode: summary` or `full`",
        "Refused: DL1 and DL2 tables are always made; what is small and for people is the datacheck (`datacheck`).",
        {"standard.yaml": STANDARD + "mode: full\n"},
    ),
    Feature(
        "`data_columns`",
        "Refused in a reconstruction, whose tables have the columns of lstchain's data model.",
        {"standard.yaml": STANDARD + "data_columns: [intensity]\n"},
    ),
)


def page() -> str:
    """The page, from the first line to the last."""
    return "\n".join([HEAD, *_parts()])


def _parts() -> Iterator[str]:
    for feature in FEATURES:
        yield f"## {feature.there}\n"
        yield f"{feature.here}\n"
        for name, text in feature.files.items():
            if name != "main.yaml" or "library.yaml" not in feature.files:
                shown = text.removeprefix(STANDARD) if name == "standard.yaml" else text
                language = "python" if name.endswith(".py") else "yaml"
                yield f"`{name}`:\n\n```{language}\n{shown.rstrip()}\n```\n"
        problems, _ = feature.tried()
        if problems:
            yield "```text\n" + "\n".join(problems) + "\n```\n"


if __name__ == "__main__":
    sys.stdout.write(page().rstrip("\n") + "\n")
