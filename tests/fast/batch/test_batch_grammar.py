"""The grammar that luigi's import brings along goes, and an address can still be checked."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PACKAGE = "rfc3987-syntax"

SCRIPT = """
import sys
import luigi
assert "rfc3987_syntax" in sys.modules
import osa_luigi
assert "rfc3987_syntax" not in sys.modules
import jsonschema
check = jsonschema.FormatChecker(formats=["iri"])
assert check.conforms("https://example.org/ä", "iri") and not check.conforms("no address", "iri")
"""


def test_the_grammar_goes_and_comes_back_when_it_is_asked_for() -> None:
    """In a process to which these tests do not deny the package."""
    if not any(one.name in (PACKAGE, PACKAGE.replace("-", "_")) for one in distributions()):
        pytest.skip(f"{PACKAGE} is not installed")
    subprocess.run([sys.executable, "-c", SCRIPT], check=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
