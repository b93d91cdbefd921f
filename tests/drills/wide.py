"""Whole nights of the real chain with everything switched on that a procedure can switch.

``python -m tests.drills.wide --json``. One small night of raw data with both gains is processed by luigi's own command, as several
productions: with gain selection, the time calibration from the PEDCALIB run, Cat-B and cleaning levels found per run all at once; with
the last two off; with gain selection off. Then the products are asked whether what was switched on was used
(`tests.drills.evidence`), and the same command is given again, which must make nothing.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from osa_luigi.config.yamlfile import load_yaml
from tests.drills import evidence
from tests.drills.evidence import Check, Products
from tests.drills.nights import CONFIG, TINY, Site, kept_night
from tests.drills.witness import Seen, judge, look

NIGHT: dict[str, str | int] = {
    **TINY,
    # lstchain leaves out faint flat-field pulses, so each bin of the time calibration gets two.
    "pedcal-events": 520,
    "time-calibration": "run",
    # 100 interleaved pedestals a subrun: of fewer lstchain makes no cleaning levels, and with more than one in eleven it
    # takes the run for PEDCALIB.
    "events": 1100,
    "interleaved-period": 11,
    "gains": "both",
}
CAT_B = {"cat_b": {"enabled": True, "sample_size": 50}}
PER_RUN = {"tailcuts": {"source": "per_run"}, "dl1ab": {"tailcuts": {"picture_thresh": None, "boundary_thresh": None}}}
# Unlike what is found in the run, and unlike lstchain's standard.
FIXED = {"dl1ab": {"tailcuts": {"picture_thresh": 7, "boundary_thresh": 3}}}
GAINS = {"gain_selection": {"enabled": True}}
MORE_THAN_A_SUBRUN = 300
"""A flat-field sample that is full before the first one of pedestals is stored makes lstchain's R0 to DL1 fail."""
COMMON: dict[str, Any] = {
    "calibration": {"time": {"source": "pedcalib"}},
    "r0_to_dl1": {
        "overrides": {
            "LSTCalibrationCalculator": {
                "PedestalIntegrator": {"sample_size": MORE_THAN_A_SUBRUN},
                "FlasherFlatFieldCalculator": {"sample_size": MORE_THAN_A_SUBRUN},
            }
        }
    },
}
VARIANTS: dict[str, tuple[Mapping[str, Any], ...]] = {
    "everything": (GAINS, CAT_B, PER_RUN),
    "standard": (GAINS, FIXED),
    "both_gains": (CAT_B, PER_RUN),
}
"""Procedure and production id → what it changes of the tiny night's procedure, beside `COMMON`."""


@dataclass
class Report:
    """What became of one variant; seconds are luigi's, with everything that it started."""

    variant: str
    options: dict[str, Any]
    exit_code: int = 0
    wall_s: float = 0.0
    cpu_s: float = 0.0
    made: dict[str, int] = field(default_factory=dict)
    linked: dict[str, int] = field(default_factory=dict)
    again_exit_code: int = 0
    again_wall_s: float = 0.0
    checks: list[Check] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether every check was passed."""
        return bool(self.checks) and all(check.good for check in self.checks)


def merged(base: Mapping[str, Any], *changes: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with others in their place, section by section."""
    result = dict(base)
    for change in changes:
        for key, value in change.items():
            deeper = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
            result[key] = merged(result[key], value) if deeper else value
    return result


def procedure(variant: str) -> dict[str, Any]:
    """The procedure of a variant."""
    tiny = load_yaml(CONFIG.with_name("tiny.yaml")).value
    return merged(tiny, COMMON, *VARIANTS[variant], {"name": variant, "production_id": variant})


def configured(site: Site) -> Site:
    """The site with the procedures of all variants; JSON is YAML."""
    folder = site.base / "config"
    folder.mkdir(exist_ok=True)
    main = merged(load_yaml(site.config).value, {"procedures": ["wide.yaml"], "default_procedure": "everything"})
    (folder / "wide.yaml").write_text(json.dumps({"procedures": [procedure(name) for name in VARIANTS]}, indent=1))
    (folder / "site.yaml").write_text(json.dumps(main, indent=1))
    return replace(site, config=folder / "site.yaml")


