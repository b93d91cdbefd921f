"""How fast `osa status` answers: as typed, from the start of Python on, for a night that is closed and archived and for one under way.

``python -m benchmarks.status --subruns 2000 --json`` makes two sites of such a night (planned_sites.py) and asks each several times.
docs/benchmarks.md says what each figure is.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.compiled import compile_package
from benchmarks.planned_sites import add_paperwork, archive_all, make_products, make_site
from tests.fast.fake_nights import DAY

BARS = {"command_s": 1.0}
"""For a closed night of 2,000 subruns, on a machine without other work."""

REPEATS = 5
LEGS = "one"


def main(arguments: Sequence[str] | None = None) -> None:
    """Make nights, ask, print; the exit code is 1 where the bar is missed."""
    asked = parse(arguments)
    compile_package()
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        results = [measure(Path(folder) / state, state, asked.subruns) for state in ("closed", "under way")]
    print(json.dumps({"results": results, "bars": BARS}, indent=1) if asked.json else "\n".join(_lines(results)))
    sys.exit(any(results[0][name] > bar for name, bar in BARS.items()))


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.status", description=__doc__)
    parser.add_argument("--subruns", type=int, default=2000)
    parser.add_argument("--folder", type=Path, help="where the sites lie while they are measured")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    return parser.parse_args(arguments)


def measure(site: Path, state: str, subruns: int) -> dict[str, Any]:
    """All figures of a night in one state: of one under way all subruns are made, and nothing of its runs."""
    exact = make_site(site, subruns)
    make_products(site, LEGS, whole=state == "closed")
    production = archive_all(site, LEGS) if state == "closed" else add_paperwork(site, LEGS)
    ask(site)  # fills the cache of the disk
    load = os.getloadavg()[0]
    answers = [ask(site) for _ in range(REPEATS)]
    return {
        "night": state,
        "subruns": exact,
        "loose_files": sum(1 for kind in ("receipts", "attempts") for _ in (production.state / kind).rglob("*.json")),
        "command_s": round(statistics.median(elapsed for elapsed, _ in answers), 2),
        "command_cpu_s": round(statistics.median(cpu for _, cpu in answers), 2),
        "load": round(load, 1),
    }


def ask(site: Path) -> tuple[float, float]:
    """Elapsed and CPU seconds of the command, in a process of its own."""
    path = os.pathsep.join(entry for entry in sys.path if entry)
    environment = {**os.environ, "OSA_CONFIG": str(site / "main.yaml"), "PYTHONPATH": path}
    program = [sys.executable, "-c", "from osa_luigi.cli import main; main()", "status", "--date", DAY.isoformat()]
    before, begun = _children_cpu_s(), time.perf_counter()
    done = subprocess.run(program, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    elapsed = time.perf_counter() - begun
    if done.returncode not in (0, 1) or "Night 2024-11-15, production one: " not in done.stdout:
        raise SystemExit(f"osa status ended with {done.returncode}: {done.stdout[-500:]}")
    return elapsed, _children_cpu_s() - before


def _children_cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _lines(results: Sequence[dict[str, Any]]) -> Iterator[str]:
    for one in results:
        yield ", ".join(f"{name} {value}" for name, value in one.items())


if __name__ == "__main__":
    main()
