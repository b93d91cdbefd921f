"""Energy, direction and gammaness of a run's events: ``lstchain_dl1_to_dl2``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Unpack

from osa_luigi.products import names
from osa_luigi.steps import checks, dl1, making
from osa_luigi.steps.call import Input, Output, StepCall
from osa_luigi.steps.step import Command, Step, Tool

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
        models: Input,
        config: Path,
        tailcut: str,
        nsb: str,
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
            Folder with the trained models (``reg_energy.sav`` and so on).
        config
            Resolved lstchain configuration, the one the models were trained with.
        tailcut, nsb
            Folders of the product, such as ``tailcut84`` and ``nsb_tuning_0.14``.
        """
        return making.make(
            cls,
            unit=unit,
            settings={},
            inputs=[*making.as_role("dl1", dl1), *making.as_role("models", models)],
            outputs=[Output("dl2", names.dl2(tailcut, nsb, unit))],
            configs={"config": config},
            **common,
        )

    def command(self, call: StepCall) -> Command:
        return Command(
            self.tool,
            (
                f"--input-files={call.path('dl1')}",
                f"--path-models={call.path('models')}",
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
        return {"events": events}


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
