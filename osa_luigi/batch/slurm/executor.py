"""The cluster executor: one engine for each night that jobs belong to, one look at SLURM for all of them."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Iterable, Sequence
from math import inf
from pathlib import Path

from osa_luigi.batch.job import Event, Job
from osa_luigi.batch.slurm.adapter import NightCluster, SharedCluster
from osa_luigi.batch.slurm.adoption import adopted_accounts
from osa_luigi.batch.slurm.asking import asked_by
from osa_luigi.batch.slurm.engine import Engine
from osa_luigi.batch.slurm.exchange import Tell
from osa_luigi.batch.slurm.files import ProductionFiles
from osa_luigi.batch.slurm.journal import Journal
from osa_luigi.batch.slurm.learned import first_ask, read_needs
from osa_luigi.batch.slurm.model import Settings, Wish
from osa_luigi.batch.slurm.news import News
from osa_luigi.batch.slurm.policies import RETRIES, Asked, Policies
from osa_luigi.batch.slurm.recorder import Recorder
from osa_luigi.batch.slurm.records import output_of
from osa_luigi.batch.slurm.states import Cause
from osa_luigi.batch.slurm.store import FileStore
from osa_luigi.batch.slurm.tenure import Lease
from osa_luigi.batch.slurm.world import World
from osa_luigi.config import SlurmExecutor as SlurmSettings
from osa_luigi.errors import ExecutorError
from osa_luigi.products.disk import disk_trouble
from osa_luigi.products.identity import digest
from osa_luigi.products.production import Production, write_durably
from osa_luigi.steps.call import StepCall

logger = logging.getLogger("luigi-interface")

PAUSE_S = 1.0
"""Between two tries to submit what is ready. Unit: s."""


class SlurmExecutor:
    """Runs jobs as elements of SLURM arrays; the jobs go on when this process ends.

    Parameters
    ----------
    settings
        ``executor.slurm`` of the configuration.
    cache
        Folder for compiled functions, shared by all jobs.
    binds
        Places that jobs in an image must see.
    """

    def __init__(self, settings: SlurmSettings, cache: Path, binds: Sequence[Path] = ()) -> None:
        self._settings = settings
        self._cache = cache
        self._binds = (cache, *binds)
        if settings.environment.image:
            cache.mkdir(parents=True, exist_ok=True)  # only what is there can be shown to an image
        self._cluster = SharedCluster(settings)
        self._nights: dict[Path, _Night] = {}
        self._next_look = 0.0

    @property
    def capacity(self) -> int:
        """Jobs that are worth handing out at a time."""
        return self._settings.in_flight

    def submit(self, jobs: Sequence[Job]) -> None:
        """Take jobs; they go to SLURM at the next poll, together with others that come until then."""
        for root in dict.fromkeys(job.engine or job.production for job in jobs):
            self._night(root).want([job for job in jobs if (job.engine or job.production) == root])

    def poll(self, timeout_s: float) -> list[Event]:
        """What happened since the last call."""
        events = [event for night in self._nights.values() for event in night.submit()]
        if not events:
            time.sleep(max(0.0, min(timeout_s, self._next_look - time.monotonic(), self._rest_s())))
        if time.monotonic() >= self._next_look:
            for night in self._nights.values():
                events += night.look()
            self._next_look = time.monotonic() + self._settings.poll_seconds
        return events

    def close(self) -> None:
        """Let go; jobs on the cluster go on."""

    def _rest_s(self) -> float:
        """For how long nothing is to be submitted; a while also where something is that SLURM does not take. Unit: s."""
        due = min((night.due for night in self._nights.values()), default=inf)
        return max(PAUSE_S, due - time.monotonic())

    def _night(self, root: Path) -> _Night:
        if root not in self._nights:
            try:
                self._nights[root] = _Night(Production(root), self._settings, self._cluster, self._binds)
            except OSError as error:
                what = f"{root}: what an engine writes down there cannot be read or written ({error})."
                then = "What SLURM has goes on; run the night again once that is mended."
                raise ExecutorError(" ".join(filter(None, (what, disk_trouble(root), then)))) from error
        return self._nights[root]


class _Night:
    """One production and its engine."""

    def __init__(
        self, production: Production, settings: SlurmSettings, cluster: SharedCluster, binds: Sequence[Path]
    ) -> None:
        self._jobs: dict[str, Job] = {}
        self._news = News(settings.poll_seconds)
        nights = production.root.parent.parent
        self._learned = nights / ".osa" / "learned.jsonl"
        self._needs = read_needs(self._learned)
        self._first: dict[tuple[str, Asked], Asked] = {}
        lease = Lease(production)
        folder = production.state / "engine"
        journal = Journal(FileStore(folder), {"cache": str(binds[0])})
        others = adopted_accounts(production, cluster.limits)
        self._arrays = folder / "arrays"
        self._night_cluster = NightCluster(cluster, self._arrays, binds, others)
        self._files = ProductionFiles(
            self._arrays,
            (self._learned, production.root.parent.name),
            self._jobs,
            self._night_cluster.write_script,
        )
        engine = engine_settings(settings, production, lease.generation, cluster.max_index)
        watch = Recorder(folder / "events" / f"{lease.generation}.jsonl", engine)
        self._engine = Engine(engine, World(self._night_cluster, self._files, journal, lease, time.monotonic, watch))

    def want(self, jobs: Sequence[Job]) -> None:
        self._jobs |= {job.name: job for job in jobs}
        self._engine.want([self._wish(job) for job in jobs])

    @property
    def due(self) -> float:
        return self._engine.due

    def submit(self) -> list[Event]:
        self._engine.submit()
        return self._events()

    def look(self) -> list[Event]:
        self._engine.look()
        return self._events()

    def _events(self) -> list[Event]:
        for text in self._engine.said:
            logger.warning("%s", text)
        self._engine.said.clear()
        if text := self._news.of(self._engine.silence, time.monotonic()):
            logger.warning("%s", text)
        events = [event for told in self._engine.told if (event := self._event(told))]
        self._engine.told.clear()
        events += [Event(call, "rider failed", call, text) for call, text in self._files.rider_failures]
        self._files.rider_failures.clear()
        return events

    def _event(self, told: Tell) -> Event | None:
        job = self._jobs.get(told.job)
        if job is None:
            return None  # adopted from an earlier engine, and luigi did not ask for it yet
        made = [[call.name, call.key] for call in job.calls] if told.kind == "done" else []
        log = told.log or self._output(told)
        return Event(job.name, told.kind, text=told.text, log=log, record={"made": made}, running=told.running)

    def _output(self, told: Tell) -> str:
        """What its element prints, while it runs: which attempt it is at the engine does not know."""
        job = self._engine.state.jobs.get(told.job)
        if not told.running or job is None or not job.array:
            return ""
        return str(output_of(self._arrays / job.array, job.index))

    def _wish(self, job: Job) -> Wish:
        stage, configured = job.calls[0].step, asked_by(job)
        asked = self._first_ask(stage, configured)
        return Wish(
            name=job.name,
            group=job.group or stage,
            stage=stage,
            asked=asked,
            index=job.index,
            after=job.after,
            riders=tuple(call.name for call in job.riders),
            key=job_key(job.calls),
            configured=None if asked == configured else configured,
        )

    def _first_ask(self, stage: str, configured: Asked) -> Asked:
        """Worked out once for all jobs that ask alike: a night has thousands of them, and so has what was learned."""
        if (stage, configured) not in self._first:
            self._first[stage, configured] = first_ask(self._needs, stage, configured)
        return self._first[stage, configured]


def job_key(calls: Iterable[StepCall]) -> str:
    """Stands for the step keys of a job's calls: two jobs of the same key make the same products."""
    return digest([call.key for call in calls])[:16]


