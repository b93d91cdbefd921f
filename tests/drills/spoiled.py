"""A night with every fault at once: its runs, what must become of each, and what an operator does about it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from osa_luigi.config.yamlfile import load_yaml
from tests.drills.nights import DAY, TINY, Site, kept_night
from tests.drills.wide import merged

ID = "tiny"
BY_RULE = "Run02008.0001"
"""What the procedure's rule discards; the other decisions are a person's."""

TAKEN_BACK = {"discard": "undo", "veto": "release"}


@dataclass(frozen=True)
class Outcome:
    """What is to become of a run with a fault.

    Parameters
    ----------
    told
        What the engine says; empty: nothing, as nothing that it can see is wrong.
    missing
        The subruns that have no DL1.
    dl2
        Whether the run has DL2 all the same.
    decision
        What the operator types to close the night without the data, before the reason; empty: nothing is needed.
    """

    told: str
    missing: tuple[int, ...] = ()
    dl2: bool = False
    decision: tuple[str, ...] = ()


FAULTS: dict[str, Outcome] = {
    "truncated:2003.1": Outcome(
        "Run02003.0001.fits.fz: this raw file is truncated", (1,), decision=("discard", "2003.1")
    ),
    "missing-stream:2004.1.3": Outcome("Run02004.0001: stream 3 of 4 missing", (1,), decision=("discard", "2004.1")),
    "no-pointing:2005": Outcome(
        "events fall into a gap of DrivePosition_log_20241115.txt", (0, 1), decision=("veto", "2005")
    ),
    "flipped-bit:2006.1": Outcome(
        "r0_to_dl1.Run02006.0001: killed by SIGSEGV", (1,), decision=("discard", "Run02006.0001")
    ),
    "truncated:2007.0": Outcome("run 2007 is left out of the run summary", (0, 1)),
    "sparse:2008": Outcome("the last subrun has no interleaved events", dl2=True),
    "missing-subrun:2009.0": Outcome("runs of type ERROR in the run summary are not processed: 2009", (0, 1)),
    "late:2010": Outcome("", (0, 1)),
    "late:2011.1": Outcome("", (1,), dl2=True),
    "empty-file:2012.1": Outcome("Run02012.0001.fits.fz: this raw file is empty", (1,), decision=("discard", "2012.1")),
    "no-pointing:2013": Outcome(
        "DrivePosition_log_20241115.txt does not reach to these events", (0, 1), decision=("veto", "2013")
    ),
}
FIRST, SUBRUNS = 2003, 2
NIGHT: dict[str, str | int] = {**TINY, "data-runs": len(FAULTS)}
NEXT_NIGHT: dict[str, str | int] = {**TINY, "data-runs": 1, "subruns": 1, "first-run": FIRST + len(FAULTS)}
CHANGES: dict[str, Any] = {
    "datacheck": {"plots": False},
    "decisions": {"discard": {"last_subrun_without_interleaved": True}},
}
"""Of the tiny night's procedure: plots take half of its time."""


@dataclass
class Fate:
    """What became of a fault."""

    fault: str
    told: list[str] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    """That were made of its run."""
    good: bool = False


def run_label(fault: str) -> str:
    """Of the run that a fault is in."""
    return f"Run{int(fault.partition(':')[2].partition('.')[0]):05d}"


def judge(fault: str, outcome: Outcome, said: str, made: Mapping[str, Any]) -> Fate:
    """Whether a fault was told, and stopped what it had to and no more."""
    run = run_label(fault)
    levels = ("ERROR", "WARNING") if not outcome.told else ("ERROR", "WARNING", "INFO: night")
    told = [line for line in said.splitlines() if line.startswith(levels)]
    mine = list(dict.fromkeys(line for line in told if run[3:].lstrip("0") in line))
    steps = sorted(name for name in made if run in name)
    missing = tuple(subrun for subrun in range(SUBRUNS) if f"r0_to_dl1.{run}.{subrun:04d}" not in steps)
    right = missing == outcome.missing and (f"dl2.{run}" in steps) is (outcome.dl2 or not missing)
    heard = any(outcome.told in line for line in mine) if outcome.told else not mine
    return Fate(fault, mine, steps, right and heard)


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


def next_night(site: Site) -> Site:
    """A night after it that has no calibration runs, in the same base."""
    day = DAY + timedelta(days=1)
    flags = [f"--{option}={value}" for option, value in NEXT_NIGHT.items()]
    flags += ["--no-models", "--fault=no-calibration"]
    _do(site, "telescope", "simulate", f"--base={site.base}", f"--date={day}", *flags)
    return replace(site, day=day)


def decide(site: Site) -> None:
    """Leave out what is lost."""
    for outcome in FAULTS.values():
        if outcome.decision:
            _do(site, *outcome.decision, *_date(site), "--reason", "lost; the drill goes on without it")


def repair(site: Site) -> None:
    """Copy the files again, let the late ones come, put the old run summary aside and make it again, take all decisions back."""
    _do(site, "telescope", "deliver", "--base", str(site.base), *_date(site), "--repair")
    shutil.rmtree(site.base / "monitoring" / "RunSummary")
    _do(site, "step", "run", "run_summary", *_date(site))
    decided = [outcome.decision for outcome in FAULTS.values() if outcome.decision]
    for word, unit in [*decided, ("discard", BY_RULE)]:
        _do(site, TAKEN_BACK[word], unit, *_date(site), "--reason", "the files have come")


def _date(site: Site) -> tuple[str, str]:
    return "--date", site.day.isoformat()


def _do(site: Site, *command: str) -> None:
    done = site.osa(*command)
    if done.returncode:
        raise RuntimeError(f"osa {' '.join(command)} ended with {done.returncode}:\n{done.stdout}")
