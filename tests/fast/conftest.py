"""What tests of several rooms share; it also puts this folder where they can import `fresh`, `fakes` and `crashes`."""

from __future__ import annotations

from pathlib import Path

import pytest
from fresh import Fresh, server

from osa_luigi.products.production import Production


@pytest.fixture
def production(tmp_path: Path) -> Production:
    return Production(tmp_path / "20241115" / "v1")


@pytest.fixture
def fresh() -> Fresh:
    return server()
