"""``python -m tests.simulation --nights 100000 --json``: play simulated nights on all cores; a seed replays its night."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

from tests.simulation.nights import Night

CHUNK = 250
SHOWN = 20


def play(first: int, count: int) -> dict[str, object]:
    """Some nights, one after the other: what they came to together, and the seeds of those in trouble."""
    nights = [Night(seed).play() for seed in range(first, first + count)]
    return {
        "crashes": sum(night.crashes for night in nights),
        "sbatch_calls": sum(night.sbatch for night in nights),
        "turns": sum(night.turns for night in nights),
        "trouble": {night.seed: night.trouble for night in nights if night.trouble},
    }


def simulate(first: int, count: int, workers: int) -> dict[str, object]:
    """Nights `first` to `first + count`, on several cores."""
    total: dict[str, int] = {"crashes": 0, "sbatch_calls": 0, "turns": 0}
    trouble: dict[int, list[str]] = {}
    with ProcessPoolExecutor(workers) as pool:
        starts, sizes = zip(*_chunks(first, count), strict=True)
        for part in pool.map(play, starts, sizes):
            trouble |= part.pop("trouble")  # type: ignore[arg-type]
            total = {name: total[name] + part[name] for name in total}  # type: ignore[operator]
    return {"nights": count, "first_seed": first, **total, "in_trouble": len(trouble), "trouble": trouble}


def _chunks(first: int, count: int) -> Iterator[tuple[int, int]]:
    for start in range(first, first + count, CHUNK):
        yield start, min(CHUNK, first + count - start)


def main() -> int:
    """The command; exit code 1 if a night went wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--nights", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0, help="the first seed; with --nights 1 it replays one night")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    result = simulate(asked.first, asked.nights, asked.workers)
    trouble = result.pop("trouble")
    assert isinstance(trouble, dict)
    if asked.json:
        print(json.dumps({**result, "trouble": dict(list(trouble.items())[:SHOWN])}, indent=1))
    else:
        print(", ".join(f"{name} {value}" for name, value in result.items()))
        for seed, what in list(trouble.items())[:SHOWN]:
            print(f"seed {seed}: {'; '.join(what[:3])}")
    return 1 if trouble else 0


if __name__ == "__main__":
    sys.exit(main())
