"""One DL1b file of a run, from its subruns': ``lstchain_merge_hdf5_files``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Unpack

from osa_luigi.products import names
from osa_luigi.steps import checks, dl1, making
from osa_luigi.steps.call import Input, Output, StepCall
from osa_luigi.steps.step import Command, Step, Tool

FOLDER = Path("dl1")


class MergeDL1(Step):
    """The DL1b of a run: the events of exactly its declared subruns, with or without images."""

    name: ClassVar[str] = "merge_dl1"
    tool: ClassVar[Tool] = Tool("lstchain_merge_hdf5_files", "lstchain.scripts.lstchain_merge_hdf5_files:main")

    @classmethod
    def call(
        cls, *, unit: str, dl1: Sequence[Input], tailcut: str, images: bool = False, **common: Unpack[making.Common]
    ) -> StepCall:
        """The DL1b of a run.

        Parameters
        ----------
        unit
            The run.
        dl1
            DL1b of all subruns it shall hold.
        tailcut
            Folder of the product, such as ``tailcut84``.
        images
            Keep the images, if the subruns have them: about thirty times the size.
        """
        return making.make(
            cls,
            unit=unit,
            settings={"images": images},
            inputs=making.as_role("dl1", *dl1),
            outputs=[Output("dl1", names.dl1b(tailcut, unit))],
            **common,
        )

    def command(self, call: StepCall) -> Command:
        arguments = [
            f"--input-dir={FOLDER}",
            f"--output-file={self.produced(call)['dl1']}",
            f"--pattern={names.dl1a(call.unit + '.*').name}",
            "--no-progress",
        ]
        if not call.settings["images"]:
            arguments.append("--no-image")
        return Command(self.tool, tuple(arguments), links={FOLDER / path.name: path for path in call.paths("dl1")})

    def produced(self, call: StepCall) -> Mapping[str, Path]:
        return {"dl1": Path(call.output("dl1").path.name)}

    def verify(self, call: StepCall, files: Mapping[str, Path]) -> Mapping[str, Any]:
        """Made from every subrun, with the sum of their rows, each event once."""
        paths = call.paths("dl1")
        with checks.hdf5(files["dl1"], dl1.KEEP) as file:
            subruns = dl1.check_sources(file, paths)
            events = file.require_rows(
                dl1.PARAMETERS, dl1.rows_of(paths, dl1.PARAMETERS), "events of its subruns together"
            )
            if call.settings["images"]:
                file.require_rows(dl1.IMAGES, events, "events of the parameters")
            elif dl1.IMAGES in file.rows:
                raise checks.refuse(file.path, "has images, though none were asked for")
            # Merging copies these from the first subrun: they are the run's, the same in each.
            for node in dl1.CAT_B:
                if rows := checks.hdf5_rows(paths[0], node):
                    file.require_rows(node, rows, "of the run's category-B calibration")
            dl1.check_events(file)
        return {"subruns": subruns, "events": events}
