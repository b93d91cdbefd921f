"""A finished fake night, for analyses."""

from __future__ import annotations

import pytest
from fake_nights import FakeSite


@pytest.fixture
def night(finished: FakeSite, borrowed: None) -> FakeSite:
    """A site of which one night is finished; the jobs of a test run in the session's pool."""
    return finished
