"""What planning costs: seconds and memory, for a night of many subruns and for a campaign of many nights.

``python -m benchmarks.planning --json``: one night of `--subruns`, and `--nights` such nights one after another in one process, as a
campaign plans them. ``--states`` measures a night in every state that planning meets, with all that an engine does before its first job.
Each measurement is a process of its own over a synthetic site (planned_sites.py).
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

from benchmarks.planned_sites import LEGS, archive_all, days, make_campaign, make_products, make_site
from tests.fast.fake_nights import DAY

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


def measure(site: Path, legs: str, subruns: int) -> dict[str, Any]:
    """Observe, plan, begin, build luigi's graph and write out every job, in this process."""
    # Before the clock starts: what any night needs.
    import luigi
    from luigi.scheduler import Scheduler

    from osa_luigi.batch.worker import OsaWorker
    from osa_luigi.night import observe
    from osa_luigi.tasks import opening as sessions
    from osa_luigi.tasks.night import CloseTask
    from osa_luigi.tasks.part import NightPart

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


def plan_nights(site: Path, nights: int, subruns: int) -> dict[str, Any]:
    """Observe and plan nights one after another in this process, and let go of each, as a campaign does."""
    import osa_luigi.tasks.graph  # noqa: F401 (as an engine has it)
    from osa_luigi.tasks import opening as sessions

    logging.disable(logging.INFO)
    with_imports_mb = resident_mb()
    seconds, memory_mb, planned = [], [], 0
    for day in days(nights):
        begun = time.perf_counter()
        plan = sessions.open_session(site / "main.yaml", day, "one", "one").plan
        planned += sum(len(run.run.subruns) for run in plan.runs.values())
        seconds.append(time.perf_counter() - begun)
        memory_mb.append(round(resident_mb(), 1))
        del plan
    if planned != subruns:
        raise SystemExit(f"{planned} subruns were planned, not {subruns}")
    return {
        "subruns": planned,
        "plan_s": round(sum(seconds), 2),
        "rss_mb": max(memory_mb),
        "nights": nights,
        "slowest_night_s": round(max(seconds), 2),
        "cpu_s": round(time.process_time(), 2),
        "imports_mb": round(with_imports_mb, 1),
        "rss_mb_of_nights": memory_mb[:: max(1, nights // 10)],
    }


def show(subruns: int, nights: int, folder: Path) -> dict[str, Any]:
    """A night, and a campaign of such nights; each in a process of its own."""
    results = {}
    for name, count in (("night", 1), ("campaign", nights)):
        site = folder / name
        exact = make_campaign(site, count, subruns)
        results[name] = json.loads(_child("--plan", str(site), str(count), str(exact)))
        shutil.rmtree(site)
    return results


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
    command = [sys.executable, "-m", "benchmarks.planning", task, *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def table(results: Sequence[dict[str, Any]]) -> str:
    """For people."""
    columns = list(results[0])
    lines = [columns, *([str(result.get(column, "")) for column in columns] for result in results)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)


def main() -> None:
    """``python -m benchmarks.planning``."""
    parser = argparse.ArgumentParser(description="What planning a night and a campaign costs")
    parser.add_argument("--subruns", type=int, default=5000, help="of a night")
    parser.add_argument("--nights", type=int, default=200, help="of the campaign")
    parser.add_argument("--states", metavar="SIZES", help="nights of so many subruns, in every state: 1000,5000,20000")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.add_argument("--folder", type=Path, help="where the synthetic sites lie while they are measured")
    for task in ("--plan", "--measure", "--make"):
        parser.add_argument(task, nargs=3, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.plan or asked.measure or asked.make:
        _be_child(asked)
        return
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        if asked.states:
            states = [one for size in asked.states.split(",") for one in bench(int(size), Path(folder))]
            print(json.dumps({"results": states, "bars": BARS}, indent=1) if asked.json else table(states))
        else:
            found = show(asked.subruns, asked.nights, Path(folder))
            print(json.dumps(found) if asked.json else table([{"of": name, **one} for name, one in found.items()]))


def _be_child(asked: argparse.Namespace) -> None:
    if asked.plan:
        site, nights, subruns = asked.plan
        print(json.dumps(plan_nights(Path(site), int(nights), int(subruns))))
    elif asked.measure:
        site, legs, subruns = asked.measure
        print(json.dumps(measure(Path(site), legs, int(subruns))))
    else:
        site, legs, night = asked.make
        if night == "archived":
            archive_all(Path(site), legs)
        else:
            make_products(Path(site), legs, whole=night == "made")


if __name__ == "__main__":
    main()
