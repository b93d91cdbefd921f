"""The luigi graph of a user's analysis.

AnalysisTask (validates and spawns)
  ├── NightTask, CampaignTask, AnalysisTask   what it reads, where it is not closed
  └── AnalysisCloseTask
        └── AnalysisPartTask (run)         for a scope of runs; else closing brings the analysis along
"""

from __future__ import annotations

import datetime
from collections.abc import Generator, Iterator
from contextlib import suppress
from functools import cached_property

import luigi

from osa_luigi.batch.executor import Executor
from osa_luigi.batch.job import Event, Job
from osa_luigi.batch.lease import take_lease
from osa_luigi.batch.task import BatchTask
from osa_luigi.config import Analysis, Configuration, MainConfig, load
from osa_luigi.config.analysis import Source
from osa_luigi.errors import ConfigurationError, NightError, OsaError
from osa_luigi.steps.call import StepCall
from osa_luigi.steps.closed import is_closed
from osa_luigi.tasks import part
from osa_luigi.tasks.analysis_session import (
    AnalysisSession,
    analysis_session,
    asked_nights,
    find_analysis,
    forget_analyses,
    production_of_analysis,
    source_production,
)
from osa_luigi.tasks.campaign_task import CampaignTask
from osa_luigi.tasks.night import NightTask
from osa_luigi.tasks.nights import NightsParameter

PRIORITY = 30
"""Beside those of a night's parts (`osa_luigi.steps.materials.PRIORITY`): after what finishes runs."""


class AnalysisJob(BatchTask):
    """A part of an analysis, as one job."""

    name = luigi.Parameter(description="The analysis, by its name")
    date = NightsParameter(description="Night, or nights: 2024-11-15,2024-11-18..2024-11-20")
    production = luigi.Parameter(default="", description="Production id; default: the analysis's")
    priority = PRIORITY
    stage = "analysis"

    @property
    def session(self) -> AnalysisSession:
        """The analysis that this is part of."""
        return analysis_session(self.name, self.date, self.production)

    def calls(self) -> tuple[StepCall, ...]:
        """What the job does."""
        raise NotImplementedError

    def complete(self) -> bool:
        return self.session.is_done(self.calls())

    def jobs(self) -> list[Job]:
        session = self.session
        session.begin()
        root = session.plan.production.root
        return [Job(self.task_id, root, self.calls(), priority=self.priority, group=self.stage)]

    def make_executor(self) -> Executor:
        procedure = self.session.settings.reconstruction
        return part.executor(_configuration(self.session.main, procedure))

    def heard(self, event: Event) -> None:
        if event.kind == "made":
            self.session.made.add((event.call, event.record["key"]))
        elif event.kind == "done":  # a cluster tells of all calls at once
            self.session.made |= {(call, key) for call, key in event.record.get("made", ())}


class AnalysisPartTask(AnalysisJob):
    """The analysis of one run: what becomes of it touches no other run."""

    unit = luigi.Parameter(description="The run: Run02003")

    def calls(self) -> tuple[StepCall, ...]:
        return (self.session.plan.parts[self.unit],)


class AnalysisCloseTask(AnalysisJob):
    """The end of an analysis: what is made once, and the marker that all is there."""

    stage = "analysis_close"

    def requires(self) -> list[AnalysisPartTask]:
        common = {"name": self.name, "date": self.date, "production": self.production}
        return [AnalysisPartTask(**common, unit=unit) for unit in self._parts()]

    def _parts(self) -> Iterator[str]:
        plan = self.session.plan
        if self.session.settings.scope == "run":
            yield from plan.parts

    def calls(self) -> tuple[StepCall, ...]:
        plan = self.session.plan
        return plan.ending if self.session.settings.scope == "run" else plan.calls

    def complete(self) -> bool:
        """Also when the analysis is closed, every part is looked at: what was lost since is made again."""
        return self.session.is_done(self.session.plan.calls)


class AnalysisTask(luigi.Task):  # type: ignore[misc]
    """A user's analysis over the products of closed nights, which are made first where they are not there."""

    name = luigi.Parameter(description="The analysis, by its name in the library")
    date = NightsParameter(
        default=(),
        description="Observation date (the evening's), YYYY-MM-DD; for a campaign several: 2024-11-15,2024-11-18..2024-11-20 "
        "(none: all of the campaign that it reads)",
    )
    production = luigi.Parameter(default="", description="Production id; default: the analysis's")

    @cached_property
    def _found(self) -> tuple[MainConfig, Analysis]:
        return find_analysis(self.name, self.production)

    def requires(self) -> list[luigi.Task]:
        """The nights of what it reads. In a campaign only those that are not closed: each is planned as a whole to be looked at."""
        try:
            return list(self._required())
        except OsaError:
            return []  # `run` says it

    def _required(self) -> Iterator[luigi.Task]:
        main, settings = self._found
        days = asked_nights(main, settings, self.date)
        whole = settings.campaign if not self.date else ""
        if whole:  # its own process for each night, so many at a time
            yield CampaignTask(name=whole)
        for source in settings.sources:
            if source.scope == "campaign":
                yield AnalysisTask(name=source.procedure, date=days)
            elif not whole or source.campaign != whole:
                yield from self._nights(source, days)

    def _nights(self, source: Source, days: tuple[datetime.date, ...]) -> Iterator[luigi.Task]:
        main, settings = self._found
        for day in days:
            if settings.scope == "campaign" and is_closed(source_production(main, source, day)):
                continue
            if source.scope:
                yield AnalysisTask(name=source.procedure, date=(day,))
            else:
                yield NightTask(date=day, procedure=source.procedure)

    def complete(self) -> bool:
        """Whether the nights are finished, and the analysis is; one that cannot be looked at is not, and `run` says why."""
        try:
            return all(task.complete() for task in self.requires()) and bool(self._close().complete())
        except OsaError:
            return False

    def _close(self) -> AnalysisCloseTask:
        return AnalysisCloseTask(name=self.name, date=self.date, production=self.production)

    def become_engine(self) -> None:
        """Take the lease of the analysis's production; what else is wrong, `run` says.

        Raises
        ------
        ExecutorError
            Another process works on it.
        """
        with suppress(ConfigurationError, NightError, OSError):
            take_lease(production_of_analysis(*self._found, self.date))

    def run(self) -> Generator[luigi.Task, None, None]:
        forget_analyses()  # what was looked at before the nights were made
        close = self._close()
        close.session.begin()
        yield close


def _configuration(main: MainConfig, procedure: str) -> Configuration:
    return load(main.path, procedure, check_files=False)
