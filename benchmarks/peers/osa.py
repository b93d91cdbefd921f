"""This engine: luigi's stock command over a night of fake steps, with the SLURM executor."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.compiled import compile_package
from benchmarks.peers import Work
from tests.fast.fake_nights import DAY, FAKE, MAIN, PROCESSED, FakeSite, merged

ROOT = Path(__file__).parents[2]
FIRST_RUN = 2003
SUBRUN_STEPS = ("r0_to_dl1", "dl1ab", "datacheck")
"""Which its job makes one after the other in the fake procedure."""


class Osa:
    """osa_luigi; see `Tool`."""

    name = "osa_luigi"
    at_most = None
    joins = True
    why = "merging, DL2, checks and closing are jobs, too; a job is a Python that runs and verifies its steps"

    def prepare(self, work: Work) -> None:
        """The site, with the night's run summary and raw files of a few bytes."""
        compile_package()
        site = site_of(work)
        site.write()
        # Calibrated by the event builder, so that no calibration comes before the subruns: the peers have none.
        site.night(*((FIRST_RUN + run, "DATA", subruns, PROCESSED) for run, subruns in enumerate(work.subruns)))

    def luigid(self) -> Path:
        return Path(sys.executable).with_name("luigid")

    def command(self, work: Work, port: int) -> list[str]:
        luigi = str(Path(sys.executable).with_name("luigi"))
        night = ["--module", "osa_luigi", "NightTask", "--date", DAY.isoformat(), "--procedure", "fake"]
        return [luigi, *night, "--scheduler-host", "127.0.0.1", "--scheduler-port", str(port)]

    def environment(self, work: Work) -> Mapping[str, str]:
        return {
            "OSA_CONFIG": str(site_of(work).config),
            "LUIGI_CONFIG_PATH": str(ROOT / "luigi.cfg"),
            "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))),
        }

    def done(self, work: Work) -> int:
        """All of them if the night was closed; otherwise those with a DL1b file."""
        site = site_of(work)
        if site.is_closed():
            return work.tasks
        return len(list(site.production().root.glob("tailcut*/dl1_LST-1.Run*.*.h5")))

    def version(self) -> str:
        return f"luigi {version('luigi')}, osa_luigi {version('osa_luigi')}"


def site_of(work: Work, executor: Mapping[str, Any] | None = None) -> FakeSite:
    """The site whose jobs, all steps of a subrun together, take the time that is asked for."""
    # Steps ask for hours by default: more than the partition "short" gives, and several subruns more than any.
    together = {"subruns_per_job": work.subruns_per_job} if work.subruns_per_job > 1 else {}
    slurm = {"type": "slurm", "slurm": {"poll_seconds": work.poll_s, "partition": "long", **together}}
    limits = {step: {"time_limit_minutes": 1 + work.seconds / 60} for step in SUBRUN_STEPS} if together else {}
    main = {**merged(MAIN, {"site": {"name": "benchmark"}, "resources": limits}), "executor": dict(executor or slurm)}
    step_s = round(work.seconds / len(SUBRUN_STEPS), 3)
    fake = merged(FAKE, {"fake": {"duration_s": step_s}})
    return FakeSite(work.folder / "site", main, {"fake": fake})
