"""A small site on disk, whose files a test can break."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from osa_luigi.config import Configuration, load
from osa_luigi.errors import ConfigurationError

MAIN = """\
site:
  name: test
  base: data
procedures: [p.yaml]
executor:
  local: {cores: 2, memory_mb: 100000}
resources:
  r0_to_dl1: {memory_mb: 3000, time_limit_minutes: 2}
"""

PROCEDURE = """\
name: p
production_id: v1
dl2:
  models: models/m
"""

FOLDERS = (
    "R0",
    "monitoring/DrivePositioning",
    "monitoring/PixelCalibration/Cat-A/drs4_time_sampling_from_FF",
    "monitoring/PixelCalibration/Cat-A/ffactor_systematics",
    "models/m",
)


@dataclass
class SiteOnDisk:
    """A folder with main.yaml, p.yaml and a data tree."""

    folder: Path

    @property
    def main(self) -> Path:
        return self.folder / "main.yaml"

    @property
    def procedure(self) -> Path:
        return self.folder / "p.yaml"

    def edit(self, old: str, new: str, file: str = "main.yaml") -> None:
        """Replace a text in a file; it must be there."""
        text = (self.folder / file).read_text()
        assert old in text
        (self.folder / file).write_text(text.replace(old, new))

    def add(self, text: str, file: str = "p.yaml") -> None:
        """Append to a file."""
        with (self.folder / file).open("a") as stream:
            stream.write(text)

    def load(self, **options: bool) -> Configuration:
        return load(self.main, **options)

    def problems(self, **options: bool) -> list[str]:
        """What loading complains about, with the folder's name left out of the positions."""
        with pytest.raises(ConfigurationError) as caught:
            self.load(**options)
        return [line.removeprefix(f"{self.folder}/") for line in caught.value.problems]

    def problem(self, **options: bool) -> str:
        """The only complaint."""
        (line,) = self.problems(**options)
        return line


@pytest.fixture
def site(tmp_path: Path) -> SiteOnDisk:
    for name in FOLDERS:
        (tmp_path / "data" / name).mkdir(parents=True)
    (tmp_path / "main.yaml").write_text(MAIN)
    (tmp_path / "p.yaml").write_text(PROCEDURE)
    return SiteOnDisk(tmp_path)
