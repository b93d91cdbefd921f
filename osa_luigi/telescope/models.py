"""What models are asked for, and the names of their files. Making them is in `osa_luigi.telescope.training`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

MODEL_FILES = ("reg_energy.sav", "reg_disp_norm.sav", "cls_disp_sign.sav", "cls_gh.sav")
"""As ``lstchain_dl1_to_dl2`` looks for them."""
CONFIG_FILE = "lstchain_config.json"
MONTE_CARLO_FILES = {"gamma": "dl1_gamma.h5", "proton": "dl1_proton.h5"}


@dataclass(frozen=True)
class Pointing:
    """The one direction of all Monte-Carlo, or the random forests would learn the pointing. Radians."""

    altitude: float
    azimuth: float


@dataclass(frozen=True)
class ModelsJob:
    """Monte-Carlo to be simulated and random forests to be trained."""

    seed: int
    events: int
    """Gammas, and as many protons."""
    trees: int
    pointing: Pointing
    monte_carlo: Path
    """Folder of the DL1 files."""
    models: Path
    """Folder of the random forests."""

    @property
    def files(self) -> tuple[Path, ...]:
        """All that will be there. The configuration is written last."""
        monte_carlo = (self.monte_carlo / name for name in MONTE_CARLO_FILES.values())
        return (*monte_carlo, *(self.models / name for name in (*MODEL_FILES, CONFIG_FILE)))

    @property
    def complete(self) -> bool:
        """Whether nothing is left to do."""
        return all(path.exists() for path in self.files)
