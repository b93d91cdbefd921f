"""Fills in templates of settings, with jinja2; imported only where a grid has some, for an engine and the commands start without it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import SandboxedEnvironment

TROUBLE = (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError)
"""What filling in raises for a template, or labels, that somebody wrote wrong."""

_SANDBOX = SandboxedEnvironment(undefined=StrictUndefined)


def fill_in(template: str, labels: Mapping[str, Any]) -> str:
    """The template's text with labels in their places; a label that is not there is an error.

    Raises
    ------
    Exception
        One of `TROUBLE`.
    """
    return _SANDBOX.from_string(template).render(labels)
