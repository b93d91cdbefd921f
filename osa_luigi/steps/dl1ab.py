"""Image parameters after the final cleaning: ``lstchain_dl1ab``."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Unpack

from osa_luigi.errors import NightError
from osa_luigi.products import names
from osa_luigi.steps import checks, dl1, making
from osa_luigi.steps.call import UNIT, Input, Output, Outputs, StepCall
from osa_luigi.steps.step import Command, Step, Tool


@cache
def _outputs(tailcut: str) -> tuple[Output, ...]:
    return (Output("dl1", names.dl1b(tailcut, UNIT)),)


class DL1ab(Step):
    """DL1b of a subrun, from its DL1a."""

    name: ClassVar[str] = "dl1ab"
    tool: ClassVar[Tool] = Tool("lstchain_dl1ab", "lstchain.scripts.lstchain_dl1ab:main")

    @classmethod
    def call(
        cls,
        *,
        unit: str,
        dl1: Input,
        tailcut: str,
        config: Path | None = None,
        tailcuts: Input | None = None,
        provided: Input | None = None,
        cat_b: Input | None = None,
        images: bool = True,
        pedestal_cleaning: bool = True,
        max_unusable_pixels: int = 70,
        **common: Unpack[making.Common],
    ) -> StepCall:
        """DL1b of a subrun.

        Parameters
        ----------
        dl1
            Its DL1a.
        tailcut
            Folder of the product, such as ``tailcut84``.
        config, tailcuts
            Exactly one of them: an lstchain configuration, or the cleaning found for the run (the product of ``tailcuts``). The tool
            takes one file only, and what is not in it from lstchain's standard.
        provided
            What an analysis found, which is in `config` already: it is here for the product's history.
        cat_b
            Category-B calibration of the run, applied where given.
        images
            Keep the images; the datacheck needs them.
        pedestal_cleaning
            Raise the picture threshold of noisy pixels (``tailcuts_clean_with_pedestal_threshold``); else ``tailcut`` alone.
        max_unusable_pixels
            Marks intervals of the category-B calibration as good; without it, it is not used.

        Raises
        ------
        ValueError
            Both a configuration and found tailcuts are given, or neither.
        """
        if (config is None) == (tailcuts is None):
            raise ValueError(f"{unit}: dl1ab takes a configuration or the tailcuts found for the run, one of them")
        settings: dict[str, Any] = {"images": images, "pedestal_cleaning": pedestal_cleaning}
        if cat_b is not None:
            settings["max_unusable_pixels"] = max_unusable_pixels
        return making.make(
            cls,
            unit=unit,
            settings=settings,
            inputs=[
                *making.as_role("dl1", dl1),
                *making.as_role("tailcuts", tailcuts),
                *making.as_role("cat_b", cat_b),
                *making.as_role("provided", provided),
            ],
            outputs=Outputs(unit, _outputs(tailcut)),
            configs={} if config is None else {"config": config},
            **common,
        )

    def command(self, call: StepCall) -> Command:
        config = call.configs.get("config") or call.path("tailcuts")
        arguments = [
            f"--input-file={call.path('dl1')}",
            f"--output-file={self.produced(call)['dl1']}",
            f"--config={config}",
        ]
        if call.paths("cat_b"):
            arguments.append(f"--catB-calibration-file={call.path('cat_b')}")
            arguments.append(f"--max-unusable-pixels={call.settings['max_unusable_pixels']}")
        if not call.settings["images"]:
            arguments.append("--no-image")
        if not call.settings["pedestal_cleaning"]:
            arguments.append("--no-pedestal-cleaning")
        return Command(self.tool, tuple(arguments))

    def produced(self, call: StepCall) -> Mapping[str, Path]:
        return {"dl1": Path(call.output("dl1").path.name)}

    def check_inputs(self, call: StepCall) -> None:
        """lstchain writes no charges of pedestals into DL1a of data that the event builder has calibrated, and then finds no thresholds.

        Raises
        ------
        NightError
            Cleaning by pedestals was asked for, and DL1a lacks them.
        """
        source = call.path("dl1")
        if not call.settings["pedestal_cleaning"] or call.paths("cat_b"):
            return
        if dl1.PEDESTAL_CHARGE not in checks.hdf5_columns(source, dl1.MONITORING[-1]):
            raise NightError(
                f"{source.name} holds no charges of pedestals (lstchain writes none for data that the event builder has "
                "calibrated), so the cleaning cannot go by them: set dl1ab.pedestal_cleaning to false in the procedure, "
                "then run again"
            )

    def verify(self, call: StepCall, files: Mapping[str, Path]) -> Mapping[str, Any]:
        """The events of DL1a, in order: dl1ab drops none. Images and category-B tables as asked for."""
        with checks.hdf5(files["dl1"], dl1.KEEP) as file:
            events = dl1.check_same_events(file, dl1.PARAMETERS, call.path("dl1"))
            dl1.check_events(file)
            for node in dl1.MONITORING:
                file.require_rows(node, checks.hdf5_rows(call.path("dl1"), node), "of DL1a")
            if call.settings["images"]:
                file.require_rows(dl1.IMAGES, events, "events of the parameters")
            elif dl1.IMAGES in file.rows:
                raise checks.refuse(file.path, "has images, though none were asked for")
            if call.paths("cat_b"):
                file.require(*dl1.CAT_B)
        return {"events": events}