def run(site: Site, variant: str) -> Report:
    """Process the night as one variant, question its products, process it again."""
    report = Report(variant, merged({}, *VARIANTS[variant]))
    done, report.wall_s, report.cpu_s = measured(lambda: site.run_night("--procedure", variant))
    report.exit_code = done.returncode
    production = site.production(variant)
    seen = look(production)
    report.made, report.linked = _counted(seen, linked=False), _counted(seen, linked=True)
    if done.returncode:
        report.checks.append(Check("the night is finished", False, done.stdout[-2000:]))
        return report
    again, report.again_wall_s, _ = measured(lambda: site.run_night("--procedure", variant))
    report.again_exit_code = again.returncode
    report.checks.extend(_night_checks(site, variant, seen, again.returncode))
    return report


def measured(
    command: Callable[[], subprocess.CompletedProcess[str]],
) -> tuple[subprocess.CompletedProcess[str], float, float]:
    """What it returned, and its wall and CPU seconds."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = command()
    after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic() - start
    return done, round(wall, 1), round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 1)


def _counted(seen: Seen, *, linked: bool) -> dict[str, int]:
    steps: Counter[str] = Counter(
        receipt.step for receipt in seen.receipts.values() if bool(receipt.linked_from) is linked
    )
    return dict(sorted(steps.items()))


def _night_checks(site: Site, variant: str, seen: Seen, again: int) -> Iterator[Check]:
    """What the products say, and what became of them when the night was run again."""
    session = site.session(procedure=variant)
    settings = session.configuration.procedure
    products = Products(session.plan.production, seen.receipts)
    yield evidence.finished(products)
    yield evidence.time_calibration_was_used(products)
    yield evidence.gains(products, selected=settings.gain_selection.enabled)
    yield evidence.images(products, cat_b=settings.cat_b.enabled)
    yield evidence.cleaning(products, per_run=settings.tailcuts.per_run, asked=settings.dl1ab.config)
    if not settings.gain_selection.enabled and (other := _look(site, "everything")).receipts:
        yield evidence.same_charges(products, other)
    verdict = judge(session.plan.production, [seen])
    wrong = [line for lines in asdict(verdict).values() for line in lines]
    yield Check("run again, nothing is made", again == 0 and not wrong, "; ".join(wrong) or "as it was")


def _look(site: Site, variant: str) -> Products:
    production = site.production(variant)
    return Products(production, look(production).receipts)


def main() -> None:
    """``python -m tests.drills.wide``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variant", action="append", choices=VARIANTS, help="which, in this order; default: all")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    asked = parser.parse_args()
    site = configured(kept_night(NIGHT))
    for name in ("running_analysis", "monitoring/RunSummary"):
        shutil.rmtree(site.base / name, ignore_errors=True)
    reports = []
    for variant in asked.variant or VARIANTS:
        reports.append(run(site, variant))
        print(_line(reports[-1]), file=sys.stderr, flush=True)
    if asked.json:
        print(json.dumps({"night": NIGHT, "variants": [{**asdict(one), "good": one.good} for one in reports]}))
    else:
        for one in reports:
            print(_table(one))
    sys.exit(0 if all(one.good for one in reports) else 1)


def _line(report: Report) -> str:
    verdict = "good" if report.good else "NOT GOOD"
    return f"{report.variant}: exit code {report.exit_code}, {report.wall_s} s, {report.cpu_s} CPU s, {verdict}"


def _table(report: Report) -> str:
    rows = [f"  {'ok' if check.good else 'NO':3} {check.what}: {check.found}" for check in report.checks]
    steps = [f"  made {report.made}, linked {report.linked}, again {report.again_wall_s} s"]
    return "\n".join([_line(report), *steps, *rows])


if __name__ == "__main__":
    main()
