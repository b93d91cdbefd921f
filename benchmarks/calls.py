"""How often SLURM is asked: each of its commands stands behind a wrapper that writes down the call, the same for every tool."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

SUBMITTING = ("sbatch",)
ASKING = ("squeue", "sacct", "scontrol")
OTHERS = ("scancel", "sinfo", "sacctmgr")

# bash knows the time without a process of its own; one short line is appended whole.
WRAPPER = """#!/bin/bash
printf '%s %s\\n' "$EPOCHREALTIME" {name} >>{log}
exec {real} "$@"
"""


@dataclass(frozen=True)
class Call:
    """One call of one of SLURM's commands."""

    at: float
    """When, in seconds since 1970."""
    command: str


@dataclass(frozen=True)
class Calls:
    """What a tool asked of SLURM."""

    sbatch_calls: int
    status_calls: int
    polls: int
    first_submit: float | None
    """In seconds since 1970; `None` if nothing was submitted."""


ALL_JOBS = ("env", "SLURM_TIME_FORMAT=%s", "sacct", "-XnPa", "-S", "now-1day", "-E", "now", "-o", "Submit,State")
"""Asks for every job and every element of an array."""


@dataclass(frozen=True)
class Jobs:
    """What SLURM's accounting tells of the jobs, an array's elements each."""

    rows: tuple[tuple[float, str], ...]
    """When each was submitted (seconds since 1970, whole ones), in the order of time, and how it ended."""

    def states(self) -> dict[str, int]:
        """How many ended how."""
        states = [state for _, state in self.rows]
        return {state: states.count(state) for state in sorted(set(states))}

    def submitted(self, jobs: int) -> float | None:
        """When so many had been submitted; `None`: never."""
        return self.rows[jobs - 1][0] if len(self.rows) >= jobs else None


def read_jobs(answer: str) -> Jobs:
    """What sacct says to `ALL_JOBS`; of ``CANCELLED by 0`` the first word counts."""
    lines = [line.split("|") for line in answer.splitlines() if line.strip()]
    return Jobs(tuple(sorted((float(at), state.split()[0]) for at, state in lines)))


def lay_wrappers(folder: Path, log: Path, search_path: str) -> None:
    """Put a wrapper of each command into a folder, which then goes first in the PATH.

    Raises
    ------
    FileNotFoundError
        A command is not to be found in ``search_path``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    log.touch()
    for name in (*SUBMITTING, *ASKING, *OTHERS):
        real = shutil.which(name, path=search_path)
        if real is None:
            raise FileNotFoundError(f"SLURM's command {name} is not in {search_path}: install slurm-wlm")
        wrapper = folder / name
        wrapper.write_text(WRAPPER.format(name=name, log=log, real=real))
        wrapper.chmod(0o755)


def read_calls(log: Path) -> list[Call]:
    """All calls in the order of time; a line that a kill has cut short is left out."""
    calls = []
    for line in log.read_text().splitlines():
        at, _, command = line.partition(" ")
        if command in (*SUBMITTING, *ASKING, *OTHERS):
            calls.append(Call(float(at.replace(",", ".")), command))  # the decimal sign is the locale's
    return sorted(calls, key=lambda call: call.at)


def polls(times: Iterable[float], window_s: float) -> int:
    """How many looks at SLURM there were: what is asked within ``window_s`` of a look's first question belongs to it."""
    count, began = 0, float("-inf")
    for at in sorted(times):
        if at >= began + window_s:
            count, began = count + 1, at
    return count


def summed(calls: Sequence[Call], poll_s: float) -> Calls:
    """The figures of a run whose tool was told to look every ``poll_s`` seconds."""
    submits = [call.at for call in calls if call.command in SUBMITTING]
    asked = [call.at for call in calls if call.command in ASKING]
    return Calls(
        len(submits),
        len(asked),
        polls(asked, poll_s / 2),
        min(submits, default=None),
    )
