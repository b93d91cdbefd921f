"""What SLURM is given for an array: the options of ``sbatch``, and the batch script."""

from __future__ import annotations

import math
import os
import shlex
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from osa_luigi.batch.slurm.environment import unpacking
from osa_luigi.batch.slurm.indices import write_indices
from osa_luigi.batch.slurm.records import OUT, RECORDS, SCRIPT
from osa_luigi.config.model import SlurmEnvironment, SlurmPlace
from osa_luigi.products.production import write_durably

WARNING_S = 60
"""An element is told so long before its end, or up to a minute earlier: SLURM's clock for this is coarse. Unit: s."""

WARNED_FROM_S = 180
"""With less time than this the warning would come at once. Unit: s."""

KEPT = ("HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "SLURM_*", "APPTAINER_*")
"""Patterns of the variables that a job keeps of the environment in which SLURM starts it."""

PATH = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"


@dataclass(frozen=True, slots=True)
class ArrayRequest:
    """What is asked for.

    Parameters
    ----------
    name
        The job's, unique.
    folder
        The array's; script, logs and records lie there.
    indices
        Of its elements.
    place
        Partition, account and the like.
    memory_mb, cores
        Of each element.
    time_limit_s
        Of each element, all its jobs and what rides along included; rounded up to minutes, as SLURM counts.
    """

    name: str
    folder: Path
    indices: Sequence[int]
    place: SlurmPlace
    memory_mb: int
    cores: int
    time_limit_s: float


def options(request: ArrayRequest) -> list[str]:
    """The options of ``sbatch``."""
    place = request.place
    throttle = f"%{place.throttle}" if place.throttle else ""
    named = {"partition": place.partition, "account": place.account, "qos": place.qos, "nice": place.nice or None}
    return [
        f"--job-name={request.name}",
        f"--array={write_indices(request.indices)}{throttle}",
        f"--mem={request.memory_mb}",
        f"--time={_minutes(request.time_limit_s)}",
        "--ntasks=1",
        f"--cpus-per-task={request.cores}",
        f"--chdir={request.folder}",
        f"--output={request.folder / OUT}/%a.log",
        "--open-mode=append",
        "--requeue",
        # Anything but ALL makes SLURM start a login shell of the user on each node. The script clears away by itself.
        "--export=ALL",
        *([f"--signal=B:USR1@{WARNING_S}"] if request.time_limit_s >= WARNED_FROM_S else []),
        *(f"--{name}={value}" for name, value in named.items() if value is not None),
        *place.extra,
    ]


def _minutes(seconds: float) -> int:
    return max(1, math.ceil(seconds / 60))


def script(folder: Path, environment: SlurmEnvironment, binds: Sequence[Path] = (), element: Sequence[str] = ()) -> str:
    """The batch script.

    Parameters
    ----------
    folder
        The array's.
    binds
        Places that an image must see: products, raw data, the cache, the configuration.
    element
        What Python is to run, instead of the element of an array.

    Raises
    ------
    ExecutorError
        The archive cannot be read.
    """
    lines = [
        # Privileged: neither BASH_ENV nor functions of the shell from which the engine was started.
        "#!/bin/bash -p",
        "# An array of osa_luigi's; the job's arguments lie in jobs.jsonl beside it.",
        "trap '' USR1  # the warning before the end: ignored until the element listens",
        f'for name in $(compgen -e); do case $name in {"|".join(KEPT)}) ;; *) unset "$name" ;; esac; done',
        f"export PATH={PATH} LANG=C.UTF-8",
        *environment.prologue,
        *_start(folder, environment, binds, element or _element(folder)),
    ]
    return "\n".join(lines) + "\n"


def _element(folder: Path) -> list[str]:
    return ["-P", "-m", "osa_luigi.batch.slurm.element", str(folder)]


def _start(folder: Path, environment: SlurmEnvironment, binds: Sequence[Path], element: Sequence[str]) -> list[str]:
    """What runs the element. It takes the script's place, so that it gets the script's signals."""
    if environment.archive:
        lines = unpacking(environment.archive, environment.local_folder)
        return [*lines, f'exec "$environment/bin/python" {shlex.join(element)}']
    if environment.image:
        python = str(environment.python or "python3")
        bound = [f"--bind={path}" for path in _bound((folder, *binds))]
        return [f"exec {shlex.join(['apptainer', 'exec', *bound, str(environment.image), python, *element])}"]
    return [*_search_path(), f"exec {shlex.join([str(environment.python or sys.executable), *element])}"]


def _bound(paths: Iterable[Path]) -> list[Path]:
    """What Apptainer is to bind: of a place that is not there it makes an error, and what really lies in another one comes with that."""
    there = {path: path.resolve() for path in sorted(set(paths)) if path.exists()}
    return [
        path
        for path, real in there.items()
        if not any(
            other != path and path.is_relative_to(other) and real.is_relative_to(there[other]) for other in there
        )
    ]


def _search_path() -> list[str]:
    """The engine's own search path for modules, where it has one."""
    given = os.environ.get("PYTHONPATH", "")
    folders = [str(Path(folder).absolute()) for folder in given.split(os.pathsep) if folder]
    return [f"export PYTHONPATH={shlex.quote(os.pathsep.join(folders))}"] if folders else []


def write_script(folder: Path, environment: SlurmEnvironment, binds: Sequence[Path] = ()) -> Path:
    """Write the script, durably, with the folders that SLURM and the elements write to: without them a job ends before it begins.

    Raises
    ------
    ExecutorError
        The archive cannot be read.
    """
    for name in (OUT, RECORDS):
        (folder / name).mkdir(parents=True, exist_ok=True)
    write_durably(folder / SCRIPT, script(folder, environment, binds))
    return folder / SCRIPT
