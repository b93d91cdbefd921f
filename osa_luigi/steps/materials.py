"""What the parts of a night's plan share: inputs that many steps read, configurations, requests, priorities.

Each is made once: a night of thousands of subruns would otherwise hold the same thing thousands of times.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from osa_luigi.config import Configuration, FrozenMapping, Paths, thaw
from osa_luigi.night import RUN_SUMMARY, Night, Run, Subrun, compact, foreign_identity
from osa_luigi.products.decisions import Decided, in_order, within
from osa_luigi.products.identity import digest
from osa_luigi.products.production import Production
from osa_luigi.steps.call import FileInput, Input, Needs, StepCall
from osa_luigi.steps.making import Common
from osa_luigi.steps.plan import Group
from osa_luigi.steps.references import Product, RawInput
from osa_luigi.steps.software import scientific_software

PRIORITY = {
    "calibration": 90,
    "merge": 80,
    "dl2": 70,
    "run calibration": 60,
    "subrun": 50,
    "datacheck": 20,
    "night": 10,
    "plots": 0,
}
"""Which waiting job starts first: what others wait for, then what finishes a run, then plots and checks."""


class Materials:
    """Of one planning.

    Parameters
    ----------
    production
        Where the night's products go.
    decided
        Runs and subruns that are left out.
    """

    def __init__(self, configuration: Configuration, night: Night, production: Production, decided: Decided) -> None:
        self.configuration = configuration
        self.procedure = configuration.procedure
        self.night = night
        self.production = production
        self.decided = decided
        self.configs: dict[Path, Mapping[str, Any]] = {}
        self._sections: dict[str, Path] = {}
        self._digests: dict[Path, str] = {}
        self._inputs: dict[tuple[str, ...], Input] = {}
        self._common: dict[str, Common] = {}
        # Run by run, in the order taken: a finished run is worth more than many that have begun.
        runs = [run.label for run in night.data_runs]
        self._turns = {label: 1 - number / len(runs) for number, label in enumerate(runs)}

    @property
    def paths(self) -> Paths:
        """The site's."""
        return self.configuration.main.site.paths

    def group(self, kind: str, calls: Sequence[StepCall], riders: Sequence[StepCall] = ()) -> Group:
        """The steps that one luigi task stands for; `kind` is one of `PRIORITY`."""
        priority = PRIORITY[kind] + self._turns.get(calls[0].unit.partition(".")[0], 0.0)
        return Group(self.production, tuple(calls), tuple(riders), priority=priority)

    def product(self, call: StepCall, role: str) -> Input:
        """An output of another step of this production."""
        return self.once(lambda: Product(call, role, str(self.production.root)), call.step, call.unit, role)

    def once(self, make: Callable[[], Input], *name: str) -> Input:
        """One object for all steps that read it: a night has thousands, and most are read by several."""
        if name not in self._inputs:
            self._inputs[name] = make()
        return self._inputs[name]

    def summary(self, night: Night, run: Run) -> Input:
        """The run summary, of which only the run's row counts."""
        folder, day = self.paths.run_summary, night.date
        return self.once(
            lambda: FileInput("run_summary", str(folder / RUN_SUMMARY.format(day)), run.identity),
            "run_summary",
            str(day),
            run.label,
        )

    def provided(self) -> Input | None:
        """What an analysis provides for DL1b."""
        if (found := self.procedure.dl1ab.provided) is None:
            return None
        identity = {"key": found.key, "role": "calibration"}
        return self.once(lambda: FileInput("provided", str(found.path), identity, found.key), "provided")

    def config(self, section: str, content: FrozenMapping) -> Path:
        """Where a resolved lstchain configuration will lie."""
        if section not in self._sections:
            path = self._sections[section] = self.production.config(content)
            self.configs[path] = thaw(content)
            self._digests[path] = digest(content)
        return self._sections[section]

    def models(self, folder: Path) -> Input:
        """Models, known by their folder."""
        if self.procedure.fake:
            return FileInput("models", str(folder), {})
        return self.once(lambda: foreign_input("models", folder), "models", str(folder))

    def common(self, step: str) -> Common:
        """What the factory of a step takes, whatever it is called for."""
        if step not in self._common:
            self._common[step] = {**common_of(self.configuration, step), "digests": self._digests}
        return self._common[step]

    def common_of_run(self, step: str, run: Run) -> Common:
        """With the decisions on the run's subruns."""
        decided = tuple(decision.short() for decision in within(self.decided, run.label))
        return {**self.common(step), "decisions": decided}

    def common_of_night(self, step: str) -> Common:
        """With the decisions on all runs."""
        decided = tuple(decision.short() for decision in in_order(self.decided))
        return {**self.common(step), "decisions": decided}


def common_of(configuration: Configuration, step: str) -> Common:
    """What every factory takes: software, needs, and the behaviour of fakes."""
    asked = configuration.main.resources_for(step)
    fake = configuration.procedure.fake
    return {
        "software": scientific_software(),
        "needs": Needs(asked.memory_mb, asked.cores, asked.time_limit_s),
        "fake": asdict(fake) if fake else None,
    }


def production_of(production: Production, day: date) -> Production:
    """The production of the same id of another night."""
    return Production(production.root.parent.parent / compact(day) / production.id)


def raw_inputs(subrun: Subrun) -> list[Input]:
    """The streams of a subrun."""
    return [RawInput(subrun, stream) for stream in subrun.streams]


def foreign_input(role: str, path: Path) -> Input:
    """A file that something else made."""
    return FileInput(role, str(path), foreign_identity(path))
