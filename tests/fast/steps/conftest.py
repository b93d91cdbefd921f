"""Steps on paper, as a fixture."""

from __future__ import annotations

from pathlib import Path

import pytest
from paper_steps import Paper


@pytest.fixture
def paper(tmp_path: Path) -> Paper:
    return Paper(tmp_path)
