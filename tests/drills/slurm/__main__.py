"""Nights on a real, private SLURM, hurt in every way that we know of, each brought to its end by the same command.

``python -m tests.drills.slurm --json [--only NAME …] [--points N] [--quick] [--results FILE]``. Fake steps,
luigi's own command. What is done is kept in the file of results, line by line: started again with the same file, it goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.cluster.available import why_not
from tests.drills.slurm import engines, faults
from tests.drills.slurm.night import Outcome

Run = Callable[[Path, Outcome, random.Random, int], None]


@dataclass(frozen=True)
class Drill:
    """How often by default, how often if it is to be quick, and how many of these on one cluster."""

    run: Run
    runs: int
    quick: int = 1
    per_unit: int = 1


DRILLS: dict[str, Drill] = {
    "engine killed": Drill(engines.engine_killed, 200, 3, engines.KILLS),
    "luigid killed": Drill(engines.luigid_killed, 50, 2, engines.KILLS),
    "slurmctld stopped": Drill(faults.on_slurm(faults.stopped, "gate:2:0"), 5),
    "slurmctld killed": Drill(faults.on_slurm(faults.controller_killed), 5),
    "slurmctld restarted": Drill(faults.on_slurm(faults.controller_restarted), 5),
    "node killed": Drill(faults.on_slurm(faults.node_killed), 5),
    "scancel": Drill(faults.on_slurm(faults.cancelled), 5),
    "out of memory": Drill(faults.out_of_memory, 4, 1, 2),
    "time limit": Drill(faults.time_limit, 3),
    "requeue": Drill(faults.on_slurm(faults.requeued), 5),
    "two engines": Drill(engines.two_engines, 50, 2, engines.KILLS),
    "luigid": Drill(engines.luigid_cases, 3, 3, 3),
}


def units(name: str, runs: int, seed: int) -> Iterator[tuple[Outcome, int]]:
    """The parts of a drill that are done at a time, and the runs of each."""
    per_unit = DRILLS[name].per_unit
    for number in range(-(-runs // per_unit)):
        yield Outcome(name, number, seed), min(per_unit, runs - number * per_unit)


def do(outcome: Outcome, runs: int) -> Outcome:
    """One unit, in a folder that is kept if something was wrong."""
    folder = Path(tempfile.mkdtemp(prefix="osa-drill-"))
    began = time.monotonic()
    chance = random.Random(f"{outcome.seed}:{outcome.drill}:{outcome.number}")
    try:
        DRILLS[outcome.drill].run(folder, outcome, chance, runs)
    except Exception:  # one unit that breaks must not take the others with it
        outcome.troubles.append(traceback.format_exc()[-1000:])
    outcome.seconds = round(time.monotonic() - began, 1)
    if outcome.good:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        outcome.troubles.append(f"kept: {folder}")
    return outcome


def drill(wanted: Iterable[tuple[Outcome, int]], results: Path, jobs: int) -> list[Outcome]:
    """All units that are not done yet, some at a time; with those that are done."""
    todo = list(wanted)
    kept = [Outcome(**json.loads(line)) for line in results.read_text().splitlines()] if results.exists() else []
    places = {(one.drill, one.number, one.seed) for one, _ in todo}
    done = {place: one for one in kept if (place := (one.drill, one.number, one.seed)) in places}
    with ThreadPoolExecutor(jobs) as pool:
        left = [pool.submit(do, one, runs) for one, runs in todo if (one.drill, one.number, one.seed) not in done]
        for future in as_completed(left):
            one = future.result()
            done[one.drill, one.number, one.seed] = one
            with results.open("a") as file:
                file.write(json.dumps(asdict(one)) + "\n")
            print(_line(one), file=sys.stderr, flush=True)
    return list(done.values())


def _line(one: Outcome) -> str:
    verdict = "good" if one.good else "NOT GOOD"
    return f"{one.drill} {one.number}: {one.runs} runs, {one.ended} of {one.nights} nights ended, {one.seconds:.0f} s, {verdict}"


def summary(name: str, outcomes: Iterable[Outcome]) -> dict[str, object]:
    """A drill's figures; those of what must not be are counts of lines."""
    mine = sorted((one for one in outcomes if one.drill == name), key=lambda one: one.number)
    counts = {
        count: sum(len(getattr(one, count)) for one in mine) for count in ("lost", "submitted_twice", "unverified")
    }
    lists = ("lost", "submitted_twice", "unverified", "troubles")
    return {
        "name": name,
        "runs": sum(one.runs for one in mine),
        "nights": sum(one.nights for one in mine),
        **counts,
        "ended": sum(one.ended for one in mine),
        "good": all(one.good for one in mine),
        "details": [line for one in mine for kind in lists for line in getattr(one, kind)],
        "seen": list(dict.fromkeys(line for one in mine for line in one.seen)),
        "seconds": round(sum(one.seconds for one in mine), 1),
    }


def main() -> None:
    """``python -m tests.drills.slurm``."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.drills.slurm", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", action="append", choices=DRILLS, metavar="NAME", help=f"of {', '.join(DRILLS)}")
    parser.add_argument("--points", type=int, help="runs of each drill; default: its own number")
    parser.add_argument("--quick", action="store_true", help="a few of each")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2, help="clusters at a time")
    parser.add_argument("--results", type=Path, help="kept there, and read again; default: a new file")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    asked = parser.parse_args()
    if reason := why_not():
        sys.exit(f"There can be no SLURM here: {reason}.")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    names = asked.only or list(DRILLS)
    numbers = {name: asked.points or (DRILLS[name].quick if asked.quick else DRILLS[name].runs) for name in names}
    wanted = [unit for name in names for unit in units(name, numbers[name], asked.seed)]
    results = asked.results or Path(tempfile.mkdtemp(prefix="osa-drills-")) / "results.jsonl"
    print(f"results: {results}", file=sys.stderr)
    outcomes = drill(wanted, results, asked.jobs)
    told = [summary(name, outcomes) for name in names]
    print(json.dumps({"drills": told}) if asked.json else "\n".join(map(_row, told)))
    sys.exit(0 if all(one.good for one in outcomes) else 1)


def _row(told: dict[str, object]) -> str:
    return "\n".join(f"{name:16} {value}" for name, value in told.items()) + "\n"


if __name__ == "__main__":
    main()
