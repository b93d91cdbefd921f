"""The fifty most likely mistakes, and the page docs/mistakes.md made of them: ``python -m tests.fast.config.mistakes`` prints it."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import groupby
from pathlib import Path

from osa_luigi.config import validate
from osa_luigi.config.lstchain_config import lstchain_data

MAIN = """\
site:
  name: lst1
  base: data
procedures: [standard.yaml]
executor:
  local: {cores: 2, memory_mb: 100000}
"""
STANDARD = """\
name: standard
production_id: v1
dl2:
  models: models/2276
"""
FOLDERS = (
    "R0",
    "monitoring/DrivePositioning",
    "monitoring/PixelCalibration/Cat-A/drs4_time_sampling_from_FF",
    "monitoring/PixelCalibration/Cat-A/ffactor_systematics",
    "models/2276",
)

HEAD = """\
# Fifty mistakes

What is likely to go wrong in a configuration, and what is then said. `osa config validate` says it, and so does every
command before anything runs; all mistakes of all files at once. In front stand file, line and column.

This page is made by running them all: `python -m tests.fast.config.mistakes`. The files around the snippets are a small site
in `/site`: `main.yaml`, and `standard.yaml` with one procedure.
"""


@dataclass(frozen=True, slots=True, eq=False)
class Mistake:
    """Something wrong in one of the files: `new` stands in the place of `old`, or at the end; `more` are further files."""

    group: str
    title: str
    file: str
    old: str
    new: str
    more: Mapping[str, str] = field(default_factory=dict)

    def write(self, site: Path) -> None:
        """Write a site with this mistake."""
        for name in FOLDERS:
            (site / "data" / name).mkdir(parents=True, exist_ok=True)
        files = {"main.yaml": MAIN, "standard.yaml": STANDARD, **self.more}
        text = files.get(self.file, "")
        assert self.old in text, (self.title, self.old)
        files[self.file] = text.replace(self.old, self.new) if self.old else text + self.new
        for name, content in files.items():
            (site / name).write_bytes(content.encode("latin-1" if "Latin-1" in self.title else "utf-8"))

    @cache  # noqa: B019 (there are fifty, which stay)
    def messages(self) -> list[str]:
        """What is said about it."""
        with tempfile.TemporaryDirectory() as folder:
            self.write(Path(folder))
            _, problems = validate(Path(folder) / "main.yaml")
        shipped = str(lstchain_data())
        return [line.removeprefix(f"{folder}/").replace(folder, "/site").replace(shipped, "…") for line in problems]


YAML, VALUES, PATHS = "The YAML itself", "Keys and values", "Paths"
LSTCHAIN, TOGETHER, LIBRARY = "lstchain's configurations", "What does not go together", "Libraries, heirs and workflows"
P, M = "standard.yaml", "main.yaml"
LIST = "procedures: [standard.yaml]\n"
OFF = "dl2: {enabled: false}"

MISTAKES = (
    Mistake(YAML, "A tab", P, "  models", "\tmodels"),
    Mistake(YAML, "No space behind the colon", P, "name: standard", "name:standard"),
    Mistake(
        YAML, "A line that does not stand below its neighbours", P, "", "cat_b:\n    enabled: true\n  sample_size: 10\n"
    ),
    Mistake(YAML, "A bracket that is never closed", M, "[standard.yaml]", "[standard.yaml"),
    Mistake(YAML, "A quote that is never closed", P, "production_id: v1", 'production_id: "v1'),
    Mistake(YAML, "A key that is there twice", P, "", "production_id: v2\n"),
    Mistake(YAML, "Anchors and aliases", P, "", "cat_b: &common\n  sample_size: 10\n"),
    Mistake(YAML, "A tag", P, "models: models/2276", "models: !env MODELS"),
    Mistake(YAML, "A file that is empty", P, STANDARD, ""),
    Mistake(YAML, "A file that is saved as Latin-1", P, "", "# Größe\n"),
    Mistake(YAML, "A list at the top of a library", P, STANDARD, f"- name: standard\n  {OFF}\n"),
    Mistake(VALUES, "A typing mistake in a key", P, "", "cat_b:\n  enable: true\n"),
    Mistake(VALUES, "A key one level too high", P, "", "dl1ab:\n  picture_thresh: 8\n"),
    Mistake(VALUES, "A setting of the site in a procedure", P, "", "resources:\n  dl2: {memory_mb: 30000}\n"),
    Mistake(VALUES, "`yes` in the place of `true`", P, "", "cat_b:\n  enabled: yes\n"),
    Mistake(VALUES, "A number in quotes", M, "cores: 2", 'cores: "2"'),
    Mistake(VALUES, "A number with its unit", M, "", "resources:\n  dl2: {memory_mb: 60 GB}\n"),
    Mistake(VALUES, "Digits that are a text, without quotes", P, "", "calibration:\n  charge: {filters: 52}\n"),
    Mistake(VALUES, "A number out of its limits", P, "", "dl1ab:\n  tailcuts: {picture_thresh: -8}\n"),
    Mistake(VALUES, "One text where a list goes", M, "[standard.yaml]", "standard.yaml"),
    Mistake(VALUES, "A value where a section goes", P, "", "datacheck: false\n"),
    Mistake(VALUES, "A choice that there is not", P, "", "tailcuts:\n  source: per-run\n"),
    Mistake(VALUES, "A choice in lower case", M, "", "log_level: debug\n"),
    Mistake(VALUES, "Nothing behind a key that needs a value", M, "base: data", "base:"),
    Mistake(VALUES, "A procedure without a name", P, "name: standard\n", ""),
    Mistake(VALUES, "A production id that is no folder's name", P, "production_id: v1", "production_id: tests/v1"),
    Mistake(PATHS, "A folder that is not there", M, "base: data", "base: /data/lst"),
    Mistake(PATHS, "A variable that is not set", M, "base: data", "base: ${NO_SUCH_VARIABLE}/data"),
    Mistake(PATHS, "A variable without braces", M, "base: data", "base: $HOME/data"),
    Mistake(PATHS, "A procedure file that is not there", M, "[standard.yaml]", "[procedures/standard.yaml]"),
    Mistake(PATHS, "A folder where a file goes", M, "[standard.yaml]", "[data]"),
    Mistake(PATHS, "Models that are not there", P, "models/2276", "models/2277"),
    Mistake(
        LSTCHAIN, "A file that lstchain does not ship", P, "", "dl1ab:\n  config: lstchain:lstchain_standard.json\n"
    ),
    Mistake(
        LSTCHAIN, "An override that exists nowhere", P, "", "dl1ab:\n  overrides:\n    tailcut: {picture_tresh: 8}\n"
    ),
    Mistake(LSTCHAIN, "An override in the wrong place", P, "", "r0_to_dl1:\n  overrides:\n    delta_time: 2\n"),
    Mistake(LSTCHAIN, "An override of another type", P, "", "dl1ab:\n  overrides:\n    write_pe_image: 1\n"),
    Mistake(
        LSTCHAIN, "A boundary above the picture", P, "", "dl1ab:\n  tailcuts: {picture_thresh: 4, boundary_thresh: 8}\n"
    ),
    Mistake(TOGETHER, "DL2 without models", P, "  models: models/2276", "  enabled: true"),
    Mistake(TOGETHER, "DL2 without merged files", P, "", "merge:\n  dl1: false\n"),
    Mistake(
        TOGETHER,
        "Cleaning levels that are found, and given",
        P,
        "",
        "tailcuts: {source: per_run}\ndl1ab:\n  tailcuts: {picture_thresh: 8}\n",
    ),
    Mistake(TOGETHER, "A step that asks for more than there is", M, "memory_mb: 100000", "memory_mb: 16000"),
    Mistake(TOGETHER, "An option of sbatch that is the engine's", M, "", "  slurm: {extra: [--mem=60G]}\n"),
    Mistake(TOGETHER, "A password in a file", M, "", "ledger:\n  url: postgresql://osa:secret@host/osa\n"),
    Mistake(
        LIBRARY,
        "Two procedures of one name",
        M,
        LIST,
        "procedures: [standard.yaml, copy.yaml]\n",
        {"copy.yaml": f"name: standard\n{OFF}\n"},
    ),
    Mistake(LIBRARY, "A default procedure that is not there", M, "", "default_procedure: standrad\n"),
    Mistake(
        LIBRARY,
        "An heir of nobody",
        "heir.yaml",
        "",
        "name: heir\nextends: standrad\n",
        {"main.yaml": MAIN.replace(LIST, "procedures: [standard.yaml, heir.yaml]\n")},
    ),
    Mistake(
        LIBRARY,
        "Heirs in a circle",
        "library.yaml",
        "",
        f"procedures:\n- {{name: a, extends: b, {OFF}}}\n- {{name: b, extends: a}}\n",
        {"main.yaml": MAIN.replace(LIST, LIST + "libraries: [library.yaml]\ndefault_procedure: standard\n")},
    ),
    Mistake(
        LIBRARY,
        "Libraries in a circle",
        "library.yaml",
        "",
        "libraries: [library.yaml]\n",
        {"main.yaml": MAIN.replace(LIST, LIST + "libraries: [library.yaml]\n")},
    ),
    Mistake(LIBRARY, "A workflow of what is not there", M, "", "workflows:\n- {name: both, tasks: [standard, crab]}\n"),
    Mistake(LIBRARY, "A type that is misspelt", P, "", "type: reconstructoin\n"),
)


def page() -> str:
    """The page, from the first line to the last."""
    return "\n".join([HEAD, *_parts()])


def _parts() -> Iterator[str]:
    number = 0
    for group, mistakes in groupby(MISTAKES, key=lambda one: one.group):
        yield f"## {group}\n"
        for one in mistakes:
            number += 1
            yield f"### {number}. {one.title}\n"
            yield f"In `{one.file}`:\n"
            snippet = one.new.strip("\n") or ("(nothing)" if one.old == STANDARD else f"(without `{one.old.strip()}`)")
            yield f"```yaml\n{snippet}\n```\n"
            yield "```text\n" + "\n".join(one.messages()) + "\n```\n"


if __name__ == "__main__":
    sys.stdout.write(page().rstrip("\n") + "\n")
