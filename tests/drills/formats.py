"""A tiny night in each raw format through the real chain, by luigi's own command.

``python -m tests.drills.formats --json``. The same events in every format: R1v1, EVBv5 (both gains, nothing corrected), and in p.e.,
calibrated by the event builder. Then DL2 is held against the truth, and the receipts are asked which calibrations DL1a was made with.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from astropy.table import QTable

from osa_luigi.config.yamlfile import load_yaml
from osa_luigi.night import DataLevel
from osa_luigi.products.receipt import Receipt
from osa_luigi.steps.dl1 import DL2_PARAMETERS
from osa_luigi.telescope.formats import FORMATS
from tests.drills import evidence
from tests.drills.evidence import Check, Products
from tests.drills.nights import DAY, TINY, Site, kept_night
from tests.drills.wide import merged
from tests.drills.witness import look

LEVELS = {"r1v1": DataLevel.GAIN_SELECTED, "evbv5": DataLevel.RAW, "pe": DataLevel.CALIBRATED}
DATA_FORMATS = {"r1v1": "R1v1.Event", "evbv5": "ProtoR1.CameraEvent", "pe": "R1v1.Event"}
CALIBRATIONS = {"pedestal", "calibration", "time_calibration"}
CHANGES: dict[str, dict[str, Any]] = {"pe": {"dl1ab": {"pedestal_cleaning": False}}}
"""What the procedure must say otherwise: lstchain finds no charges of pedestals in DL1a of data in p.e."""
BRIGHT_PE = 200.0
CHARGE = (0.85, 1.1)
"""Charge of bright images over the true one: the cleaning leaves out faint pixels."""
RANK = 0.7
"""Of energies of bright gammas against the truth, by Spearman."""


@dataclass
class Report:
    """What became of the night in one format."""

    format: str
    exit_code: int = 0
    wall_s: float = 0.0
    checks: list[Check] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether every check was passed."""
        return bool(self.checks) and all(check.good for check in self.checks)


def run(name: str) -> Report:
    """Make the night, process it from nothing, look at what came out."""
    site = _configured(kept_night({**TINY, "format": name}), name)
    for folder in ("running_analysis", "monitoring/RunSummary"):
        shutil.rmtree(site.base / folder, ignore_errors=True)
    start = time.monotonic()
    done = site.run_night()
    report = Report(name, done.returncode, round(time.monotonic() - start, 1))
    if done.returncode:
        report.checks.append(Check("the night is finished", False, done.stdout[-3000:]))
    else:
        report.checks.extend(_checks(site, name))
    return report


def _configured(site: Site, name: str) -> Site:
    """The site with the procedure that the format needs; JSON is YAML."""
    folder = site.base / "config"
    folder.mkdir(exist_ok=True)
    main = merged(load_yaml(site.config).value, {"procedures": ["tiny.yaml"]})
    procedure = merged(load_yaml(site.config.with_name("tiny.yaml")).value, CHANGES.get(name, {}))
    (folder / "site.yaml").write_text(json.dumps(main, indent=1))
    (folder / "tiny.yaml").write_text(json.dumps(procedure, indent=1))
    return replace(site, config=folder / "site.yaml")


def _checks(site: Site, name: str) -> Iterator[Check]:
    session = site.session()
    products = Products(session.plan.production, look(session.plan.production).receipts)
    yield evidence.finished(products)
    (run,) = session.plan.night.data_runs
    found = (run.data_format, run.level)
    yield Check("the run summary tells the format", found == (DATA_FORMATS[name], LEVELS[name]), ", ".join(found))
    yield _calibrations(products.of("r0_to_dl1"), wanted=name != "pe")
    yield from _against_truth(site, products)


def _calibrations(receipts: list[Receipt], *, wanted: bool) -> Check:
    given = [{str(item["role"]) for item in receipt.inputs} & CALIBRATIONS for receipt in receipts]
    good = all(roles == (CALIBRATIONS if wanted else set()) for roles in given)
    what = "DL1a was made with all calibrations" if wanted else "DL1a was made without a calibration"
    return Check(what, good, "; ".join(", ".join(sorted(roles)) or "none" for roles in given))


def _against_truth(site: Site, products: Products) -> Iterator[Check]:
    found = pd.concat([pd.read_hdf(path, DL2_PARAMETERS) for path in products.paths("dl2", "dl2")])
    truth = QTable.read(site.base / "truth" / f"truth_{DAY:%Y%m%d}.ecsv").to_pandas()
    events = found.merge(truth, left_on=["obs_id", "event_id"], right_on=["run", "event_id"], suffixes=("", "_true"))
    bright = events[events["intensity"] > BRIGHT_PE]
    ratio = float(
        np.median(
            bright["intensity"] / bright["size_true"] if "size_true" in bright else bright["intensity"] / bright["size"]
        )
    )
    yield Check("charges are the true ones", CHARGE[0] < ratio < CHARGE[1], f"{ratio:.3f} of {len(bright)} images")
    gammas = bright[bright["kind"] == "gamma"]
    rank = float(gammas["reco_energy"].corr(gammas["energy"], method="spearman"))
    yield Check("energies follow the truth", rank > RANK, f"{rank:.3f} of {len(gammas)} gammas")


def main() -> None:
    """``python -m tests.drills.formats``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--format", action="append", choices=FORMATS, help="which, in this order; default: all")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    asked = parser.parse_args()
    reports = []
    for name in asked.format or FORMATS:
        reports.append(run(name))
        print(_line(reports[-1]), file=sys.stderr, flush=True)
    if asked.json:
        print(json.dumps({"formats": [{**asdict(one), "good": one.good} for one in reports]}))
    else:
        for one in reports:
            print("\n".join([_line(one), *(f"  {'ok' if c.good else 'NO':3} {c.what}: {c.found}" for c in one.checks)]))
    sys.exit(0 if all(one.good for one in reports) else 1)


def _line(report: Report) -> str:
    return f"{report.format}: exit code {report.exit_code}, {report.wall_s} s, {'good' if report.good else 'NOT GOOD'}"


if __name__ == "__main__":
    main()
