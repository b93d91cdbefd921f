"""One tiny simulated night, made once."""

from __future__ import annotations

import pytest
from astropy.utils import iers
from telescope_nights import tiny

from osa_luigi.telescope import SimulatedNight, simulate

iers.conf.auto_download = False


@pytest.fixture(scope="session")
def night(tmp_path_factory: pytest.TempPathFactory) -> SimulatedNight:
    """A night to be read, not to be changed."""
    return simulate(tiny(tmp_path_factory.mktemp("night")))
