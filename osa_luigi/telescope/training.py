"""Small random forests from the pseudo-Monte-Carlo, by lstchain's own training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from lstchain.io import get_standard_config
from lstchain.reco.dl1_to_dl2 import build_models

from osa_luigi.telescope.files import written_whole
from osa_luigi.telescope.models import CONFIG_FILE, MONTE_CARLO_FILES, ModelsJob
from osa_luigi.telescope.monte_carlo import GAMMAS, PROTONS, write_primaries
from osa_luigi.telescope.seeds import Purpose, random_stream

FORESTS = (
    "random_forest_energy_regressor_args",
    "random_forest_disp_regressor_args",
    "random_forest_disp_classifier_args",
    "random_forest_particle_classifier_args",
)
"""Sections of the lstchain configuration."""


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
