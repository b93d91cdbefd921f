"""Fake nights through the real luigi."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_nights import FakeSite


@pytest.fixture
def fake_site(tmp_path: Path) -> FakeSite:
    """A site with the smallest night that has everything."""
    site = FakeSite(tmp_path / "site")
    site.write()
    site.night()
    return site
