"""Synthetic sites to plan on: nights of many subruns, without content, in every state that planning meets."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

from osa_luigi.night import STREAMS, compact, raw_name
from osa_luigi.products.archiving import archive_run
from osa_luigi.products.paperwork import ATTEMPTS, LOGS, RECEIPTS, Paperwork, runs_with
from osa_luigi.products.production import Production
from osa_luigi.products.receipt import Made, Receipt
from osa_luigi.steps.call import StepCall
from osa_luigi.steps.software import software
from tests.fast.fake_nights import DAY, FAKE, FakeSite

PER_RUN = 152
"""Subruns of a run: 20 minutes at 7.9 s."""
FIRST_RUN = 2003
LEGS = {"one": {}, "two": {"cat_b": {"enabled": True}, "tailcuts": {"source": "per_run"}}}
RAW_SIZE = 2_000_000_000
"""Bytes that a raw file claims to have; it is sparse. Each has another size, as real ones do."""


def make_site(folder: Path, subruns: int) -> int:
    """A night of so many subruns in runs of `PER_RUN`, with a procedure for each kind of leg; returns how many it has."""
    runs = [(FIRST_RUN + i, "DATA", PER_RUN) for i in range(max(1, round(subruns / PER_RUN)))]
    site = FakeSite(folder, procedures={name: {**FAKE, "name": name, "production_id": name} for name in LEGS})
    site.main = {**site.main, "default_procedure": "one"}
    for name, changes in LEGS.items():
        site.set(name, **changes)
    night = [(2001, "DRS4", 1), (2002, "PEDCALIB", 1), *runs]
    site.summary(*night)
    raw = site.data / "R0" / compact(DAY)
    raw.mkdir(parents=True)
    for run, _, count in night:
        for subrun in range(count):
            for stream in STREAMS:
                path = raw / raw_name(run, subrun, stream)
                path.touch()
                os.truncate(path, RAW_SIZE + 1000 * subrun + stream)
    return PER_RUN * len(runs)


def make_products(site: Path, legs: str, *, whole: bool) -> None:
    """A receipt and a file for every product of the plan, or of its subruns and the night's calibration only."""
    from osa_luigi.tasks.session import open_session

    plan = open_session(site / "main.yaml", DAY, legs, legs).plan
    calibration = plan.calibration.calls if plan.calibration else ()
    for production, call in plan.calls.values():
        if not (whole or "." in call.unit or call in calibration):
            continue
        receipt = _receipt(call)
        for made in receipt.outputs:
            path = production.root / made.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        path = production.receipts(call.unit) / f"{call.name}.1.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(receipt.text())


def archive_all(site: Path, legs: str) -> None:
    """A record and a log beside each receipt, then an archive for each run."""
    production = Production(site / "data" / "running_analysis" / compact(DAY) / legs)
    for run in runs_with(production, RECEIPTS):
        papers = Paperwork(production, run)
        for name in papers.names(RECEIPTS):
            for kind, size in ((ATTEMPTS, 600), (LOGS, 3000)):
                path = papers.folder(kind) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(name * (size // len(name)))
        archive_run(production, run)


def _receipt(call: StepCall) -> Receipt:
    attempt = f"{call.name}.20241116T000000-node-1-0000abcd"
    return Receipt(
        step=call.step,
        unit=call.unit,
        key=call.key,
        generation=1,
        settings=call.settings,
        inputs=tuple(
            {"role": item.role, "path": str(item.path), "identity": item.identity, "key": item.key}
            for item in call.inputs
        ),
        outputs=tuple(
            Made(one.role, one.path, Path(".osa/scratch") / attempt / "work" / one.path.name, 0, "0" * 64, "1" * 64)
            for one in call.outputs
        ),
        counts={"events": 200},
        software=software(),
        attempt={
            "id": attempt,
            "ended": "2024-11-16T00:00:01.000+00:00",
            "cpu_s": 1.0,
            "log": f".osa/logs/{attempt}.log",
        },
    )


def make_campaign(folder: Path, nights: int, subruns: int) -> int:
    """So many nights, each with a run summary and a date of its own; their raw folders are one, by links. Returns subruns of all."""
    per_night = make_site(folder, subruns)
    first, *others = days(nights)
    raw, summaries = folder / "data" / "R0", folder / "data" / "monitoring" / "RunSummary"
    summary = (summaries / f"RunSummary_{compact(first)}.ecsv").read_text()
    for day in others:
        (raw / compact(day)).symlink_to(compact(first))
        written = summary.replace(first.isoformat(), day.isoformat())
        (summaries / f"RunSummary_{compact(day)}.ecsv").write_text(written)
    return per_night * nights


def days(nights: int) -> Iterator[date]:
    """The nights of a campaign."""
    return (DAY + timedelta(days=number) for number in range(nights))
