"""What a simulated campaign is made of: a site with raw folders and a library, the jobs of a night, what these are like."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any

from osa_luigi.batch.slurm.model import Wish
from osa_luigi.batch.slurm.policies import Asked
from osa_luigi.config.main_schema import STEPS
from osa_luigi.night.dates import compact
from tests.simulation.world import Nature

NAME = "all"
FIRST = date(2024, 1, 1)
RUNS = 5
ASKED = Asked(memory_mb=2000, time_limit_s=600.0)


def write_site(base: Path, nights: int, points: int, nights_in_flight: int) -> Path:
    """A site with a raw folder for each night, and the campaign."""
    for number in range(nights):
        folder = base / "R0" / compact(FIRST + timedelta(days=number))
        folder.mkdir(parents=True)
        (folder / "raw").touch()
    main = {
        "site": {"name": "simulated", "base": str(base), "paths": {"r0": str(base / "R0")}},
        "procedures": ["library.json"],
        "default_procedure": "fake",
        "resources": {name: {"memory_mb": 300} for name in STEPS},
    }
    fake = {"name": "fake", "production_id": "fake", "dl2": {"models": "models"}, "fake": {}}
    campaign: dict[str, Any] = {
        "name": NAME,
        "type": "campaign",
        "reconstruction": "fake",
        "dates": [{"first": FIRST.isoformat(), "last": (FIRST + timedelta(days=nights - 1)).isoformat()}],
        "nights_in_flight": nights_in_flight,
    }
    if points > 1:
        key = ["dl1ab", "tailcuts", "picture_thresh"]
        campaign["grid"] = [{"key": key, "values": [8 + number for number in range(points)]}]
    (base / "library.json").write_text(json.dumps({"procedures": [fake, campaign]}))
    (base / "site.json").write_text(json.dumps(main))
    return base / "site.json"


def wishes_of(label: str, subruns: int) -> list[Wish]:
    """Subruns in runs, a merge of each run, and the closing."""
    wishes: list[Wish] = []
    merges = []
    for run in range(1, RUNS + 1):
        names = [f"{label}.dl1.{run}.{number}" for number in range(subruns // RUNS)]
        wishes += [Wish(name, f"Run{run}.dl1", "dl1", ASKED, index=index) for index, name in enumerate(names)]
        merges.append(Wish(f"{label}.merge.{run}", "merge", "merge", ASKED, after=tuple(names)))
    after = tuple(wish.name for wish in merges)
    return [*wishes, *merges, Wish(f"{label}.close", "close", "close", ASKED, after=after)]


def some_nature(random: Random) -> Nature:
    """Within what the policies let a job grow to, also two in an element: nobody here raises resources."""
    return Nature(
        duration_s=random.choice([30.0, 100.0, 200.0, 250.0]) if random.random() < 0.98 else 650.0,
        memory_mb=random.choice([2500, 5000]) if random.random() < 0.03 else 1000,
        broken=random.random() < 0.002,
    )
