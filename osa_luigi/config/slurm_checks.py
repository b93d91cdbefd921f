"""What the schema cannot say of ``executor.slurm``: options that are the engine's, files that are not there, caps that are too low."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator

from osa_luigi.config.model import SlurmEnvironment
from osa_luigi.config.problems import Key
from osa_luigi.config.slurm import LONG_OPTION
from osa_luigi.config.validate import Checked

SLURM: tuple[str, ...] = ("executor", "slurm")
ENVIRONMENT = (*SLURM, "environment")

SETTINGS = {
    "--partition": "executor.slurm.partition",
    "--account": "executor.slurm.account",
    "--qos": "executor.slurm.qos",
    "--nice": "executor.slurm.nice",
    "--mem": "resources.<step>.memory_mb",
    "--mem-per-cpu": "resources.<step>.memory_mb",
    "--mem-per-gpu": "resources.<step>.memory_mb",
    "--time": "resources.<step>.time_limit_minutes",
    "--cpus-per-task": "resources.<step>.cores",
}
"""Options that have settings of their own."""

ENGINES = (
    "--array",
    "--chdir",
    "--clusters",
    "--error",
    "--export",
    "--export-file",
    "--get-user-env",
    "--help",
    "--hold",
    "--input",
    "--job-name",
    "--kill-on-invalid-dep",
    "--no-requeue",
    "--ntasks",
    "--open-mode",
    "--output",
    "--parsable",
    "--requeue",
    "--signal",
    "--test-only",
    "--usage",
    "--version",
    "--wait",
    "--wrap",
)
"""Options that only the engine sets, or with which it could not work."""


def check_slurm(main: Checked, steps: Iterable[str]) -> None:
    """What does not go together, given the steps that will run; only where jobs go to SLURM."""
    if main.get("executor", "type") != "slurm":
        return
    _check_cap(main, steps, "memory_mb", "memory_cap_mb", " MB")
    _check_cap(main, steps, "time_limit_minutes", "time_cap_minutes", " minutes")


def _check_cap(main: Checked, steps: Iterable[str], need: str, cap: str, unit: str) -> None:
    most = main.get(*SLURM, "growth", cap)
    asked = {step: main.get("resources", step, need) for step in steps}
    for step, wanted in asked.items():
        if most is not None and wanted > most:
            text = f"{most}{unit} is less than {step} asks for at first ({wanted}{unit}, resources.{step}.{need})"
            main.report((*SLURM, "growth", cap), text)


def check_options(main: Checked) -> None:
    """No option of sbatch that the engine sets itself."""
    for key in ((*SLURM, "extra"), *((*SLURM, "steps", step, "extra") for step in main.get(*SLURM, "steps"))):
        if main.sound(*key):
            for index, option in enumerate(main.get(*key) or ()):
                if trouble := _trouble(option):
                    main.report((*key, index), f"{option!r}: {trouble}")


def _trouble(option: str) -> str:
    """Why an option will not do; empty if it will. `sbatch` takes abbreviations, too."""
    if not re.fullmatch(LONG_OPTION, option):
        return "write options in their long form, one to an element: --constraint=avx2"
    name = option.partition("=")[0]
    if setting := next((value for known, value in SETTINGS.items() if known.startswith(name)), ""):
        return f"set {setting} instead"
    return "the engine sets this itself; leave it out" if any(known.startswith(name) for known in ENGINES) else ""


def check_alternatives(main: Checked) -> None:
    """One way to a job's environment."""
    given = [name for name in ("image", "archive", "python") if main.get(*ENVIRONMENT, name) is not None]
    for first, second in (("image", "archive"), ("archive", "python")):
        if first in given and second in given:
            main.report((*ENVIRONMENT, second), f"cannot be had together with {first}: leave one of them out")


def check_environment_files(main: Checked, environment: SlurmEnvironment) -> None:
    """Interpreter, image and archive are there; an interpreter inside an image cannot be looked for from here."""
    if main.get("executor", "type") == "slurm":
        for key, trouble in _missing(environment):
            if main.good(*key):
                main.report(key, trouble)


def _missing(environment: SlurmEnvironment) -> Iterator[tuple[Key, str]]:
    for name in ("image", "archive"):
        path = getattr(environment, name)
        if path is not None and not os.access(path, os.R_OK):
            yield (*ENVIRONMENT, name), f"no such file, or it may not be read: {path}"
    python = environment.python
    if python is not None and environment.image is None and not os.access(python, os.X_OK):
        yield (*ENVIRONMENT, "python"), f"no such program, or it may not be run: {python}"
