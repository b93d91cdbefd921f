"""Runs × stages: how much of each stage of each run is made, failed and under way. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from osa_luigi.steps.plan import NightPlan
from osa_luigi.tasks.outlook import REFUSED, Outlook

STAGES: Mapping[str, tuple[str, ...]] = {
    "R0G": ("gain_selection",),
    "DL1A": ("r0_to_dl1",),
    "CATB": ("cat_b", "tailcuts"),
    "DL1B": ("dl1ab",),
    "CHECK": ("datacheck",),
    "MERGE": ("merge_dl1", "merge_muons"),
    "DL2": ("dl2",),
    "PLOTS": ("run_datacheck", "run_plots"),
}
"""Column → the steps of a run that it counts, in the order of the chain."""

OF_THE_NIGHT: Mapping[str, tuple[str, ...]] = {
    "calibration": ("drs4_baseline", "time_calibration", "charge_calibration"),
    "night check": ("longterm", "transparency"),
    "closing": ("close",),
}


@dataclass(frozen=True, slots=True)
class Cell:
    """Of the declared steps of a stage: how many there are, are made, have failed (or are refused), are under way."""

    declared: int
    made: int
    failed: int
    running: int

    def __str__(self) -> str:
        """``150/152 ✗1 …1``; empty where nothing is declared."""
        if not self.declared:
            return ""
        failed, running = f" ✗{self.failed}" if self.failed else "", f" …{self.running}" if self.running else ""
        return f"{self.made}/{self.declared}{failed}{running}"


@dataclass(frozen=True, slots=True)
class Line:
    """A run.

    Parameters
    ----------
    left_out
        Subruns that decisions leave out.
    stages
        Of the columns that some run of the night has.
    """

    run: int
    subruns: int
    left_out: int
    stages: Mapping[str, Cell]


@dataclass(frozen=True, slots=True)
class Grid:
    """A night; `night` holds what is not a run's."""

    runs: tuple[Line, ...]
    night: Mapping[str, Cell]


def grid(
    plan: NightPlan,
    items: Mapping[str, Outlook],
    failed: Callable[[Outlook], bool],
    running: Callable[[Outlook], bool],
) -> Grid:
    """Count.

    Parameters
    ----------
    items
        ``<step>.<unit>`` → how it stands.
    failed, running
        Whether the last attempt of a step failed, and whether one is under way.
    """

    def cell(found: Iterable[Outlook]) -> Cell:
        asked = list(found)
        under_way = [running(item) for item in asked]
        wrong = [item.kind in REFUSED or failed(item) for item in asked]
        failures = sum(bad and not works for bad, works in zip(wrong, under_way, strict=True))
        return Cell(len(asked), sum(item.made for item in asked), failures, sum(under_way))

    of_run: dict[tuple[str, str], list[Outlook]] = {}
    of_night: dict[str, list[Outlook]] = {}
    for item in items.values():
        of_run.setdefault((item.call.unit.partition(".")[0], item.call.step), []).append(item)
        of_night.setdefault(item.call.step, []).append(item)
    shown = {stage: steps for stage, steps in STAGES.items() if any(step in of_night for step in steps)}
    lines = []
    for run in plan.night.data_runs:
        stages = {
            stage: cell(item for step in steps for item in of_run.get((run.label, step), ()))
            for stage, steps in shown.items()
        }
        declared = plan.runs.get(run.run_id)
        kept = len(declared.run.subruns) if declared else 0
        lines.append(Line(run.run_id, len(run.subruns), len(run.subruns) - kept, stages))
    night = {
        name: cell(item for step in steps for item in of_night.get(step, ())) for name, steps in OF_THE_NIGHT.items()
    }
    return Grid(tuple(lines), {name: one for name, one in night.items() if one.declared})
