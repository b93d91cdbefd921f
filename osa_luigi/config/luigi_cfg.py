"""Which main configuration luigi's own configuration files name, found without luigi, whose import takes a second."""

from __future__ import annotations

import os
from configparser import ConfigParser, Error
from pathlib import Path

FILES = ("/etc/luigi/client.cfg", "/etc/luigi/luigi.cfg", "client.cfg", "luigi.cfg")
"""Where luigi looks; later ones win, and the file that LUIGI_CONFIG_PATH names wins over all."""

SECTION, OPTION = "osa_luigi", "config"
DEFAULT = "osa.yaml"

_LUIGIS_OWN = "$%"
"""In a value, these mean something to luigi alone."""


def named_config() -> Path | None:
    """The main configuration by the plain rules of luigi's files; `None` where only luigi itself can tell."""
    chosen = os.environ.get("LUIGI_CONFIG_PATH", "")
    if os.environ.get("LUIGI_CONFIG_PARSER", "cfg") != "cfg" or chosen.endswith(".toml"):
        return None
    parser = ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        parser.read([*FILES, chosen])
    except (Error, UnicodeDecodeError):
        return None
    value = parser.get(SECTION, OPTION, fallback=DEFAULT)
    return None if any(sign in value for sign in _LUIGIS_OWN) else Path(value)
