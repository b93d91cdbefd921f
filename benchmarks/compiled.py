"""Byte code of the checkout."""

from __future__ import annotations

import compileall
from pathlib import Path

import osa_luigi


def compile_package() -> None:
    """Compile osa_luigi as pip does when it installs a package.

    A checkout is compiled when it is first used; where Python is told not to write byte code, every start of a process would compile
    it again, and a benchmark would measure that.
    """
    for folder in osa_luigi.__path__:
        compileall.compile_dir(Path(folder), quiet=2, legacy=False)
