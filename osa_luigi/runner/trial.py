"""Try a user's class without a production: forked, confined and timed as in an attempt, but what it leaves has no receipt."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from osa_luigi.errors import ConfigurationError, StepError
from osa_luigi.products.identity import plain
from osa_luigi.runner.attempt import resolve
from osa_luigi.runner.forked import run_forked
from osa_luigi.runner.leg import warm_up
from osa_luigi.steps.analysis import FOLDER
from osa_luigi.steps.behaviour import behaviour
from osa_luigi.steps.call import StepCall

MARK = ".osa-trial"
LOG, REQUEST, WORK = "log.txt", "request.json", "attempt"


def trial(call: StepCall, request: Mapping[str, Any], folder: Path, cache: Path) -> str:
    """Run the class of a call in a folder, its files below ``output``.

    Parameters
    ----------
    folder
        One of `prepare`, or in it.
    request
        Content of the call's request, which is not written anywhere else.

    Returns
    -------
    str
        What was wrong; empty if it came to its end and its files can be read.

    Raises
    ------
    OSError
        The folder cannot be written.
    """
    folder = folder.absolute()
    work, place = folder / WORK, folder / REQUEST
    shutil.rmtree(work, ignore_errors=True)
    (work / FOLDER).mkdir(parents=True)
    place.write_text(json.dumps(plain(request), indent=1) + "\n")
    warm_up([call], cache)
    step = behaviour(call)
    tool = step.command(call).tool

    def run() -> int:
        sys.argv = [tool.command, f"--request={place}"]
        resolve(tool.entry)()
        found = step.produced(call)
        if missing := [str(path) for path in found.values() if not path.is_file()]:
            raise StepError(f"left no {', '.join(missing)}")
        print(step.verify(call, found))  # noqa: T201 (the log is this process's standard output)
        return 0

    log = folder / LOG
    log.unlink(missing_ok=True)
    outcome = run_forked(run, log, work, call.needs.time_limit_s)
    reason = outcome.reason(call.needs.time_limit_s)
    return f"{reason}: {_last(log)} ({log})" if reason else ""


def prepare(folder: Path) -> None:
    """Make a folder one of trials: they overwrite each other there, and nothing else.

    Raises
    ------
    ConfigurationError
        It holds other things.
    OSError
        It cannot be written.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / MARK).exists():
        raise ConfigurationError([f"--trial {folder}: holds other things than a trial's: name a folder of its own"])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).touch()


def _last(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "nothing was printed"
