"""A campaign in the SLURM engine's simulation: its process and its engines killed and stopped again and again, until all nights are closed.

``python -m tests.drills.campaign_simulation --nights 200 --subruns 1000 --seed 1 --json [--plot FILE]``; with ``--campaigns N`` N of them,
by the seeds from ``--seed`` on. The same arguments play the same campaign again.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import quantiles
from typing import Any

from tests.simulation.campaign import Campaign, Result

SHOWN = 20
FROM_NIGHTS = 100
GROWTH = 1.1
"""Memory of so many nights counts as flat if in the second half of them there are at most so many more live objects.

By the lowest tenths, which what is kept for ever would raise as well: the others, and the resident memory, which follows the largest,
are of times when many nights happen to be half done.
"""


def play(asked: argparse.Namespace, seed: int) -> Result:
    """One campaign by its seed."""
    with tempfile.TemporaryDirectory(prefix="osa-campaign-") as base:
        return Campaign(Path(base), asked.nights, asked.subruns, seed, asked.points, asked.nights_in_flight).play()


def told(result: Result) -> dict[str, Any]:
    """For a program to read: of the memory the ends, the largest, and some points between."""
    memory = [asdict(one) for one in result.memory]
    rss = _halves(max, [one.rss_mb for one in result.memory])
    objects = _halves(_lowest_tenth, [one.objects for one in result.memory])
    flat = len(memory) < FROM_NIGHTS or objects["growth"] <= GROWTH
    return {
        **vars(result),
        "good": flat and not result.trouble,
        "trouble": result.trouble[:SHOWN],
        "memory": {
            "flat": flat,
            "most_rss_mb": rss,
            "least_objects": objects,
            "series": memory[:: max(1, len(memory) // 20)],
        },
    }


def _lowest_tenth(sizes: Sequence[float]) -> float:
    return quantiles(sizes, n=10)[0] if len(sizes) > 1 else min(sizes)


def _halves(of: Callable[[Sequence[float]], float], sizes: Sequence[float]) -> dict[str, float]:
    """What the first half of the nights comes to, and the second."""
    half = len(sizes) // 2
    if not half:
        return {"growth": 1.0}
    first, second = of(sizes[:half]), of(sizes[half:])
    return {"first_half": first, "second_half": second, "growth": round(second / first, 2)}


def plot(result: Result, path: Path) -> None:
    """Memory after each night, as a picture."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 3.6), layout="constrained")
    nights = [one.night for one in result.memory]
    axes.plot(nights, [one.rss_mb for one in result.memory], ".", markersize=3, color="C0", label="resident memory")
    axes.set(xlabel="nights closed", ylabel="resident memory (MB)", ylim=(0, None))
    beside = axes.twinx()
    thousands = [one.objects / 1000 for one in result.memory]
    beside.plot(nights, thousands, ".", markersize=3, color="C1", label="live objects")
    beside.set(ylabel="live objects (thousands)", ylim=(0, None))
    axes.set_title(
        f"{result.nights} nights of {result.subruns} subruns, {sum(result.hurt.values())} kills, stops and pauses",
        fontsize=10,
    )
    figure.legend(loc="lower right", bbox_to_anchor=(0.9, 0.2), markerscale=4)
    figure.savefig(path, dpi=110, metadata={"Software": None})


def main() -> int:
    """The command; exit code 1 if a campaign went wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.drills.campaign_simulation", description=__doc__)
    parser.add_argument("--nights", type=int, default=20)
    parser.add_argument("--subruns", type=int, default=100, help="of each night, in five runs")
    parser.add_argument("--points", type=int, default=1, help="productions of each night")
    parser.add_argument("--nights-in-flight", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--campaigns", type=int, default=1, help="so many, by as many seeds")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--plot", type=Path, help="where to put the picture of the memory")
    asked = parser.parse_args()
    bad = 0
    for seed in range(asked.seed, asked.seed + asked.campaigns):
        began = time.process_time()
        result = play(asked, seed)
        data = {**told(result), "cpu_s": round(time.process_time() - began, 1)}
        bad += not data["good"]
        if asked.plot:
            plot(result, asked.plot)
        if asked.json:
            print(json.dumps(data), flush=True)
        elif asked.campaigns == 1 or not data["good"]:
            print("\n".join(f"{name}: {value}" for name, value in data.items()), flush=True)
    if not asked.json:
        print(f"{asked.campaigns} campaigns, {bad} in trouble")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
