"""What planning costs the engine: seconds, CPU per subrun, and memory, for nights of many subruns.

``python -m benchmarks.plan --subruns 1000,5000,20000 --json``. Each measurement is a process of its own over a synthetic site: raw files
without content, a run summary, a procedure of fake steps. A resumed night holds a receipt and a file for every product of its subruns,
and nothing of whole runs; a made one holds all; of an archived one they lie in an archive for each run, with records and logs.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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
BARS = {"plan_s": 10.0, "rss_mb": 80.0, "cpu_ms_per_subrun": 2.0}
"""For a night of 5,000 subruns."""


@dataclass
class Watch:
    """Elapsed time and growth of memory in each phase, and what the process used from the first to the last."""

    phases: dict[str, float] = field(default_factory=dict)
    start_mb: float = field(default_factory=lambda: resident_mb())
    start_cpu_s: float = field(default_factory=time.process_time)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time a phase."""
        begun, before_mb = time.perf_counter(), resident_mb()
        yield
        self.phases[f"{name}_s"] = round(time.perf_counter() - begun, 2)
        self.phases[f"{name}_mb"] = round(resident_mb() - before_mb, 1)

    def result(self, subruns: int) -> dict[str, Any]:
        """Figures of one measurement."""
        cpu_s = time.process_time() - self.start_cpu_s
        gc.collect()
        return {
            **self.phases,
            "cpu_s": round(cpu_s, 2),
            "cpu_ms_per_subrun": round(1000 * cpu_s / subruns, 2),
            "rss_mb": round(resident_mb() - self.start_mb, 1),
        }


def resident_mb() -> float:
    """Resident memory of this process now, in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


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
                (raw / raw_name(run, subrun, stream)).touch()
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


def measure(site: Path, legs: str, subruns: int) -> dict[str, Any]:
    """Observe, plan, begin, build luigi's graph and write out every job, in this process."""
    # Before the clock starts: what any night needs.
    import luigi
    from luigi.scheduler import Scheduler

    from osa_luigi.batch.worker import OsaWorker
    from osa_luigi.night import observe
    from osa_luigi.tasks import session as sessions
    from osa_luigi.tasks.night import CloseTask, NightPart

    logging.disable(logging.INFO)
    luigi.configuration.get_config().set("osa_luigi", "config", str(site / "main.yaml"))
    sessions.choose_procedure(legs, legs)
    configuration = sessions.configure(site / "main.yaml", legs, legs)
    watch = Watch()
    with watch.phase("observe"):
        observe(sessions.night_paths(configuration), DAY)
    with watch.phase("plan"):  # it observes, too
        opened = sessions.session(DAY, legs)
    with watch.phase("begin"):
        opened.begin()
    close = CloseTask(date=DAY, production=legs)
    worker = OsaWorker(scheduler=Scheduler())
    with watch.phase("graph"):
        worker.add(close)
    jobs = [task for task in worker._scheduled_tasks.values() if isinstance(task, NightPart)]
    with watch.phase("jobs"):
        for task in jobs:
            json.dumps([job.as_json() for job in task.jobs()])
    return {"steps": len(opened.plan.calls), "luigi_tasks": len(jobs), **watch.result(subruns)}


def bench(subruns: int, folder: Path) -> list[dict[str, Any]]:
    """New nights, the same ones resumed, made, then archived, each with one leg and with two; every measurement in a process of its own."""
    site = folder / str(subruns)
    exact = make_site(site, subruns)
    results = []
    for legs in LEGS:
        for night in ("new", "resumed", "made", "archived"):
            if night != "new":
                _child("--make", str(site), legs, night)
            found = json.loads(_child("--measure", str(site), legs, str(exact)))
            results.append({"subruns": exact, "legs": legs, "night": night, **found})
        # Else the next production would be linked from this one.
        shutil.rmtree(site / "data" / "running_analysis")
    shutil.rmtree(site)
    return results


def _child(task: str, *arguments: str) -> str:
    command = [sys.executable, "-m", "benchmarks.plan", task, *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def table(results: Sequence[dict[str, Any]]) -> str:
    """For people."""
    columns = list(results[0])
    lines = [columns, *([str(result.get(column, "")) for column in columns] for result in results)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)


def main() -> None:
    """``python -m benchmarks.plan``."""
    parser = argparse.ArgumentParser(description="What planning a night costs")
    parser.add_argument("--subruns", default="1000,5000,20000", help="sizes of nights, separated by commas")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.add_argument("--folder", type=Path, help="where the synthetic sites lie while they are measured")
    for task in ("--measure", "--make"):
        parser.add_argument(task, nargs=3, metavar=("SITE", "LEGS", "WHAT"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.make:
        site, legs, night = asked.make
        if night == "archived":
            archive_all(Path(site), legs)
        else:
            make_products(Path(site), legs, whole=night == "made")
    elif asked.measure:
        site, legs, subruns = asked.measure
        print(json.dumps(measure(Path(site), legs, int(subruns))))
    else:
        with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
            results = [one for size in asked.subruns.split(",") for one in bench(int(size), Path(folder))]
        print(json.dumps({"results": results, "bars": BARS}, indent=1) if asked.json else table(results))


if __name__ == "__main__":
    main()
