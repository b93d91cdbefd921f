"""How far a night is, from the scheduler's list of tasks: pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

STAGES = {
    "RunSummaryTask": "run summary",
    "CalibrationTask": "calibration",
    "ReconstructionTask": "reconstruction",
    "RunCalibrationTask": "Cat-B and cleaning",
    "MergeTask": "merge",
    "Dl2Task": "DL2",
    "DatacheckTask": "datacheck",
    "PlotsTask": "plots",
    "LongtermTask": "night check",
    "CloseTask": "close",
}
"""Family of tasks → what an operator calls it, in the order of a night."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Tasks of one kind.

    Parameters
    ----------
    now
        What is under way, by the step and unit: ``dl1ab Run02003.0001``.
    """

    name: str
    done: int
    failed: int
    total: int
    now: tuple[str, ...]

    def __str__(self) -> str:
        failed = f" ({self.failed} failed)" if self.failed else ""
        return f"{self.name} {self.done}/{self.total}{failed}"


def stages(tasks: Mapping[str, Mapping[str, Any]], day: str, production: str) -> tuple[Stage, ...]:
    """The stages of a night, those that have tasks.

    Parameters
    ----------
    tasks
        As luigid's ``task_list`` gives them.
    day, production
        Observation date, ``2024-11-15``, and production id: the scheduler may remember others.
    """
    of: dict[str, list[Mapping[str, Any]]] = {}
    for task in tasks.values():
        asked = task["params"]
        if asked.get("date") == day and asked.get("production", production) == production:
            of.setdefault(task["name"], []).append(task)
    return tuple(_stage(name, of[family]) for family, name in STAGES.items() if family in of)


def _stage(name: str, tasks: list[Mapping[str, Any]]) -> Stage:
    by_status = [task["status"] for task in tasks]
    running = [task for task in tasks if task["status"] == "RUNNING"]
    now = sorted(said for task in running if (said := _under_way(task["status_message"])))
    return Stage(name, by_status.count("DONE"), by_status.count("FAILED"), len(tasks), tuple(now))


def _under_way(message: str | None) -> str:
    """``running dl1ab.Run02003.0001 (2 of 3 steps made)…`` → ``dl1ab Run02003.0001``; a job that waits is not under way."""
    words = (message or "").split()
    if len(words) < 2 or words[0] not in ("running", "made"):
        return ""
    step, _, unit = words[1].partition(".")
    return f"{step} {unit}"
