"""What an executor runs and what it tells: jobs and events, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from osa_luigi.steps.call import Needs, StepCall


@dataclass(frozen=True, slots=True)
class Job:
    """Steps that one process runs in order.

    Parameters
    ----------
    name
        The luigi task's id: unique, and what the web page shows.
    production
        The production's folder.
    calls
        What the job is for, in order; the job is done when their products are there.
    riders
        What comes along once the job is done, at low priority; its failure is told, but holds nothing back.
    after
        Names of riders (``<step>.<unit>``) of other jobs that must have ended, well or not, before this job starts.
    priority
        Higher first.
    engine
        Root of the production whose engine asks for it: that of the night being made, also where the products belong to another one
        (an earlier night's calibration). Nothing: `production`.
    group
        Jobs of one group make one array on a cluster: ``Run02008.dl1``.
    index
        The array index that a person would look for, such as the subrun's number.
    declared
        For a job that may be the last of its run, or of the night: the list of what the night declares (``<step>.<unit>`` → step key).
        What is whole is archived then (archiving.py).
    afterwards
        Words after ``osa`` of a command that is run once the job is done and archived, as a shell has them: variables for it
        (``NAME=value``) may go first. Whatever comes of it holds nothing back.
    """

    name: str
    production: Path
    calls: tuple[StepCall, ...]
    riders: tuple[StepCall, ...] = ()
    after: tuple[str, ...] = ()
    priority: float = 0
    engine: Path | None = None
    group: str = ""
    index: int | None = None
    declared: Path | None = None
    afterwards: tuple[str, ...] = ()

    @property
    def needs(self) -> Needs:
        """What the largest of its calls may use, and the time of all."""
        return Needs(
            memory_mb=max(call.needs.memory_mb for call in self.calls),
            cores=max(call.needs.cores for call in self.calls),
            time_limit_s=sum(call.needs.time_limit_s for call in self.calls),
        )

    def as_json(self) -> dict[str, Any]:
        """The job in JSON's own types."""
        return {
            "name": self.name,
            "production": str(self.production),
            "calls": [call.as_json() for call in self.calls],
            "riders": [call.as_json() for call in self.riders],
            "after": list(self.after),
            "priority": self.priority,
            "engine": str(self.engine) if self.engine else None,
            "group": self.group,
            "index": self.index,
            "declared": str(self.declared) if self.declared else None,
            **({"afterwards": list(self.afterwards)} if self.afterwards else {}),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Job:
        """The job that `as_json` described."""
        return cls(
            name=data["name"],
            production=Path(data["production"]),
            calls=tuple(StepCall.from_json(call) for call in data["calls"]),
            riders=tuple(StepCall.from_json(call) for call in data["riders"]),
            after=tuple(data["after"]),
            priority=data["priority"],
            engine=Path(data["engine"]) if data["engine"] else None,
            group=data["group"],
            index=data["index"],
            declared=Path(data["declared"]) if data.get("declared") else None,  # an earlier version's array has none
            afterwards=tuple(data.get("afterwards", ())),
        )


@dataclass(frozen=True, slots=True)
class Event:
    """What an executor tells.

    Parameters
    ----------
    job
        Name of the job.
    kind
        ``step`` (a call started), ``made`` (a call ended well), ``failed`` (a call ended badly), then ``done`` or ``given up``
        for the job as a whole; ``rider failed`` for what came along; ``state``: what a cluster says of the job (``text``); ``again``: what
        was given up is tried again after all.
    call
        ``<step>.<unit>``, where the event is of a call.
    text
        For people: the reason of a failure.
    log
        Path of the attempt's log, if there is one.
    record
        The attempt's exit record.
    running
        Of a ``state``: whether the job runs.
    """

    job: str
    kind: str
    call: str = ""
    text: str = ""
    log: str = ""
    record: Mapping[str, Any] = field(default_factory=dict)
    running: bool = False
