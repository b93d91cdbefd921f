"""Gives back memory that importing luigi takes, for nothing that an engine does.

Luigi's parameters import jsonschema; where its optional package rfc3987_syntax is installed, too (notebooks bring it along), that builds a
grammar of internationalised addresses at once: 15 MB that would lie idle for a whole night.
"""

from __future__ import annotations

import sys
from importlib import import_module

PACKAGE = "rfc3987_syntax"
CHECK = "_rfc3987_is_valid_syntax"
"""Where jsonschema 4.26 keeps the one function that it takes from the package; tried by tests/fast/batch/test_batch_grammar.py."""


def forget_grammar() -> None:
    """Let the grammar go; whoever has an address checked later builds it anew."""
    formats = sys.modules.get("jsonschema._format")
    if PACKAGE not in sys.modules or not hasattr(formats, CHECK):
        return
    setattr(formats, CHECK, _is_valid_syntax)
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        del sys.modules[name]


def _is_valid_syntax(term: str, value: str) -> bool:
    return bool(import_module(PACKAGE).is_valid_syntax(term, value))
