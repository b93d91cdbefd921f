"""The schemas are valid: the engine itself takes them as they are, since to validate them takes longer than a command."""

from __future__ import annotations

import pytest
from cerberus import SchemaError, Validator

from osa_luigi.config.validate import ALL_SCHEMAS


@pytest.mark.parametrize("name", ALL_SCHEMAS)
def test_a_schema_is_valid_and_says_all_itself(name: str) -> None:
    assert dict(Validator(ALL_SCHEMAS[name]).schema) == ALL_SCHEMAS[name]


def test_a_wrong_schema_would_be_found() -> None:
    with pytest.raises(SchemaError):
        Validator({"main": {"type": "dict", "schema": {"key": {"typ": "string"}}}})
