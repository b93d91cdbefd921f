"""What the engine itself costs for a night's jobs on a real SLURM, beside what its peers cost.

``python -m benchmarks.engine --tasks 1000,5000,20000 --json`` measures osa_luigi; with ``--tool osa_luigi,b2luigi,law,luigi_wait``
the peers, too, each at the sizes that it manages. Every measurement has a private SLURM (with accounting) and a luigid of its own.
docs/benchmarks.md says what each figure is.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.calls import ALL_JOBS, Calls, Jobs, lay_wrappers, read_calls, read_jobs, summed
from benchmarks.measure import Usage, central_scheduler, measure
from benchmarks.peers import Tool, Work
from benchmarks.peers.environments import ROOT
from benchmarks.peers.foreign import PEERS
from benchmarks.peers.osa import Osa
from benchmarks.results import Results, table
from tests.cluster import Cluster
from tests.cluster.available import why_not

TOOLS: dict[str, Tool] = {tool.name: tool for tool in (Osa(), *PEERS)}
NODES = 4
ACCOUNTED_S = 5
"""Until the accounting knows of the last job."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what is asked for and not yet known, and print it."""
    asked = parse(arguments)
    results = Results(asked.results)
    if reason := why_not():
        sys.exit(f"There can be no SLURM here: {reason}.")
    found = [
        _known_or_new(results, TOOLS[tool], tasks, asked)
        for tool in asked.tool
        for tasks in sizes(TOOLS[tool], asked.tasks, beyond=asked.beyond)
    ]
    print(json.dumps({"results": found}, indent=1) if asked.json else table(found))
    sys.exit(any(not one["finished"] for one in found))


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine", description=__doc__)
    parser.add_argument("--tasks", type=_numbers, default=[1000, 5000, 20000], help="subruns, as 1000,5000")
    parser.add_argument("--tool", type=_tools, default=["osa_luigi"], help=f"of {','.join(TOOLS)}")
    parser.add_argument("--only", choices=TOOLS, help="this tool, whatever --tool says")
    parser.add_argument("--beyond", action="store_true", help="peers at sizes that they are not known to manage, too")
    parser.add_argument("--slots", type=int, default=256, help=f"jobs at a time, on {NODES} virtual nodes")
    parser.add_argument("--seconds", type=float, default=20, help="that the work of a subrun takes")
    parser.add_argument("--subruns-per-job", type=int, default=1, help="of osa_luigi; the peers have a job for each")
    parser.add_argument("--poll", type=float, default=30, help="seconds between two looks at SLURM (a site's: 30)")
    parser.add_argument("--limit", type=float, default=180, help="minutes after which a measurement is ended")
    parser.add_argument("--again", action="store_true", help="measure what the results file has, too")
    parser.add_argument("--results", type=Path, default=ROOT / "engine.json", help="figures are kept here")
    parser.add_argument("--keep", type=Path, help="keep logs and products of each measurement in this folder")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    asked = parser.parse_args(arguments)
    asked.tool = [asked.only] if asked.only else asked.tool
    return asked


def sizes(tool: Tool, tasks: Sequence[int], *, beyond: bool) -> list[int]:
    """Those of the sizes that a tool manages; the most that it does where all are larger."""
    if beyond or tool.at_most is None:
        return list(tasks)
    return [size for size in tasks if size <= tool.at_most] or [tool.at_most]


def _known_or_new(results: Results, tool: Tool, tasks: int, asked: argparse.Namespace) -> dict[str, Any]:
    together = asked.subruns_per_job if tool.joins else 1
    conditions = {"slots": asked.slots, "seconds": asked.seconds, "poll_s": asked.poll, "subruns_per_job": together}
    known = results.find(tool.name, tasks, conditions)
    if known is not None and known["finished"] and not asked.again:
        return known
    print(f"{tool.name}, {tasks} tasks ...", file=sys.stderr)
    new = run(tool, tasks, asked, together)
    results.add(new)
    return new


def run(tool: Tool, tasks: int, asked: argparse.Namespace, subruns_per_job: int = 1) -> dict[str, Any]:
    """Measure one tool at one size, in a folder of its own."""
    folder = Path(tempfile.mkdtemp(prefix="osa-bench-"))
    work = Work(tasks, asked.seconds, asked.slots, asked.poll, folder, subruns_per_job)
    try:
        return _measured(tool, work, asked.limit * 60)
    finally:
        if asked.keep:
            shutil.copytree(folder, asked.keep / f"{tool.name}-{tasks}", dirs_exist_ok=True, symlinks=True)
        shutil.rmtree(folder, ignore_errors=True)


