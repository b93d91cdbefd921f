"""An environment of its own for each peer, made on first use; nothing of it reaches the one that osa_luigi runs in."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2] / ".bench-env"
STAMP = ".installed"


def environment(name: str, packages: Sequence[str], root: Path = ROOT) -> Path:
    """The folder of a virtual environment with these packages.

    Raises
    ------
    SystemExit
        They could not be installed.
    """
    folder = root / name
    stamp = folder / STAMP
    if stamp.exists() and stamp.read_text().split() == list(packages):
        return folder
    print(f"Making the environment {folder} with {', '.join(packages)} ...", file=sys.stderr)
    shutil.rmtree(folder, ignore_errors=True)
    for command in (
        [sys.executable, "-m", "venv", str(folder)],
        [str(folder / "bin" / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check", *packages],
    ):
        if subprocess.run(command, check=False, stdout=sys.stderr).returncode:
            raise SystemExit(f"`{' '.join(command)}` failed: see above; without it {name} cannot be measured")
    stamp.write_text("\n".join(packages))  # last: without it the environment may be half of one
    return folder