def engine_settings(settings: SlurmSettings, production: Production, generation: int, max_index: int) -> Settings:
    """The engine's settings out of the configuration's."""
    growth = settings.growth
    policies = Policies(
        retries={cause: settings.retries.get(cause, RETRIES[cause]) for cause in Cause},
        memory_factor=growth.memory_factor,
        memory_cap_mb=growth.memory_cap_mb,
        time_factor=growth.time_factor,
        time_cap_s=None if growth.time_cap_minutes is None else 60 * growth.time_cap_minutes,
        give_up_after=settings.give_up_after,
    )
    return Settings(
        prefix=array_prefix(production),
        generation=generation,
        policies=policies,
        array_size=min(settings.array_size, max_index + 1),
        max_index=max_index,
        subruns_per_job=settings.subruns_per_job,
        runs_per_job=settings.runs_per_job,
        in_flight=settings.in_flight,
        grace_s=settings.grace_seconds,
    )


def array_prefix(production: Production) -> str:
    """Of the names of a production's arrays: unique among all that this user may run on the cluster, or ran for a while.

    SLURM remembers arrays by their names: where a production was removed and begun again in the same folder, generations and numbers
    begin again, too. So each has a mark of its own, written when its first engine holds the lease.
    """
    mark = production.state / "engine" / "mark"
    if not mark.exists():
        write_durably(mark, secrets.token_hex(8))
    return f"osa.{production.root.parent.name}.{production.id}.{digest([str(production.root), mark.read_text()])[:6]}"