def _measured(tool: Tool, work: Work, limit_s: float) -> dict[str, Any]:
    tool.prepare(work)
    # Memory is there for any step that asks: it is slots that are to be short. A site's jobs take no CPU from its engine.
    cpus = -(-work.slots // NODES)
    with Cluster(nodes=NODES, cpus=cpus, memory_mb=4_000_000, accounting="dbd", polite=True) as cluster:
        log = work.folder / "calls.txt"
        wrappers = work.folder / "wrappers"
        lay_wrappers(wrappers, log, cluster.environment["PATH"])
        environment = {**cluster.environment, **tool.environment(work), "TMPDIR": str(work.folder)}
        environment["PATH"] = os.pathsep.join((str(wrappers), str(tool.luigid().parent), environment["PATH"]))
        with central_scheduler(tool.luigid(), environment, work.folder) as (luigid, port):
            usage = measure(tool.command(work, port), environment, work.folder, luigid, limit_s)
        time.sleep(ACCOUNTED_S)
        jobs = read_jobs(cluster.ask(*ALL_JOBS))
    return figures(tool, work, usage, summed(read_calls(log), work.poll_s), jobs)


def figures(tool: Tool, work: Work, usage: Usage, calls: Calls, jobs: Jobs) -> dict[str, Any]:
    """What is printed and kept of a measurement."""
    done = tool.done(work)
    submitted = jobs.submitted(work.jobs)
    trouble = _trouble(work, usage, done, len(jobs.rows))
    first = calls.first_submit
    return {
        "tool": tool.name,
        "tasks": work.tasks,
        "runs": work.runs,
        "sbatch_calls": calls.sbatch_calls,
        "status_calls": calls.status_calls,
        "polls": calls.polls,
        "cpu_ms_per_task": round(1000 * usage.cpu_s / work.tasks, 2),
        "rss_mb": round(usage.rss_mb),
        "luigid_rss_mb": round(usage.luigid_rss_mb),
        "plan_s": None if first is None else round(first - usage.started, 1),
        "submit_s": None if first is None or submitted is None else round(max(0.0, submitted - first), 1),
        "makespan_ratio": round(usage.elapsed_s / work.ideal_s, 2),
        "pss_mb": round(usage.pss_mb),
        "processes": usage.processes,
        "luigid_cpu_ms_per_task": round(1000 * usage.luigid_cpu_s / work.tasks, 2),
        "elapsed_s": round(usage.elapsed_s, 1),
        "ideal_s": round(work.ideal_s, 1),
        "slots": work.slots,
        "seconds": work.seconds,
        "poll_s": work.poll_s,
        "subruns_per_job": work.subruns_per_job,
        "done": done,
        "jobs": jobs.states(),
        "exit_code": usage.exit_code,
        "finished": not trouble,
        "version": tool.version(),
        "date": datetime.now(UTC).date().isoformat(),
        "note": "; ".join([*trouble, tool.why]),
    }


def _trouble(work: Work, usage: Usage, done: int, jobs: int) -> list[str]:
    trouble = []
    if usage.cut:
        trouble.append(f"ended after {usage.elapsed_s / 60:.0f} min, when its time was up: CPU is too low")
    elif usage.exit_code:
        trouble.append(f"exit code {usage.exit_code}, its log says `{last_words(work.folder / 'engine.log')}`")
    if done < work.tasks:
        trouble.append(f"{done} of {work.tasks} tasks done")
    if jobs < work.jobs:
        trouble.append(f"only {jobs} jobs came to SLURM")
    return trouble


def last_words(log: Path) -> str:
    """The last line of a log that names an error, or else its last one; cut to a readable length."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if "Error" in line]
    return (errors or lines or [""])[-1][:200]


def _numbers(text: str) -> list[int]:
    numbers = [int(word) for word in text.split(",")]
    if min(numbers) < 1:
        raise argparse.ArgumentTypeError("at least 1 task")
    return numbers


def _tools(text: str) -> list[str]:
    names = text.split(",")
    if unknown := [name for name in names if name not in TOOLS]:
        raise argparse.ArgumentTypeError(f"no such tool: {', '.join(unknown)}; there are {', '.join(TOOLS)}")
    return names


if __name__ == "__main__":
    main()
