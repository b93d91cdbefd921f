"""The main file of commands that need no luigi, whose import takes a second; found where luigi would find it."""

from __future__ import annotations

import os
from configparser import Error, RawConfigParser
from pathlib import Path

from osa_luigi.cli import options
from osa_luigi.config import MainConfig, load_main

SECTION, KEY, DEFAULT = "osa_luigi", "config", "osa.yaml"


def open_main(config_file: Path | None) -> MainConfig:
    """The site's settings; its folders are not looked for.

    Raises
    ------
    ConfigurationError
        The file cannot be used.
    """
    return load_main(config_file or _as_luigi_would() or options.the_config(None), check_files=False)


def _as_luigi_would() -> Path | None:
    """What luigi's configuration says; `None` where only luigi can tell."""
    parser = RawConfigParser()
    try:
        parser.read(luigi_files())
        found = parser.get(SECTION, KEY, fallback=DEFAULT)
    except (Error, OSError, UnicodeDecodeError):
        return None
    simple = "%" not in found and "$" not in found and "LUIGI_CONFIG_PARSER" not in os.environ
    return Path(found) if simple else None


def luigi_files() -> list[str]:
    """The files that luigi reads, those that count more after the others."""
    named = os.environ.get("LUIGI_CONFIG_PATH")
    files = ["/etc/luigi/client.cfg", "/etc/luigi/luigi.cfg", "client.cfg", "luigi.cfg", *([named] if named else [])]
    return [file for file in files if Path(file).is_file()]
