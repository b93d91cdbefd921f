"""What luigi, in a process of its own, takes from its configuration files."""

from __future__ import annotations

import importlib
import os
from pathlib import Path


def setting(folder: Path, environment: dict[str, str], section: str, option: str, default: str) -> str:
    """A setting, in a folder and with an environment: luigi looks there when it is imported."""
    from luigi.configuration import cfg_parser, core

    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    importlib.reload(cfg_parser)
    return str(importlib.reload(core).get_config().get(section, option, default))
