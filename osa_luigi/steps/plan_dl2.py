"""Plans DL2 of a run: with which models, as far as that is known before anything runs.

What is found for a run only later (its cleaning, its NSB) chooses among all models of its declination when the step runs: these are its
inputs, so its key says all that the choice depends on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from osa_luigi.config.model_choice import ModelChoice, pattern
from osa_luigi.errors import ConfigurationError
from osa_luigi.night import Run, foreign_identity
from osa_luigi.products import names
from osa_luigi.steps import models as choosing
from osa_luigi.steps.call import FileInput, Input, StepCall
from osa_luigi.steps.dl2 import DL2, RUN_MODELS
from osa_luigi.steps.materials import Materials
from osa_luigi.steps.models import Models
from osa_luigi.steps.plan import Group

NSB_PER_RUN = "nsb_per_run"
"""The DL2 folder where the NSB is found for each run, as ``tailcut_per_run``."""
NSB_UNKNOWN = "nsb_unknown"
"""Where DL2 of a run would lie for which no models can be chosen."""

NO_POINTING = (
    "where the telescope pointed is unknown, and by that its random forests are chosen: neither the run catalog has a declination, nor "
    "the drive log with a start of the run. Put the run with source_dec into the run catalog and run again, or leave it out (osa veto)."
)

NO_LEVEL = (
    "dl2.model_choice.levels names no NSB of which there are models below dl2.model_choice.base. Put the models there, or give the levels "
    "in a production of its own."
)


class Dl2Planner:
    """Puts DL2 of runs together as the procedure asks.

    Parameters
    ----------
    tailcut
        Folder of DL1b.
    """

    def __init__(self, shared: Materials, tailcut: str) -> None:
        self._shared = shared
        self._settings = shared.procedure.dl2
        self._tailcut = tailcut

    def plan(self, run: Run, merge: Sequence[StepCall], calibration: Sequence[StepCall]) -> Group | None:
        """DL2 of a run; `None` where the procedure does not ask for it.

        Parameters
        ----------
        merge, calibration
            What merges the run, and what is found for it before DL1b.
        """
        if not self._settings.enabled:
            return None
        merged = next((call for call in merge if call.step == "merge_dl1"), None)
        if merged is None:
            raise ConfigurationError([self._said("needs the merged DL1 of a run: set merge.dl1 to true")])
        call = DL2.call(
            unit=run.label,
            dl1=self._shared.product(merged, "dl1"),
            tailcut=self._tailcut,
            config=self._shared.config("dl2", self._settings.config),
            **self._models(run, calibration),
            **self._shared.common("dl2"),
        )
        return self._shared.group("dl2", (call,))

    def _said(self, text: str) -> str:
        return f"{self._shared.procedure.path}: dl2: {text}, or dl2.enabled to false"

    def _models(self, run: Run, calibration: Sequence[StepCall]) -> dict[str, Any]:
        """What of a DL2 call its models are."""
        if choice := self._settings.choice:
            cleaning = next((call for call in calibration if call.step == "tailcuts"), None)
            return self._per_run(choice, run, cleaning) if cleaning else self._by_standard(choice, run)
        if self._settings.models is None:
            raise ConfigurationError([self._said("needs the folder of the random forests: set dl2.models")])
        return {"models": self._shared.models(self._settings.models), "nsb": names.nsb_id(self._settings.models)}

    def _by_standard(self, choice: ModelChoice, run: Run) -> dict[str, Any]:
        """The cleaning and the NSB are those of the configuration."""
        picture, nsb = self._shared.configuration.procedure.dl1ab.picture_thresh, float(choice.nsb or 0)
        level = choosing.nearest_level(self._known, choosing.levels_for(choice.levels, picture), nsb)
        if level is None:
            return _lacking(choosing.none_suits(self._known, choice.levels, picture, nsb))
        folder = names.nsb_id(Path(next(one.folder for one in self._known if one.nsb == level)))
        if run.declination is None:
            return {**_lacking(NO_POINTING), "nsb": folder}
        models = choosing.nearest_line(self._known, level, run.declination[0])
        chosen = choosing.told(models, nsb, picture, choosing.pointed(*run.declination))
        return {"models": [self._input(models)], "nsb": folder, "chosen": chosen}

    def _per_run(self, choice: ModelChoice, run: Run, cleaning: StepCall) -> dict[str, Any]:
        """The cleaning and the NSB will be found: of each level the models of the run's declination are inputs."""
        if run.declination is None:
            return {**_lacking(NO_POINTING), "nsb": NSB_PER_RUN}
        allowed = {level for _, nsbs in choice.levels for level in nsbs}
        levels = sorted({one.nsb for one in self._known} & allowed)
        if not levels:
            return {**_lacking(NO_LEVEL), "nsb": NSB_PER_RUN}
        return {
            "models": [self._input(choosing.nearest_line(self._known, level, run.declination[0])) for level in levels],
            "nsb": NSB_PER_RUN,
            "cleaning": self._shared.product(cleaning, "tailcuts"),
            "noise": self._shared.product(cleaning, "log"),
            "levels": choice.levels,
            "chosen": choosing.pointed(*run.declination),
        }

    @cached_property
    def _known(self) -> tuple[Models, ...]:
        assert self._settings.choice is not None
        return choosing.find_models(self._settings.choice.base, pattern(self._settings.choice.folders))

    @cache  # noqa: B019 (a planner lives as long as one planning)
    def _input(self, models: Models) -> Input:
        content: Mapping[str, Any] = {} if self._shared.procedure.fake else foreign_identity(Path(models.folder))
        return FileInput(RUN_MODELS, models.folder, {**content, "nsb": models.nsb, "declination": models.declination})


def _lacking(text: str) -> dict[str, Any]:
    return {"models": [], "nsb": NSB_UNKNOWN, "chosen": {"lacks": text}}
