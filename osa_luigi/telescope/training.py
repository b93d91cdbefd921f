"""Small random forests from the pseudo-Monte-Carlo, by lstchain's own training."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from lstchain.io import get_standard_config
from lstchain.reco.dl1_to_dl2 import build_models

from osa_luigi.telescope.files import written_whole
from osa_luigi.telescope.monte_carlo import GAMMAS, PROTONS, Pointing, write_primaries
from osa_luigi.telescope.seeds import Purpose, random_stream

FORESTS = (
    "random_forest_energy_regressor_args",
    "random_forest_disp_regressor_args",
    "random_forest_disp_classifier_args",
    "random_forest_particle_classifier_args",
)
"""Sections of the lstchain configuration."""
MODEL_FILES = ("reg_energy.sav", "reg_disp_norm.sav", "cls_disp_sign.sav", "cls_gh.sav")
CONFIG_FILE = "lstchain_config.json"
MONTE_CARLO_FILES = {"gamma": "dl1_gamma.h5", "proton": "dl1_proton.h5"}


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


def make_models(job: ModelsJob) -> None:
    """Simulate the Monte-Carlo and train on it."""
    paths = [job.monte_carlo / MONTE_CARLO_FILES[primary.name] for primary in (GAMMAS, PROTONS)]
    for path, primary in zip(paths, (GAMMAS, PROTONS), strict=True):
        if not path.exists():
            write_primaries(path, job.seed, primary, job.events, job.pointing)
    config = training_config(job.seed, job.trees)
    _train(paths, config, job)
    with written_whole(job.models / CONFIG_FILE) as temporary:
        temporary.write_text(json.dumps(config, indent=2) + "\n")


def training_config(seed: int, trees: int) -> dict[str, Any]:
    """lstchain's standard configuration, with few trees, one thread and our seed."""
    config: dict[str, Any] = get_standard_config()
    for forest in FORESTS:
        config[forest] |= {"n_estimators": trees, "n_jobs": 1, "random_state": seed % 2**32}
    return config


def _train(paths: list[Path], config: dict[str, Any], job: ModelsJob) -> None:
    """Train. lstchain splits its sample by numpy's global random numbers, which are ours for that long."""
    state = np.random.get_state()
    np.random.seed(int(random_stream(job.seed, Purpose.TRAINING).integers(2**32)))
    job.models.mkdir(parents=True, exist_ok=True)
    try:
        # A copy, as lstchain writes a filter of its own into the configuration it is given.
        build_models(
            str(paths[0]), str(paths[1]), path_models=str(job.models), custom_config=json.loads(json.dumps(config))
        )
    finally:
        np.random.set_state(state)
