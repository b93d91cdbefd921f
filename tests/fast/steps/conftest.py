"""Steps on paper, and a site that can be planned, as fixtures."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_nights import FakeSite
from paper_steps import Paper


@pytest.fixture
def paper(tmp_path: Path) -> Paper:
    return Paper(tmp_path)


@pytest.fixture
def site(tmp_path: Path) -> FakeSite:
    """A site whose real procedure can be planned."""
    site = FakeSite(tmp_path / "site")
    site.write()
    site.night()
    site.foreign()
    return site
