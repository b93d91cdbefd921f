"""A finished fake night, for analyses."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_nights import FakeSite


@pytest.fixture
def night(finished: FakeSite, borrowed: None) -> FakeSite:
    """A site of which one night is finished; the jobs of a test run in the session's pool."""
    return finished


@pytest.fixture
def fake_site(tmp_path: Path) -> FakeSite:
    """A site of which nothing is made yet."""
    site = FakeSite(tmp_path / "site")
    site.write()
    site.night()
    return site
