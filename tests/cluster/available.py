"""Whether this machine can run a SLURM of its own; a machine of root's with Debian's packages is made so."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cluster.daemons import search_path

PROGRAMS = ("sbatch", "squeue", "sacct", "slurmctld", "slurmd", "slurmdbd", "munged", "mariadbd", "mariadb-install-db")
PACKAGES = ("slurm-wlm", "slurmdbd", "munge", "mariadb-server")
INSTALL = f"apt-get install -y --no-install-recommends {' '.join(PACKAGES)}"
UNWANTED = "OSA_NO_SLURM"
"""Set in the environment, it keeps the tests with a real SLURM from running, and anything from being installed."""

_NETWORK = ("-o", "Acquire::http::Timeout=15", "-o", "Acquire::Retries=1", "-o", "DPkg::Lock::Timeout=120")
_SERVICES = Path("/usr/sbin/policy-rc.d")


@functools.cache
def why_not() -> str:
    """Why no private SLURM can run here; empty if one can. Installs what it may."""
    if os.environ.get(UNWANTED):
        return f"{UNWANTED} is set"
    if os.geteuid() != 0:
        return "a private SLURM needs root, as slurmd does; in a container, for one"
    if not missing():
        return ""
    if shutil.which("apt-get") is None:
        return f"{', '.join(missing())} are not installed, and there is no apt-get to install them with"
    trouble = _install()
    return f"{', '.join(missing())} are not installed, and `{INSTALL}` failed: {trouble}" if missing() else ""


def missing() -> list[str]:
    """The programs that are not there."""
    return [program for program in PROGRAMS if shutil.which(program, path=search_path()) is None]


def _install() -> str:
    """What apt-get complains of; empty if all went well."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install, *words = INSTALL.split()
    with _no_services():
        for command in ([install, *_NETWORK, "update"], [install, *_NETWORK, *words]):
            try:
                subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=True)
            except subprocess.CalledProcessError as error:
                return str(error.stderr).strip()[-500:]
            except subprocess.TimeoutExpired:
                return "it takes longer than 10 minutes"
    return ""


@contextmanager
def _no_services() -> Iterator[None]:
    """Debian's packages start their daemons, unless this file says no."""
    if _SERVICES.exists():
        yield
        return
    _SERVICES.write_text("#!/bin/sh\nexit 101\n")
    _SERVICES.chmod(0o755)
    try:
        yield
    finally:
        _SERVICES.unlink()
