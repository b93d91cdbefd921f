"""A workflow as a luigi task: ``luigi --module osa_luigi WorkflowTask --name NAME --date DATE``."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from functools import cached_property

import luigi

from osa_luigi.config import MainConfig, load_analysis, load_main, load_workflow, procedure_names
from osa_luigi.config.campaign import CAMPAIGN_TYPE
from osa_luigi.config.kinds import ANALYSIS_TYPE, SCHEMAS
from osa_luigi.errors import ConfigurationError, OsaError
from osa_luigi.night import parse_date
from osa_luigi.tasks.analysis import AnalysisTask
from osa_luigi.tasks.campaign_task import CampaignTask
from osa_luigi.tasks.night import NightTask
from osa_luigi.tasks.opening import config_path


class WorkflowTask(luigi.Task):  # type: ignore[misc]
    """Procedures in their order: each begins when the one before it is complete."""

    name = luigi.Parameter(description="The workflow, by its name in the library")
    date = luigi.Parameter(default="", description="Observation date of its reconstructions and analyses, YYYY-MM-DD")

    def complete(self) -> bool:
        """Whether all its procedures are; a workflow that cannot be looked at is not, and `run` says why."""
        try:
            return all(task.complete() for task in self._tasks)
        except OsaError:
            return False

    def run(self) -> Generator[luigi.Task, None, None]:
        """Asks luigi for one after the other; where one fails, nothing after it begins."""
        yield from (
            task for task in self._tasks
        )  # a generator: luigi sends to it, which a list's iterator does not take

    @cached_property
    def _main(self) -> MainConfig:
        return load_main(config_path(), check_files=False)

    @cached_property
    def _tasks(self) -> list[luigi.Task]:
        main = self._main
        types = {name: kind for kind in SCHEMAS for name in procedure_names(main, kind)}
        order = load_workflow(main, self.name).order
        return [self._task(name, types) for name in order]

    def _task(self, name: str, types: Mapping[str, str]) -> luigi.Task:
        kind = types[name]
        if kind == CAMPAIGN_TYPE:
            return CampaignTask(name=name)
        if kind == ANALYSIS_TYPE and (self.date or load_analysis(self._main, name, check_files=False).campaign):
            return AnalysisTask.from_str_params({"name": name, "date": self.date})
        if not self.date:
            raise ConfigurationError(
                [f"workflow {self.name!r}: {name!r} is for a night: say which (--date YYYY-MM-DD)"]
            )
        return NightTask(date=parse_date(self.date), procedure=name)
