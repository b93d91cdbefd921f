"""What a look at the queue costs: SLURM's command, and the engine, for elements that wait and elements that have ended.

``python -m benchmarks.looks --waiting 5000 --ended 1000 --json`` has a real SLURM keep so many, and looks again and again.
docs/benchmarks.md says what each figure is.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from osa_luigi.batch.slurm import exchange as ex
from osa_luigi.batch.slurm.adapter import by_name
from osa_luigi.batch.slurm.client import SlurmClient
from osa_luigi.batch.slurm.core import decide
from osa_luigi.batch.slurm.model import ArrayState, Settings, State, Wish
from osa_luigi.batch.slurm.policies import Asked, Policies
from osa_luigi.batch.slurm.recorder import Recorder
from osa_luigi.batch.slurm.snapshot import SharedSnapshot
from tests.cluster import Cluster

LOOKS = 20
RUN = 152
"""Subruns of a run, each an element of its array."""

ENDED_WITHIN_S = 240.0
"""SLURM shows what has ended for five minutes."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Fill a queue, look at it, print."""
    asked = parse(arguments)
    settings = Settings("osa.benchmark", 1, Policies())
    with Cluster(nodes=4, cpus=64, memory_mb=4_000_000) as cluster, tempfile.TemporaryDirectory() as folder:
        state = submitted(State(settings), cluster, asked.ended, "ended", "true")
        until_ended(cluster, asked.ended)
        state = submitted(state, cluster, asked.waiting, "waiting", "true", "--begin=now+1day")
        result = {"waiting": asked.waiting, "ended": asked.ended, **measure(state, cluster, Path(folder))}
    print(json.dumps({"results": [result]}, indent=1) if asked.json else "\n".join(_lines(result)))


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.looks", description=__doc__)
    parser.add_argument("--waiting", type=int, default=5000, help="elements that wait")
    parser.add_argument("--ended", type=int, default=1000, help="elements that SLURM still shows after their end")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    return parser.parse_args(arguments)


def submitted(state: State, cluster: Cluster, count: int, group: str, command: str, *options: str) -> State:
    """The engine's state with so many more elements, which SLURM has."""
    asked = Asked(memory_mb=100, time_limit_s=600.0)
    wishes = [Wish(f"{group}.{n}", f"{group}.{n // RUN}", "r0_to_dl1", asked, n % RUN) for n in range(count)]
    state, _ = decide(state, ex.Wanted(0.0, tuple(wishes)))
    state, commands = decide(state, ex.Tick(0.0))
    for array in (state.arrays[one.array] for one in commands if isinstance(one, ex.Submit)):
        state, _ = decide(state, ex.Sent(0.0, array.name, hand_in(cluster, array, command, *options)))
    return state


def hand_in(cluster: Cluster, array: ArrayState, command: str, *options: str) -> int:
    """Have SLURM take an array; its id."""
    words = ("sbatch", "--parsable", "--partition=long", "--mem=100", "--output=/dev/null", f"--wrap={command}")
    indices = f"--array=0-{len(array.elements) - 1}"
    done = subprocess.run(
        [*words, *options, indices, f"--job-name={array.name}"],
        env=cluster.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout)


def until_ended(cluster: Cluster, count: int) -> None:
    """Wait for elements to end."""
    until = time.monotonic() + ENDED_WITHIN_S
    while len(cluster.ask("squeue", "-h", "-r", "-t", "COMPLETED", "-o", "%i").splitlines()) < count:
        if time.monotonic() > until:
            raise SystemExit(f"{count} jobs did not end within {ENDED_WITHIN_S:.0f} s")
        time.sleep(1)


def measure(state: State, cluster: Cluster, folder: Path) -> dict[str, Any]:
    """Medians of CPU times, in ms, of all looks but the first; the queue stays as it is."""
    client = SlurmClient(environment=cluster.environment)
    shared = SharedSnapshot(client, folder / "shared", 0.0)
    record = Recorder(folder / "events.jsonl", state.settings)
    spent: dict[str, list[float]] = {"squeue_ms": [], "read_ms": [], "decide_ms": [], "record_ms": []}
    for look in range(LOOKS + 1):
        clocks = [_clock_ms()]
        queue = by_name(shared.get(time.time()).sightings)
        clocks.append(_clock_ms())
        event = ex.Polled(30.0 * look, notes(state) if look == 0 else (), 30.0 * look, queue)
        state, commands = decide(state, event)
        clocks.append(_clock_ms())
        record(event, commands)
        clocks.append(_clock_ms())
        if look:
            spent["squeue_ms"].append(clocks[1][1] - clocks[0][1])
            for name, before, after in zip(list(spent)[1:], clocks, clocks[1:], strict=False):
                spent[name].append(after[0] - before[0])
    medians = {name: round(statistics.median(found), 2) for name, found in spent.items()}
    lines = client.queue_text().count("\n")
    return {**medians, "lines": lines, "looks": LOOKS, "load": round(os.getloadavg()[0], 1)}


def notes(state: State) -> tuple[ex.Note, ...]:
    """The records of all that ended."""
    ended = [array for array in state.arrays.values() if array.group.startswith("ended")]
    return tuple(
        ex.Note(array.name, index, job)
        for array in ended
        for index, held in array.elements.items()
        for job in held.jobs
    )


def _clock_ms() -> tuple[float, float]:
    """CPU of this process, and of the commands that it started."""
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    used = [resource.getrusage(kind) for kind in kinds]
    own, others = (1000 * (usage.ru_utime + usage.ru_stime) for usage in used)
    return own, others


def _lines(result: dict[str, Any]) -> Iterator[str]:
    for name, value in result.items():
        yield f"{name}: {value}"


if __name__ == "__main__":
    main()
