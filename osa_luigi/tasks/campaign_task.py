"""A campaign as a luigi task: ``luigi --module osa_luigi CampaignTask --name NAME``."""

from __future__ import annotations

import logging
from functools import cached_property

import luigi
import luigi.interface

from osa_luigi.config import load_campaign, load_main
from osa_luigi.errors import ExecutorError, OsaError
from osa_luigi.tasks.campaign.report import line
from osa_luigi.tasks.campaign.standing import DONE, Nights, Standing
from osa_luigi.tasks.campaign.work import Progress, Work
from osa_luigi.tasks.morning.look import State
from osa_luigi.tasks.opening import config_path

logger = logging.getLogger("luigi-interface")


class CampaignTask(luigi.Task):  # type: ignore[misc]
    """A campaign: starts luigi's own command for each night, a few at a time. Its nights are no tasks of this graph."""

    name = luigi.Parameter(description="The campaign, by its name in the library")

    def complete(self) -> bool:
        """Whether all its nights are closed; one that cannot be looked at is not complete, and `run` says why."""
        try:
            return all(standing.state in DONE for standing in self._nights.standings())
        except OsaError:
            return False

    def become_engine(self) -> None:
        """Take the campaign's lease.

        Raises
        ------
        ExecutorError
            Another process runs it.
        """
        self._nights.folder.take_lease()

    def run(self) -> None:
        """Run its nights to their end.

        Raises
        ------
        ExecutorError
            Some are not closed, or it is paused.
        """
        folder = self._nights.folder
        if pause := folder.paused():
            raise ExecutorError(f"campaign {self.name}: {pause}. `osa campaign resume {self.name}` goes on with it.")
        work = Work(self._nights, scheduler_options(), started=self._started, ended=self._ended)
        try:
            progress = work.run()
        except KeyboardInterrupt:
            work.stop()
            raise
        left = {state: count for state, count in progress.states.items() if state not in DONE}
        if left or work.paused:
            raise ExecutorError(
                f"campaign {self.name}: {progress}{' (paused)' if work.paused else ''}. `osa campaign report {self.name}` says why; "
                "the same command goes on with it."
            )

    def _started(self, standing: Standing) -> None:
        logger.info("%s; log: %s", line(standing), standing.log)

    def _ended(self, standing: Standing, progress: Progress) -> None:
        logger.log(logging.INFO if standing.state is State.CLOSED else logging.WARNING, "%s", line(standing))
        self.set_status_message(str(progress))
        self.set_progress_percentage(100 * progress.looked_at / max(progress.of, 1))

    @cached_property
    def _nights(self) -> Nights:
        config = config_path()
        main = load_main(config, check_files=False)
        return Nights(config, main, load_campaign(main, self.name))


def scheduler_options() -> list[str]:
    """The scheduler that this process was given, for those that it starts."""
    asked = luigi.interface.core()
    if asked.local_scheduler:
        return ["--local-scheduler"]
    if asked.scheduler_url:
        return ["--scheduler-url", asked.scheduler_url]
    return ["--scheduler-host", asked.scheduler_host, "--scheduler-port", str(asked.scheduler_port)]
