"""Fake nights: a site on disk with raw files of a few bytes, steps that only pretend, and the real luigi over them."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import luigi
import luigi.configuration
from luigi.task_register import Register

from osa_luigi.batch.command import OsaFactory
from osa_luigi.batch.executor import Executor
from osa_luigi.batch.job import Event, Job
from osa_luigi.config import load
from osa_luigi.night import STREAMS, compact, raw_name
from osa_luigi.products.attempts import read_records
from osa_luigi.products.production import Production
from osa_luigi.tasks import opening as sessions
from osa_luigi.tasks.night import NightTask

DAY = date(2024, 11, 15)
RUNS = ((2001, "DRS4", 1), (2002, "PEDCALIB", 1), (2003, "DATA", 2), (2004, "DATA", 1))
"""Run, type, subruns of the smallest night that has everything."""

LSTOSA_DAY = date(2020, 1, 17)
LSTOSA_RUNS = (
    *((1803, "DRS4", 1), (1804, "DRS4", 1), (1805, "PEDCALIB", 1), (1806, "PEDCALIB", 1)),
    *((1807, "DATA", 11), (1808, "DATA", 9), (1809, "PEDCALIB", 1)),
)
"""The night that LSTOSA's own tests go by."""

MAIN: dict[str, Any] = {
    "site": {"name": "test", "base": "data"},
    "procedures": ["procedures.yaml"],
    "default_procedure": "fake",
    "executor": {"local": {"cores": 2, "memory_mb": 1_000_000}},
    "report": {"after_closing": False},  # it takes longer than such a night
}
MODELS = "models/nsb_tuning_0.14/dec_2276"
FAKE: dict[str, Any] = {
    "name": "fake",
    "production_id": "fake",
    "dl2": {"models": MODELS},
    "fake": {"duration_s": 0, "size_kb": 0},
}
REAL: dict[str, Any] = {"name": "real", "production_id": "real", "dl2": {"models": MODELS}}
PROCESSED = 127
"""``evb_preprocessing`` of data that the event builder calibrated."""


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Nested settings with some of them changed."""
    result = dict(base)
    for key, value in changes.items():
        both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = merged(result[key], value) if both else value
    return result


@dataclass
class FakeSite:
    """A folder with ``main.yaml``, ``procedures.yaml`` and a data tree."""

    folder: Path
    main: dict[str, Any] = field(default_factory=lambda: MAIN)
    procedures: dict[str, dict[str, Any]] = field(default_factory=lambda: {"fake": FAKE, "real": REAL})

    @property
    def config(self) -> Path:
        """The main configuration's file."""
        return self.folder / "main.yaml"

    @property
    def data(self) -> Path:
        """Root of the data tree."""
        return self.folder / "data"

    def set(self, procedure: str = "fake", **changes: Any) -> None:
        """Change settings of a procedure."""
        self.procedures = {**self.procedures, procedure: merged(self.procedures[procedure], changes)}
        self.write()

    def set_main(self, **changes: Any) -> None:
        """Change settings of the site."""
        self.main = merged(self.main, changes)
        self.write()

    def write(self) -> None:
        """Write the configuration; JSON is YAML."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.config.write_text(json.dumps(self.main, indent=1))
        (self.folder / "procedures.yaml").write_text(
            json.dumps({"procedures": list(self.procedures.values())}, indent=1)
        )

    def summary(self, *runs: tuple[Any, ...], day: date = DAY) -> Path:
        """The run summary: runs as (run, type, subruns) or (run, type, subruns, preprocessing)."""
        from astropy.table import Table

        path = self.data / "monitoring" / "RunSummary" / f"RunSummary_{compact(day)}.ecsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        table = Table(
            rows=[
                (run, n, kind, "R1v1.Event", *(more or (0,)), -1, -1, -1, -1, -1, 0, "None")
                for run, kind, n, *more in runs
            ],
            names=(
                "run_id",
                "n_subruns",
                "run_type",
                "data_format",
                "evb_preprocessing",
                "ucts_timestamp",
                "run_start",
                "dragon_reference_time",
                "dragon_reference_module_id",
                "dragon_reference_module_index",
                "dragon_reference_counter",
                "dragon_reference_source",
            ),
            meta={"date": day.isoformat()},
        )
        table.write(path, format="ascii.ecsv", delimiter=",", overwrite=True)
        return path

    def raw(self, run: int, subrun: int, streams: tuple[int, ...] = STREAMS, day: date = DAY) -> None:
        """Raw files of a subrun."""
        folder = self.data / "R0" / compact(day)
        folder.mkdir(parents=True, exist_ok=True)
        for stream in streams:
            (folder / raw_name(run, subrun, stream)).write_bytes(b"raw")

    def night(self, *runs: tuple[Any, ...], day: date = DAY) -> None:
        """Run summary and raw files of a night."""
        self.summary(*(runs or RUNS), day=day)
        for run, _, subruns, *_ in runs or RUNS:
            for subrun in range(subruns):
                self.raw(run, subrun, day=day)

    def foreign(self) -> None:
        """What the real steps of a night take from elsewhere; only planned with, so a few bytes will do."""
        cat_a = self.data / "monitoring" / "PixelCalibration" / "Cat-A"
        for path in (
            cat_a / "drs4_time_sampling_from_FF" / "20200101" / "pro" / "time_calibration.Run00100.0000.h5",
            cat_a / "ffactor_systematics" / "20200101" / "pro" / "ffactor_systematics_20200101.h5",
            self.data / "monitoring" / "DrivePositioning" / f"DrivePosition_log_{compact(DAY)}.txt",
            self.data / "models" / "nsb_tuning_0.14" / "dec_2276" / "reg_energy.sav",
            self.data / "models" / "nsb_tuning_0.22" / "dec_2276" / "reg_energy.sav",
        ):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(path.parent.parent.name)

    def production(self, production: str = "fake", day: date = DAY) -> Production:
        """The production of a night."""
        return Production(self.data / "running_analysis" / compact(day) / production)

    def attempts(self, production: str = "fake") -> list[dict[str, Any]]:
        """The exit records of all attempts, in the order in which they started."""
        records = read_records(self.production(production)).values()
        return sorted((dict(one) for of_step in records for one in of_step), key=lambda one: one["started"])

    def made(self, production: str = "fake") -> list[str]:
        """``<step>.<unit>`` of all attempts that made something, sorted."""
        return sorted(f"{one['step']}.{one['unit']}" for one in self.attempts(production) if one["outcome"] == "made")

    def reasons(self, production: str = "fake") -> dict[str, str]:
        """``<step>.<unit>`` of all attempts that failed → why."""
        attempts = self.attempts(production)
        return {f"{one['step']}.{one['unit']}": one["reason"] for one in attempts if one["outcome"] == "failed"}

    def loosen(self, production: str = "fake", day: date = DAY) -> Production:
        """Everything that was archived as files again, as an earlier version left them."""
        place = self.production(production, day)
        for path in place.archives.glob("*.zip"):
            with ZipFile(path) as bundle:
                for member in bundle.namelist():
                    kind, _, name = member.partition("/")
                    folder = place.state / kind / path.name.partition(".")[0]
                    folder.mkdir(parents=True, exist_ok=True)
                    (folder / name).write_bytes(bundle.read(member))
            path.unlink()
        return place

    def is_closed(self, production: str = "fake") -> bool:
        """Whether the night's marker is there."""
        return (self.production(production).root / "NightFinished.txt").exists()

    def copy(self, folder: Path) -> FakeSite:
        """The same site elsewhere, with all that was made; the engine that works on this one has nothing to do with it."""
        shutil.copytree(self.folder, folder, ignore=shutil.ignore_patterns("engine"))
        return FakeSite(folder, self.main, self.procedures)


