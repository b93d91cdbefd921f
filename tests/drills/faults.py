"""One night with everything wrong that a night can have, through the real chain: run, closed without what is lost, repaired, closed again.

``python -m tests.drills.faults --json``. Each run of a small night has a fault of its own (`spoiled.FAULTS`). By luigi's own command:

1. `spoiled`: every fault that can be seen is named, all that is whole is made, the night is not closed;
2. `decided`: what is lost is left out by ``osa discard`` and ``osa veto``, one subrun by a rule of the procedure: closed with decisions;
3. `repaired`: the files are copied again, late ones come (``osa telescope deliver --repair``), the run summary is made again, all
   decisions are taken back: the same command makes the night whole, and closes it again;
4. `next`: a night without calibration runs, after it, uses the first one's.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from osa_luigi.batch.command import EXIT_CODES
from osa_luigi.products.names import REPORT
from osa_luigi.steps.close import MARKER, SUMMARY, Verdict
from tests.drills.evidence import Check
from tests.drills.nights import Site
from tests.drills.spoiled import (
    BY_RULE,
    FAULTS,
    FIRST,
    ID,
    SUBRUNS,
    Fate,
    decide,
    judge,
    next_night,
    repair,
    run_label,
    spoiled_night,
)
from tests.drills.witness import look

CALIBRATIONS = {"pedestal": "drs4_baseline.Run02001", "calibration": "charge_calibration.Run02002"}


@dataclass
class Phase:
    """What became of the night at one time; `report` is the page as it was then."""

    name: str
    exit_code: int
    wall_s: float
    closed: bool
    verdict: str
    decisions: list[str]
    report: str
    said: str = ""
    checks: list[Check] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether every check was passed."""
        return bool(self.checks) and all(check.good for check in self.checks)

    def data(self) -> dict[str, Any]:
        """For ``--json``."""
        return {**asdict(self), "said": self.said[-4000:] if not self.good else "", "good": self.good}


def run(site: Site, name: str) -> Phase:
    """The night by luigi's own command, and how it stands after that."""
    start = time.monotonic()
    done = site.run_night()
    wall_s = round(time.monotonic() - start, 1)
    root = site.production(ID).root
    closed = (root / MARKER).exists()
    told: dict[str, Any] = {"verdict": "", "decisions": []}
    page = site.base / f"report-{name}.html"
    if closed:
        told = json.loads((root / SUMMARY).read_text())
        shutil.copyfile(root / REPORT, page)
    else:
        site.osa("report", "--date", site.day.isoformat(), "--html", str(page))
    decided = [f"{one['kind']} {one['unit']} ({one['by']})" for one in told["decisions"]]
    return Phase(name, done.returncode, wall_s, closed, told["verdict"], decided, str(page), done.stdout)


def spoiled(site: Site) -> tuple[Phase, list[Fate]]:
    """The night as it is."""
    phase = run(site, "spoiled")
    made = look(site.production(ID)).receipts
    fates = [judge(fault, outcome, phase.said, made) for fault, outcome in FAULTS.items()]
    ended = (phase.exit_code, phase.closed) == (EXIT_CODES["task_failed"], False)
    phase.checks = [
        Check("failed steps, and not closed", ended, f"exit code {phase.exit_code}, closed: {phase.closed}"),
        Check("no Python traceback is shown", "Traceback" not in phase.said, ""),
        *(Check(one.fault, one.good, "; ".join(one.told)) for one in fates),
    ]
    return phase, fates


def decided(site: Site) -> Phase:
    """Closed without what is lost."""
    decide(site)
    phase = run(site, "decided")
    units = {unit.split()[1] for unit in phase.decisions}
    wanted = {_label(outcome.decision[-1]) for outcome in FAULTS.values() if outcome.decision} | {BY_RULE}
    phase.checks = [
        *_closed(phase, Verdict.WITH_DECISIONS),
        Check("what was decided is named in the closed night", units == wanted, ", ".join(phase.decisions)),
        _whole(
            site,
            [run_label(fault) for fault, outcome in FAULTS.items() if outcome.dl2 or "discard" in outcome.decision],
        ),
        _verified(site),
    ]
    return phase


def repaired(site: Site) -> Phase:
    """All files have come: closed once more, with all runs."""
    repair(site)
    phase = run(site, "repaired")
    made = look(site.production(ID)).receipts
    runs = range(FIRST, FIRST + len(FAULTS))
    wanted = {
        f"{step}.Run{one:05d}.{sub:04d}" for step in ("dl1ab", "datacheck") for one in runs for sub in range(SUBRUNS)
    }
    phase.checks = [
        *_closed(phase, Verdict.COMPLETE),
        _whole(site, [f"Run{one:05d}" for one in runs]),
        Check("every subrun has DL1 and datacheck", wanted <= set(made), f"{len(wanted & set(made))} of {len(wanted)}"),
        _verified(site),
    ]
    return phase


def without_calibration(site: Site) -> Phase:
    """The night after."""
    later = next_night(site)
    phase = run(later, "next")
    keys = {role: look(site.production(ID)).receipts[name].key for role, name in CALIBRATIONS.items()}
    given = [
        {item["role"]: item["key"] for item in receipt.inputs if item["role"] in keys}
        for receipt in look(later.production(ID)).receipts.values()
        if receipt.step == "r0_to_dl1"
    ]
    used = bool(given) and all(one == keys for one in given)
    phase.checks = [
        *_closed(phase, Verdict.COMPLETE),
        Check("DL1a was made with the first night's calibration", used, f"{len(given)} subruns"),
        _verified(later),
    ]
    return phase


def _closed(phase: Phase, verdict: Verdict) -> Iterator[Check]:
    ended = (phase.exit_code, phase.closed, phase.verdict) == (0, True, verdict)
    yield Check(f"closed, {verdict}", ended, f"exit code {phase.exit_code}, closed: {phase.closed}, {phase.verdict}")


def _whole(site: Site, wanted: list[str]) -> Check:
    made = {receipt.unit for receipt in look(site.production(ID)).receipts.values() if receipt.step == "dl2"}
    return Check("DL2 is there of all runs but those left out", made == set(wanted), ", ".join(sorted(made)))


def _verified(site: Site) -> Check:
    done = site.osa("verify", "--date", site.day.isoformat())
    return Check("osa verify finds nothing wrong", done.returncode == 0, done.stdout.strip().splitlines()[-1])


def _label(unit: str) -> str:
    run_id, _, subrun = unit.removeprefix("Run").partition(".")
    return f"Run{int(run_id):05d}" + (f".{int(subrun):04d}" if subrun else "")


def main() -> None:
    """``python -m tests.drills.faults``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    asked = parser.parse_args()
    site = spoiled_night()
    first, fates = spoiled(site)
    _say(first)
    phases = [first]
    for phase in (decided, repaired, without_calibration):
        phases.append(phase(site))
        _say(phases[-1])
    if asked.json:
        faults = [asdict(one) for one in fates]
        print(json.dumps({"base": str(site.base), "faults": faults, "phases": [phase.data() for phase in phases]}))
    sys.exit(0 if all(phase.good for phase in phases) else 1)


def _say(phase: Phase) -> None:
    print(f"{phase.name}: exit code {phase.exit_code}, {phase.wall_s} s, {phase.report}", file=sys.stderr)
    for check in phase.checks:
        print(f"  {'ok' if check.good else 'NO':3} {check.what}: {check.found}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
