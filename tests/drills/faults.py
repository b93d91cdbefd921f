"""One night with everything wrong that a night can have, through the real chain; then repaired, and run again.

``python -m tests.drills.faults --json``. Each run of a small night has a fault of its own (`FAULTS`). Luigi's own command must name every
one that it can see, make all that is whole, and end with the exit code for failed steps. Then the faults are repaired
(``osa telescope deliver --repair``), the run summary is made again, and the same command must close the night.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from osa_luigi.batch.command import EXIT_CODES
from osa_luigi.config.yamlfile import load_yaml
from tests.drills.nights import DAY, TINY, Site, kept_night
from tests.drills.wide import merged
from tests.drills.witness import look

ID = "tiny"


@dataclass(frozen=True)
class Outcome:
    """What is to become of a run with a fault.

    Parameters
    ----------
    told
        What the engine says; empty: nothing, as nothing is wrong with it.
    missing
        The subruns that have no DL1; with one of them missing, the run has no DL2.
    """

    told: str
    missing: tuple[int, ...] = ()


FAULTS: dict[str, Outcome] = {
    "truncated:2003.1": Outcome("Run02003.0001.fits.fz: this raw file is truncated", (1,)),
    "missing-stream:2004.1.3": Outcome("Run02004.0001: stream 3 of 4 missing", (1,)),
    "no-pointing:2005": Outcome("events fall into a gap of DrivePosition_log_20241115.txt", (0, 1)),
    "flipped-bit:2006.1": Outcome("r0_to_dl1.Run02006.0001: killed by SIGSEGV", (1,)),
    "truncated:2007.0": Outcome("run 2007 is left out of the run summary", (0, 1)),
    "sparse:2008": Outcome(""),
    "no-pointing:2009": Outcome("in x_new is above the interpolation range's maximum value", (0, 1)),
}
NIGHT: dict[str, str | int] = {**TINY, "data-runs": len(FAULTS)}
CHANGES: dict[str, Any] = {"datacheck": {"plots": False}}
"""Of the tiny night's procedure: plots take half of its time."""


@dataclass
class Report:
    """What became of a fault."""

    fault: str
    told: list[str] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    """That were made of its run."""
    good: bool = False


@dataclass
class Night:
    """What became of the night."""

    exit_code: int
    closed: bool
    wall_s: float
    good: bool


def spoiled_night() -> Site:
    """The night, unprocessed, with its own procedure; JSON is YAML."""
    flags = [f"--fault={fault}" for fault in FAULTS]
    site = kept_night(NIGHT, *flags)
    for name in ("running_analysis", "monitoring/RunSummary", "R0", "late", "config"):
        shutil.rmtree(site.base / name, ignore_errors=True)
    (site.base / "simulation.json").unlink()
    kept_night(NIGHT, *flags)  # what an earlier drill repaired is spoiled again; models stay
    folder = site.base / "config"
    folder.mkdir()
    main = merged(load_yaml(site.config).value, {"procedures": ["tiny.yaml"]})
    procedure = merged(load_yaml(site.config.with_name("tiny.yaml")).value, CHANGES)
    (folder / "site.yaml").write_text(json.dumps(main, indent=1))
    (folder / "tiny.yaml").write_text(json.dumps(procedure, indent=1))
    return replace(site, config=folder / "site.yaml")


def run(site: Site) -> tuple[Night, str]:
    """The night by luigi's own command, and what that said."""
    start = time.monotonic()
    done = site.run_night()
    closed = (site.production(ID).root / "NightFinished.txt").exists()
    return Night(done.returncode, closed, round(time.monotonic() - start, 1), False), done.stdout


def judge(fault: str, outcome: Outcome, said: str, made: Mapping[str, Any]) -> Report:
    """Whether a fault was told, and stopped what it had to and no more."""
    run_label = f"Run{int(fault.partition(':')[2].partition('.')[0]):05d}"
    told = [line for line in said.splitlines() if line.startswith(("ERROR", "WARNING"))]
    mine = [line for line in told if run_label[3:].lstrip("0") in line]
    steps = sorted(name for name in made if run_label in name)
    missing = tuple(subrun for subrun in (0, 1) if f"r0_to_dl1.{run_label}.{subrun:04d}" not in steps)
    right = missing == outcome.missing and (f"dl2.{run_label}" in steps) is not bool(missing)
    heard = any(outcome.told in line for line in mine) if outcome.told else not mine
    return Report(fault, mine, steps, right and heard)


def repair(site: Site) -> None:
    """As the operator would: copy the files again, put the old run summary aside, make it again."""
    given = ("--date", DAY.isoformat())
    summaries = site.base / "monitoring" / "RunSummary"
    delivered = site.osa("telescope", "deliver", "--base", str(site.base), *given, "--repair")
    shutil.rmtree(summaries)
    made = site.osa("step", "run", "run_summary", *given)
    if delivered.returncode or made.returncode:
        raise RuntimeError(f"the night cannot be repaired:\n{delivered.stdout}{made.stdout}")


def main() -> None:
    """``python -m tests.drills.faults``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    asked = parser.parse_args()
    site = spoiled_night()
    night, said = run(site)
    night.good = (night.exit_code, night.closed) == (EXIT_CODES["task_failed"], False) and "Traceback" not in said
    made = look(site.production(ID)).receipts
    reports = [judge(fault, outcome, said, made) for fault, outcome in FAULTS.items()]
    _say(reports, night)
    repair(site)
    repaired, _ = run(site)
    repaired.good = (repaired.exit_code, repaired.closed) == (0, True)
    _say([], repaired)
    if asked.json:
        print(
            json.dumps(
                {"faults": [asdict(one) for one in reports], "night": asdict(night), "repaired": asdict(repaired)}
            )
        )
    sys.exit(0 if night.good and repaired.good and all(one.good for one in reports) else 1)


def _say(reports: list[Report], night: Night) -> None:
    for one in reports:
        print(
            f"{'ok' if one.good else 'NO':3} {one.fault}: {len(one.steps)} steps; {'; '.join(one.told)}",
            file=sys.stderr,
        )
    print(f"{'ok' if night.good else 'NO':3} {night}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