def new_process(config: Path) -> None:
    """Forget what a process remembers of nights, as if it were a new one that is given this configuration."""
    sessions.forget_sessions()
    Register.clear_instance_cache()
    luigi.configuration.get_config().set("osa_luigi", "config", str(config))


def run_night(site: FakeSite, day: date = DAY, **parameters: str) -> Any:
    """Run a night through luigi in this process; returns luigi's result."""
    new_process(site.config)
    task = NightTask(date=day, **parameters)
    return luigi.build(
        [task], local_scheduler=True, worker_scheduler_factory=OsaFactory(), detailed_summary=True, log_level="INFO"
    )


class Borrowed:
    """A pool that many nights of a test session use, one after the other: to start one takes longer than a fake night.

    Closing it waits for what still rides along, so that nothing of a night is heard in the next one.
    """

    def __init__(self, pool: Executor) -> None:
        self._pool = pool
        self._jobs: dict[str, Job] = {}
        self._riding: set[tuple[str, str]] = set()

    @property
    def capacity(self) -> int:
        return self._pool.capacity

    def submit(self, jobs: Sequence[Job]) -> None:
        self._jobs |= {job.name: job for job in jobs}
        self._pool.submit(jobs)

    def poll(self, timeout_s: float) -> list[Event]:
        events = self._pool.poll(timeout_s)
        for event in events:
            self._note(event)
        return events

    def _note(self, event: Event) -> None:
        if event.kind == "done":
            self._riding |= {(event.job, call.name) for call in self._jobs.pop(event.job).riders}
        elif event.kind == "given up":
            del self._jobs[event.job]
        else:
            ended = {(event.job, event.call)} if event.kind in ("made", "failed") else set()
            self._riding -= ended

    def close(self) -> None:
        while self._jobs or self._riding:
            self.poll(1)


def environment(site: FakeSite) -> dict[str, str]:
    """For luigi's own command on this site, in a process of its own."""
    return {**os.environ, "OSA_CONFIG": str(site.config), "LUIGI_CONFIG_PATH": str(site.folder / "luigi.cfg")}


def plan_of(site: FakeSite, procedure: str = "real", day: date = DAY) -> Any:
    """The plan of a night, without running anything."""
    configuration = load(site.config, procedure)
    return sessions.open_session(site.config, day, configuration.procedure.production_id, procedure).plan
