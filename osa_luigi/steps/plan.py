"""The plan of a night, as data: every step of every unit, with its key, before anything runs.

The luigi tasks, ``osa plan`` and ``osa step run`` all read the same plan; planner.py makes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from osa_luigi.night import CalibrationSource, Night, Run
from osa_luigi.products.decisions import Decided
from osa_luigi.products.production import Production
from osa_luigi.steps.call import StepCall


@dataclass(frozen=True, slots=True)
class Group:
    """The steps that one luigi task stands for; see `osa_luigi.batch.job.Job` for the fields."""

    production: Production
    calls: tuple[StepCall, ...]
    riders: tuple[StepCall, ...] = ()
    after: tuple[str, ...] = ()
    priority: float = 0


@dataclass(frozen=True)
class RunPlan:
    """What is done for one DATA run.

    Parameters
    ----------
    run
        As observed, without the subruns that were decided to be left out.
    legs
        Name of the leg → subrun number → its group. The longest chains of subrun-wise steps with no gate of the run between them:
        ``dl1`` from raw to DL1b, or ``dl1a`` and ``dl1b`` where cleaning levels or a Cat-B calibration are found per run.
    calibration
        Cat-B and cleaning levels of the run, between the legs.
    merge, dl2, datacheck, plots
        Per run; `None` where the procedure does not ask for it.
    """

    run: Run
    legs: Mapping[str, Mapping[int, Group]]
    calibration: Group | None = None
    merge: Group | None = None
    dl2: Group | None = None
    datacheck: Group | None = None
    plots: Group | None = None

    def groups(self) -> Iterator[Group]:
        """All groups of the run, in an order in which they could run."""
        first, *later = self.legs
        yield from self.legs[first].values()
        if self.calibration:
            yield self.calibration
        for leg in later:
            yield from self.legs[leg].values()
        yield from (group for group in (self.merge, self.dl2, self.datacheck, self.plots) if group)


@dataclass(frozen=True)
class NightPlan:
    """All that a night's production consists of.

    Parameters
    ----------
    newer
        Later calibration runs than `source`, with which the production was begun; `None` if there are none.
    decided
        Which runs and subruns are left out, and why: unit → the decisions.
    configs
        Resolved lstchain configurations, and the list of declared products: where they will lie → content.
    """

    night: Night
    production: Production
    source: CalibrationSource | None
    calibration: Group | None
    runs: Mapping[int, RunPlan]
    longterm: Group | None
    close: Group
    newer: CalibrationSource | None = None
    configs: Mapping[Path, Mapping[str, Any]] = field(default_factory=dict)
    decided: Decided = field(default_factory=dict)

    def write_configs(self) -> None:
        """Put the configurations where the calls name them, before the first runs."""
        for content in self.configs.values():
            self.production.write_config(content)

    def groups(self) -> Iterator[Group]:
        """All groups, in an order in which they could run."""
        if self.calibration:
            yield self.calibration
        for run in self.runs.values():
            yield from run.groups()
        if self.longterm:
            yield self.longterm
        yield self.close

    @cached_property
    def calls(self) -> Mapping[str, tuple[Production, StepCall]]:
        """``<step>.<unit>`` → where it belongs, and the call; each once."""
        return Calls(self)


class Calls(Mapping[str, tuple[Production, StepCall]]):
    """The calls of a plan by name, each with its production; that is the night's own for nearly all of them."""

    def __init__(self, plan: NightPlan) -> None:
        self._production = plan.production
        self._calls: dict[str, StepCall] = {}
        self._elsewhere: dict[str, Production] = {}
        for group in plan.groups():
            calls = {call.name: call for call in (*group.calls, *group.riders)}
            self._calls.update(calls)
            if group.production != plan.production:
                self._elsewhere.update(dict.fromkeys(calls, group.production))

    def __getitem__(self, name: str) -> tuple[Production, StepCall]:
        return self._elsewhere.get(name, self._production), self._calls[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._calls)

    def __len__(self) -> int:
        return len(self._calls)
