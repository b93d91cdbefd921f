"""This machine: software, limits, processes."""

from __future__ import annotations

import os
import platform
import resource
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement

from osa_luigi.config import Configuration
from osa_luigi.config.machine import memory_share_mb
from osa_luigi.tasks.doctor.finding import Finding, bad, ok, warn

SHOWN = ("luigi", "lstchain", "ctapipe", "ctapipe_io_lst", "numpy")
OPEN_FILES = 1024
LIMITED = {"RLIMIT_CPU": "CPU time", "RLIMIT_FSIZE": "the size of files", "RLIMIT_AS": "address space"}


def software() -> Iterator[Finding]:
    """What is installed against what this version was tested with."""
    for text in requires("osa_luigi") or ():
        wanted = Requirement(text)
        if wanted.marker and not wanted.marker.evaluate({"extra": ""}):
            continue
        yield from _package(wanted)
    yield ok(f"Python {platform.python_version()}")


def _package(wanted: Requirement) -> Iterator[Finding]:
    help_ = f"pip install -c constraints.txt '{wanted}'"
    try:
        found = version(wanted.name)
    except PackageNotFoundError:
        yield bad(f"{wanted.name} is not installed", help_)
        return
    if not wanted.specifier.contains(found, prereleases=True):
        yield bad(f"{wanted.name} {found}: {wanted.specifier} is supported", help_)
    elif wanted.name in SHOWN:
        yield ok(f"{wanted.name} {found}")


def limits(configuration: Configuration) -> Iterator[Finding]:
    """Limits of processes, and whether those of others can be seen."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    said = f"a process may open {soft} files"
    yield (
        ok(said) if soft >= OPEN_FILES else warn(said, f"ulimit -n {min(OPEN_FILES, hard)} where the engine is started")
    )
    for name, what in LIMITED.items():
        limit = resource.getrlimit(getattr(resource, name))[0]
        if limit != resource.RLIM_INFINITY:
            yield warn(
                f"{what} is limited ({name} {limit})", "Start the engine without this limit: a night takes hours."
            )
    if not Path("/proc/1/stat").exists():
        yield bad(
            "processes of other accounts are hidden here (/proc is mounted with hidepid)",
            "The lease takes another operator's living engine for dead: mount /proc without hidepid, or work under one account.",
        )
    if configuration.main.executor.type == "local":
        yield _budget(configuration)


def _budget(configuration: Configuration) -> Finding:
    """What the local executor may use against what this machine gives."""
    local = configuration.main.executor.local
    cores, memory_mb = len(os.sched_getaffinity(0)), memory_share_mb()
    said = (
        f"the local executor has {local.total_cores()} cores and {local.total_memory_mb():,} MB; "
        f"this machine gives {cores} and {memory_mb:,}"
    )
    fits = local.total_cores() <= cores and local.total_memory_mb() <= memory_mb
    return ok(said) if fits else warn(said, "Lower executor.local, or run on a larger machine.")
