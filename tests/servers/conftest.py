"""Real database servers, private ones; where they are not installed, the tests are skipped, and say why."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

FAST = Path(__file__).parents[1] / "fast"
sys.path.insert(0, str(FAST))

from servers import PASSWORD, MariaDB, PostgreSQL, Server, running  # noqa: E402


@pytest.fixture(scope="session", params=[PostgreSQL, MariaDB], ids=["postgresql", "mariadb"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """Each kind in turn; a test leaves its database with tables or without."""
    kind: type[Server] = request.param
    if reason := kind.why_not():
        pytest.skip(f"no {kind.scheme} here: {reason}")
    with running(kind) as found:
        yield found


@pytest.fixture(autouse=True)
def _password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OSA_LEDGER_PASSWORD", PASSWORD)
