"""The engine's way to SLURM: the client's commands, one shared look at the queue, and an array as a batch script."""

from __future__ import annotations

import logging
import os
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from osa_luigi.batch.slurm import model as m
from osa_luigi.batch.slurm.answers import Limits
from osa_luigi.batch.slurm.client import SlurmClient
from osa_luigi.batch.slurm.environment import identity_of
from osa_luigi.batch.slurm.news import News, Silence
from osa_luigi.batch.slurm.records import SCRIPT
from osa_luigi.batch.slurm.script import ArrayRequest, options, write_script
from osa_luigi.batch.slurm.seen import Sighting
from osa_luigi.batch.slurm.snapshot import SharedSnapshot
from osa_luigi.config import SlurmExecutor as SlurmSettings
from osa_luigi.errors import SlurmAbsent, SlurmAway
from osa_luigi.products.identity import digest

logger = logging.getLogger("luigi-interface")

LOOK_BACK = timedelta(days=14)
"""How far back the accounting is asked for arrays that the queue does not hold any more."""

CHOOSING = ("SLURM_CONF", "SLURM_CONF_SERVER")
"""Variables that choose the cluster which SLURM's commands talk to."""


def look_folder(others: Iterable[int] = ()) -> Path:
    """Where the engines of this user on this host share their look at the queue: one folder for each cluster, and set of further accounts.

    Taken for the queue of another cluster, a queue without an engine's arrays would say that SLURM has lost them all; so would one
    without the jobs of an account whose arrays it goes on with.
    """
    asked = digest([*(os.environ.get(name, "") for name in CHOOSING), *sorted(others)])[:8]
    return Path(tempfile.gettempdir()) / f"osa-slurm-{os.getuid()}-{asked}"


@dataclass(frozen=True, slots=True)
class View:
    """SLURM, asked for the jobs of this user and of some others: its commands, and the look at the queue that processes share."""

    client: SlurmClient
    snapshot: SharedSnapshot


def view_of(settings: SlurmSettings, others: Iterable[int] = ()) -> View:
    """What this process sees of the jobs of this user, and of other accounts.

    Parameters
    ----------
    others
        Their user ids.
    """
    accounts = frozenset(others)
    client = SlurmClient(settings.client_timeout_seconds, others=accounts)
    return View(client, SharedSnapshot(client, look_folder(accounts), settings.poll_seconds / 2))


class SharedCluster:
    """What all nights of this process share: the client, and with all engines of this user on this host the look at the queue.

    Raises
    ------
    SlurmAbsent
        This machine has not SLURM's commands.
    ExecutorError
        The packed environment of the jobs cannot be used. Once work has begun, that is waited for.
    """

    def __init__(self, settings: SlurmSettings) -> None:
        self.settings = settings
        if settings.environment.archive:
            identity_of(settings.environment.archive)
        self.view = view_of(settings)
        self.limits = self._limits()
        self.max_index = self.limits.max_array_size - 1

    def _limits(self) -> Limits:
        """Waited for, as every later answer is: that SLURM is away just when a night is begun fails none of its tasks."""
        news, began = News(self.settings.poll_seconds), time.monotonic()
        while True:
            limits, silence = None, None
            try:
                limits = self.view.client.limits()
            except SlurmAbsent:
                raise
            except SlurmAway as error:
                silence = Silence(began, str(error))
            if text := news.of(silence, time.monotonic()):
                logger.warning("%s", text)
            if limits:
                return limits
            time.sleep(self.settings.poll_seconds)


class NightCluster:
    """SLURM as one night's engine sees it; see `world.Cluster`.

    Parameters
    ----------
    arrays
        Folder of the arrays.
    binds
        Places that jobs in an image must see.
    others
        User ids of accounts whose arrays it goes on with.
    """

    def __init__(
        self, shared: SharedCluster, arrays: Path, binds: Sequence[Path] = (), others: Iterable[int] = ()
    ) -> None:
        accounts = frozenset(others)
        self._settings = shared.settings
        self._view = view_of(shared.settings, accounts) if accounts else shared.view
        self._arrays = arrays
        self._binds = binds

    def submit(self, array: m.ArrayState) -> int:
        """Call sbatch."""
        request = self._request(array)
        return self._view.client.submit(request.folder / SCRIPT, options(request))

    def write_script(self, array: m.ArrayState, folder: Path) -> None:
        """The batch script of an array."""
        write_script(folder, self._settings.environment, self._binds)

    def _request(self, array: m.ArrayState) -> ArrayRequest:
        settings = self._settings
        jobs = max(len(element.jobs) for element in array.elements.values())
        return ArrayRequest(
            name=array.name,
            folder=self._arrays / array.name,
            indices=list(array.elements),
            place=settings.place_of(array.stage),
            memory_mb=array.asked.memory_mb,
            cores=array.asked.cores,
            time_limit_s=array.asked.time_limit_s * jobs + 60 * settings.time_margin_minutes,
        )

    def queue(self) -> tuple[float, Mapping[str, Mapping[int, Sighting]]]:
        """When SLURM was asked, and what its queue held."""
        now = time.time()
        snapshot = self._view.snapshot.get(now)
        return time.monotonic() - max(0.0, now - snapshot.taken_at), by_name(snapshot.sightings)

    def find(self, name: str) -> list[Sighting]:
        """What SLURM knows of a name."""
        return self._view.client.find(name)

    def accounting(self, arrays: Mapping[str, int]) -> Mapping[str, Mapping[int, Sighting]]:
        """What the accounting knows of arrays; of an earlier job that had the same id nothing is taken."""
        seen = self._view.client.accounting(arrays.values(), datetime.now(UTC) - LOOK_BACK)
        return by_name(sighting for sighting in seen if sighting.name in arrays)

    def cancel(self, job: int, indices: tuple[int, ...]) -> None:
        """Call scancel."""
        self._view.client.cancel(job, indices or None)

    def release(self, job: int, indices: tuple[int, ...]) -> None:
        """Call ``scontrol release``."""
        self._view.client.release(job, indices)


def by_name(sightings: Iterable[Sighting]) -> Mapping[str, Mapping[int, Sighting]]:
    """Name of the array → index → sighting; of two the later one."""
    found: dict[str, dict[int, Sighting]] = {}
    for sighting in sightings:
        found.setdefault(sighting.name, {})[sighting.index] = sighting
    return found
