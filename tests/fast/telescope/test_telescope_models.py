"""The pseudo-Monte-Carlo. Training of random forests is left to the tests of the whole chain.

Tests import lstchain where they need it: every process of a parallel run reads this module, and one runs it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ctapipe.instrument import SubarrayDescription

from osa_luigi.telescope.models import Pointing

POINTING = Pointing(1.06, 1.66)


@pytest.fixture(scope="module")
def gammas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from osa_luigi.telescope.monte_carlo import GAMMAS, write_primaries

    path = tmp_path_factory.mktemp("mc") / "dl1_gamma.h5"
    write_primaries(path, seed=1, primary=GAMMAS, count=40, pointing=POINTING)
    return path


@pytest.fixture(scope="module")
def parameters(gammas: Path) -> pd.DataFrame:
    from lstchain.io.io import dl1_params_lstcam_key

    return pd.read_hdf(gammas, key=dl1_params_lstcam_key)


def test_all_features_of_the_standard_configuration_are_there(parameters: pd.DataFrame) -> None:
    from lstchain.io import get_standard_config

    config = get_standard_config()
    made_later = {"log_reco_energy", "reco_disp_norm", "reco_disp_sign", "signed_skewness", "signed_time_gradient"}
    wanted = {
        feature
        for name in ("energy_regression", "disp_regression", "disp_classification", "particle_classification")
        for feature in config[f"{name}_features"]
    }
    assert wanted - made_later <= set(parameters.columns)
    assert {"disp_norm", "disp_sign", "src_x", "src_y", "mc_type"} <= set(parameters.columns)
    survived = parameters[parameters["n_pixels"] > 2]
    assert len(survived) > 25
    assert np.isfinite(survived[list(wanted - made_later)].to_numpy(float)).all()


def test_intensity_follows_energy(parameters: pd.DataFrame) -> None:
    near = parameters[(parameters["mc_core_distance"] < 120) & (parameters["n_pixels"] > 4)]
    assert np.corrcoef(near["log_mc_energy"], near["log_intensity"])[0, 1] > 0.8


def test_all_gammas_share_one_pointing_and_one_offset(parameters: pd.DataFrame) -> None:
    assert set(parameters["alt_tel"]) == {POINTING.altitude}
    offset = np.rad2deg(np.arctan(np.hypot(parameters["src_x"], parameters["src_y"]) / 28.0))
    np.testing.assert_allclose(offset, 0.4, rtol=0.06)


def test_lstchain_reads_the_rest(gammas: Path) -> None:
    from lstchain.io.io import read_simu_info_hdf5

    info = read_simu_info_hdf5(gammas)
    assert info.n_showers >= 40
    assert info.energy_range_max.to_value("TeV") == pytest.approx(20.0)
    assert SubarrayDescription.from_hdf(gammas).tel[1].camera.geometry.n_pixels == 1855


def test_the_training_configuration_has_few_trees_and_one_thread() -> None:
    from osa_luigi.telescope.training import FORESTS, training_config

    config = training_config(seed=5, trees=7)
    assert {config[forest]["n_estimators"] for forest in FORESTS} == {7}
    assert {config[forest]["n_jobs"] for forest in FORESTS} == {1}
