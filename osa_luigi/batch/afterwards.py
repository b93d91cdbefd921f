"""What is run once a job is done: an ``osa`` command, the night's report after closing, in a process of its own.

It needs the whole plan of the night, which a job does not know; and neither luigi's process, which has threads and the night to see to,
nor that of the job should hold it. Whatever comes of it is told, but not held against the job.
"""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from itertools import takewhile

from osa_luigi.batch.job import Job
from osa_luigi.runner.lifeline import die_with

LIMIT_S = 900.0
"""So long it may take."""

GOOD = (0, 1)
"""Exit codes: 1 says that the night is not closed, or not any more."""


def afterwards(job: Job) -> dict[str, str]:
    """Run what a job has to be followed by.

    Returns
    -------
    dict
        The command's name → what went wrong.
    """
    if not job.afterwards:
        return {}
    given = dict(word.split("=", 1) for word in takewhile(_is_variable, job.afterwards))
    words = job.afterwards[len(given) :]
    what, advice = words[0], f"The night is closed all the same. Try `osa {' '.join(words)}`."
    command = [sys.executable, "-m", "osa_luigi.cli", *words]
    try:
        done = subprocess.run(
            command,
            env={**os.environ, **given},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=LIMIT_S,
            preexec_fn=partial(die_with, os.getpid()),
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return {what: f"failed: {error}. {advice}"}
    if done.returncode in GOOD and not done.stderr:
        return {}
    said = done.stderr.strip().splitlines()
    return {what: f"failed: {said[-1] if said else f'exit code {done.returncode}'} {advice}"}


def _is_variable(word: str) -> bool:
    return not word.startswith("-") and "=" in word
