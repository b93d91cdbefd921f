"""Who handed what to SLURM, and whether an earlier element for the same job might still run then.

Three sources, none of them the engine's own opinion: what a wrapper of sbatch wrote down, what SLURM itself says of every element,
and the intents in the journal, for which jobs an element stands.
"""

from __future__ import annotations

import fnmatch
import json
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path

from osa_luigi.products.production import Production
from tests.cluster import Cluster
from tests.cluster.daemons import search_path
from tests.drills.arrays import array_file, array_files, array_names

WRAPPER = Path(__file__).with_name("sbatch.sh")
FIELDS = ("ArrayJobID", "ArrayTaskID", "State", "SubmitTime", "EndTime", "Name")
ENDED = (
    "COMPLETED",
    "CANCELLED",
    "FAILED",
    "TIMEOUT",
    "OUT_OF_MEMORY",
    "NODE_FAIL",
    "BOOT_FAIL",
    "DEADLINE",
    "PREEMPTED",
)


@dataclass(frozen=True)
class Submission:
    """One job that SLURM accepted. Times: s since 1970."""

    at: float
    engine: int
    job: int
    name: str


@dataclass(frozen=True)
class Lived:
    """An element, as SLURM last knew it."""

    job: int
    name: str
    index: int
    submitted: float
    until: float


class Submissions:
    """Of one night.

    Parameters
    ----------
    folder
        For the wrapper and what it writes.
    """

    def __init__(self, cluster: Cluster, production: Production, folder: Path) -> None:
        self._cluster = cluster
        self._production = production
        self._folder = folder
        (folder / "bin").mkdir(parents=True)
        shutil.copy(WRAPPER, folder / "bin" / "sbatch")
        (folder / "bin" / "sbatch").chmod(0o755)

    @property
    def go(self) -> Path:
        """Made, it opens the trap "gate"."""
        return self._folder / "go"

    def environment(self, trap: str) -> dict[str, str]:
        """For an engine."""
        return {
            "PATH": f"{self._folder / 'bin'}:{search_path()}",
            "OSA_DRILL_SBATCH": str(shutil.which("sbatch", path=search_path())),
            "OSA_DRILL_FOLDER": str(self._folder),
            "OSA_DRILL_TRAP": trap,
        }

    def trapped(self) -> int:
        """How often a trap closed."""
        return len(self._lines("trapped"))

    def logged(self) -> list[Submission]:
        """What the wrapper saw."""
        words = (line.split() for line in self._lines("submitted"))
        return [
            Submission(float(at), int(engine), int(job.partition(";")[0]), name) for at, engine, job, name, _ in words
        ]

    def twice(self) -> list[str]:
        """Jobs that were handed in while an earlier element for them might run; a line each."""
        lived = self._lived()
        return [
            f"{job}: handed in with {new.name} ({new.job}) while {old.name} ({old.job}_{old.index}) was there"
            for new in self._accepted(lived)
            for old in lived
            if old.job != new.job and old.submitted <= new.at < old.until
            for job in sorted(self.jobs(old.name, old.index) & self._all_jobs(new.name))
            if not self._has_said_its_end(old, new.at)
        ]

    def jobs(self, name: str, index: int) -> set[str]:
        """What an element stands for."""
        intent = self._intent(name)
        return set(intent.get(str(index), ()))

    def _all_jobs(self, name: str) -> set[str]:
        return {job for jobs in self._intent(name).values() for job in jobs}

    def _intent(self, name: str) -> dict[str, list[str]]:
        if name not in self._intents:
            intent = array_file(self._production, name, "intent.json")
            assert intent is not None, f"{name}: SLURM had it, and no intent says what for"
            self._intents[name] = json.loads(intent)["elements"]
        return self._intents[name]

    @cached_property
    def _intents(self) -> dict[str, dict[str, list[str]]]:
        return {}

    def _has_said_its_end(self, old: Lived, at: float) -> bool:
        """Whether its own record of its end lay there."""
        records = fnmatch.filter(array_files(self._production, old.name), f"records/{old.index}.*.ended.json")
        found = (array_file(self._production, old.name, record) for record in records)
        return any(datetime.fromisoformat(json.loads(text)["at"]).timestamp() <= at for text in found if text)

    def _accepted(self, lived: Iterable[Lived]) -> list[Submission]:
        """What the wrapper saw, and what only SLURM knows, where sbatch was killed before it could say so."""
        logged = self.logged()
        known = {one.job for one in logged}
        unsaid = {one.job: Submission(one.submitted, 0, one.job, one.name) for one in lived if one.job not in known}
        return [*logged, *unsaid.values()]

    def _lived(self) -> list[Lived]:
        layout = ",".join(f"{field}:0|" for field in FIELDS)
        said = self._cluster.ask("squeue", "-h", "-r", "-t", "all", "-O", layout)
        mine = array_names(self._production)
        first = {one.job: one.at for one in self.logged()}  # a requeue counts for SLURM as another submission
        found = (one for one in _read(said) if one.name in mine)
        return [replace(one, submitted=first.get(one.job, one.submitted)) for one in found]

    def _lines(self, name: str) -> list[str]:
        path = self._folder / name
        return path.read_text().splitlines() if path.exists() else []


def _read(said: str) -> Iterator[Lived]:
    for line in said.splitlines():
        words = line.split("|")
        if len(words) < len(FIELDS):
            continue  # the rest of a foreign job's name, which may hold a line break
        job, index, state, submitted, end, name = words[: len(FIELDS)]
        if index.isdecimal():
            until = _time(end) if state in ENDED else float("inf")
            yield Lived(int(job), name, int(index), _time(submitted), until)


def _time(text: str) -> float:
    """SLURM's time of day, of which it tells whole seconds; what never was is before everything."""
    return 0.0 if text in ("N/A", "Unknown", "None") else datetime.fromisoformat(text).astimezone().timestamp()
