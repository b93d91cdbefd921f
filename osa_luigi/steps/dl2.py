"""Energy, direction and gammaness of a run's events: ``lstchain_dl1_to_dl2``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Unpack

from osa_luigi.errors import NightError
from osa_luigi.products import names
from osa_luigi.steps import checks, dl1, making
from osa_luigi.steps import models as choosing
from osa_luigi.steps.call import Input, Output, StepCall
from osa_luigi.steps.step import Command, Step, Tool
from osa_luigi.steps.tailcuts import SECTION, additional_nsb

RUN_MODELS = "run_models"
"""Role of models that are chosen for the run; ``models`` are those of all runs."""
LATER = "MODELS-CHOSEN-BY-THE-NSB-OF-THE-RUN"
"""Stands in a command for what is not known before the cleaning of the run is found."""
RECONSTRUCTED = ("reco_energy", "reco_alt", "reco_az", "gammaness")
_FEATURES = tuple(
    f"{kind}_features"
    for kind in ("energy_regression", "disp_regression", "particle_classification", "disp_classification")
)


class DL2(Step):
    """DL2 of a run, by trained random forests. Events whose features are no numbers or lie outside the configured ranges are
    left out by lstchain; all others must be there."""

    name: ClassVar[str] = "dl2"
    tool: ClassVar[Tool] = Tool("lstchain_dl1_to_dl2", "lstchain.tools.lstchain_dl1_to_dl2:main")

    @classmethod
    def call(
        cls,
        *,
        unit: str,
        dl1: Input,
        models: Input | Sequence[Input],
        config: Path,
        tailcut: str,
        nsb: str,
        cleaning: Input | None = None,
        noise: Input | None = None,
        levels: choosing.Levels | None = None,
        chosen: Mapping[str, Any] | None = None,
        **common: Unpack[making.Common],
    ) -> StepCall:
        """DL2 of a run.

        Parameters
        ----------
        unit
            The run.
        dl1
            Its merged DL1b.
        models
            Folder with the trained models (``reg_energy.sav`` and so on); or those of which the run's own are chosen, each with
            its NSB and declination in its identity: none if none could be.
        config
            Resolved lstchain configuration, the one the models were trained with.
        tailcut, nsb
            Folders of the product, such as ``tailcut84`` and ``nsb_tuning_0.14``.
        cleaning, noise, levels
            The cleaning found for the run, the log that says its NSB, and which models suit which cleaning: where these choose.
        chosen
            What is known of the choice, for people.
        """
        forests = making.as_role("models", models) if isinstance(models, Input) else making.as_role(RUN_MODELS, *models)
        return making.make(
            cls,
            unit=unit,
            settings={} if levels is None else {"levels": [[picture, list(nsbs)] for picture, nsbs in levels]},
            inputs=[
                *making.as_role("dl1", dl1),
                *forests,
                *making.as_role("cleaning", cleaning),
                *making.as_role("noise", noise),
            ],
            outputs=[Output("dl2", names.dl2(tailcut, nsb, unit))],
            configs={"config": config},
            chosen=chosen,
            **common,
        )

    def settled(self, call: StepCall) -> StepCall:
        """With the models that suit the cleaning and the NSB that were found for the run."""
        if not call.paths("noise"):
            return call
        there = {_models(item): item for item in call.inputs if item.role == RUN_MODELS}
        picture = float(checks.json_object(call.path("cleaning"))[SECTION]["picture_thresh"])
        nsb = additional_nsb(checks.text(call.path("noise")))
        if nsb is None:
            raise checks.refuse(call.path("noise"), "does not say the additional NSB rate")
        levels: choosing.Levels = call.settings["levels"]
        level = choosing.nearest_level(there, choosing.levels_for(levels, picture), nsb)
        if level is None:
            raise NightError(f"{call.name}: {choosing.none_suits(there, levels, picture, nsb)}")
        models = next(one for one in there if one.nsb == level)
        inputs = (item for item in call.inputs if item.role != RUN_MODELS)
        return replace(call, inputs=(*inputs, there[models]), chosen=choosing.told(models, nsb, picture, call.chosen))

    def command(self, call: StepCall) -> Command:
        chosen = call.paths(RUN_MODELS) or call.paths("models")
        return Command(
            self.tool,
            (
                f"--input-files={call.path('dl1')}",
                f"--path-models={chosen[0] if len(chosen) == 1 else LATER}",
                "--output-dir=.",
                f"--config={call.configs['config']}",
            ),
        )

    def produced(self, call: StepCall) -> Mapping[str, Path]:
        return {"dl2": Path(call.output("dl2").path.name)}

    def verify(self, call: StepCall, files: Mapping[str, Path]) -> Mapping[str, Any]:
        """Exactly the events that lstchain's selection leaves of DL1b, counted here again, with all results finite.

        The tool exits 0 when it cannot read its configuration, and when it made nothing.
        """
        selected = selected_events(call.path("dl1"), json.loads(call.configs["config"].read_bytes()))
        with checks.hdf5(files["dl2"], dl1.KEEP) as file:
            events = file.require_rows(dl1.DL2_PARAMETERS, selected, "events of DL1b that its configuration selects")
            file.require_finite(dl1.DL2_PARAMETERS, *RECONSTRUCTED)
            dl1.check_events(file, dl1.DL2_PARAMETERS)
        chosen = self.settled(call).chosen
        return {"events": events, **({"chosen": dict(chosen)} if chosen else {})}


def _models(item: Input) -> choosing.Models:
    return choosing.Models(item.place, item.identity["nsb"], item.identity["declination"])


def selected_events(path: Path, config: Mapping[str, Any]) -> int:
    """Events of a DL1b file within the filters of a configuration, with a number for each feature that DL1 has.

    As ``lstchain.reco.utils.filter_events`` does it, but for the pointing: where some events have one, DL2 fills in the others.
    """
    import numpy as np
    import tables

    features = {feature for name in _FEATURES for feature in config[name]} - {"alt_tel", "sin_az_tel"}
    with tables.open_file(str(path)) as file:
        table = file.get_node(dl1.PARAMETERS)
        selected = np.ones(table.nrows, dtype=bool)
        for name, (low, high) in config["events_filters"].items():
            values = table.col(name)
            selected &= (values >= low) & (values <= high)
        for name in features & set(table.colnames):
            selected &= np.isfinite(table.col(name))
    return int(np.count_nonzero(selected))
