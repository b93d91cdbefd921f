"""Synthetic sites to plan on: nights of many subruns, without content, in every state that planning meets."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from osa_luigi.night import STREAMS, compact, raw_name
from osa_luigi.products.archiving import archive_run
from osa_luigi.products.paperwork import ATTEMPTS, RECEIPTS, Paperwork, runs_with
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
    from osa_luigi.tasks.opening import open_session

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


def archive_all(site: Path, legs: str) -> Production:
    """A record and a log beside each receipt, then an archive for each run."""
    production = add_paperwork(site, legs)
    for run in runs_with(production, RECEIPTS):
        archive_run(production, run)
    return production


def add_paperwork(site: Path, legs: str) -> Production:
    """The record and the log of the attempt that each receipt tells of."""
    production = Production(site / "data" / "running_analysis" / compact(DAY) / legs)
    for run in runs_with(production, RECEIPTS):
        papers = Paperwork(production, run)
        for name, content in papers.contents(RECEIPTS).items():
            record = json.loads(content)["attempt"]
            file = f"{record['step']}.{record['unit']}.{record['id']}"
            for kind, text in (
                (f"{ATTEMPTS}/{run}/{file}.json", json.dumps(record, indent=1)),
                (record["log"][5:], name * 60),
            ):
                path = production.state / kind
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
    return production


def _receipt(call: StepCall) -> Receipt:
    id_ = "20241116T000000-node-1-0000abcd"
    attempt = f"{call.name}.{id_}"
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
            Made(one.role, str(one.place), f".osa/scratch/{attempt}/work/{one.path.name}", 0, "0" * 64, "1" * 64)
            for one in call.outputs
        ),
        counts={"events": 200},
        software=software(),
        attempt=_record(call, id_),
    )


def _record(call: StepCall, id_: str) -> dict[str, Any]:
    """An exit record as an attempt writes it."""
    return {
        "id": id_,
        "step": call.step,
        "unit": call.unit,
        "key": call.key,
        "outcome": "made",
        "reason": "",
        "exit_code": 0,
        "signal": None,
        "timed_out": False,
        "started": "2024-11-16T00:00:00.000+00:00",
        "ended": "2024-11-16T00:00:01.000+00:00",
        "wall_s": 1.0,
        "cpu_s": 1.0,
        "peak_memory_mb": 1800.0,
        "asked": asdict(call.needs),
        "verify_wall_s": 0.1,
        "verify_cpu_s": 0.1,
        "log": f".osa/logs/{call.unit.partition('.')[0]}/{call.name}.{id_}.log",
        "pid": 1,
        "host": "node-1",
    }


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
