"""A private SLURM by hand: ``python -m tests.cluster up``, and ``down``."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.cluster import Cluster
from tests.cluster.available import why_not


def main() -> None:
    """Bring a cluster up that stays, or take it down."""
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__)
    parser.add_argument("action", choices=("up", "down"))
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "osa-slurm")
    parser.add_argument("--nodes", type=int, default=4)
    parser.add_argument("--cpus", type=int, default=8, help="of each node")
    parser.add_argument("--memory-mb", type=int, default=6000, help="of each node")
    parser.add_argument("--accounting", choices=("light", "dbd"), default="light")
    parser.add_argument("--memory", choices=("none", "poll", "cgroup"), default="none", help="who ends greedy jobs")
    parser.add_argument("--keep", action="store_true", help="down: keep the folder, for another up")
    asked = parser.parse_args()
    if asked.action == "down":
        Cluster(folder=asked.folder).stop(wipe=not asked.keep)
        return
    if reason := why_not():
        sys.exit(f"There can be no SLURM here: {reason}.")
    cluster = Cluster(
        asked.nodes, asked.cpus, asked.memory_mb, asked.accounting, asked.memory, folder=asked.folder, lasting=True
    )
    cluster.start()
    print(f"export SLURM_CONF={cluster.environment['SLURM_CONF']}")


if __name__ == "__main__":
    main()
