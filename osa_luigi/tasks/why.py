"""What the parts of a night wait for, as data: by plan, receipts and exit records, the engine's journal, and one look at SLURM.

It starts nothing and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import date, datetime
from enum import StrEnum
from functools import cached_property
from typing import Any

from osa_luigi.batch.slurm.accounts import known_accounts, other_accounts
from osa_luigi.batch.slurm.adapter import view_of
from osa_luigi.batch.slurm.desk import Desk, Stand, Where
from osa_luigi.batch.slurm.executor import job_key
from osa_luigi.batch.slurm.states import stuck
from osa_luigi.config import Configuration, MainConfig
from osa_luigi.products.attempts import read_records
from osa_luigi.products.production import Production
from osa_luigi.steps.plan import Group
from osa_luigi.steps.run_summary import RunSummary
from osa_luigi.tasks.live import live_attempts
from osa_luigi.tasks.opening import night_paths
from osa_luigi.tasks.outlook import REFUSED, Outlook, outlook
from osa_luigi.tasks.parts import NIGHT, Part, parts
from osa_luigi.tasks.session import Session


class Situation(StrEnum):
    """Where a part stands."""

    DONE = "done"
    REFUSED = "refused"
    """Made otherwise before, or a foreign file stands in its place."""
    GIVEN_UP = "given up"
    RUNNING = "running"
    QUEUED = "queued"
    HELD = "not taken"
    """SLURM does not take it for now."""
    UNSEEN = "with SLURM"
    """SLURM has it, or may have it; its queue does not say more."""
    ENDED = "ended"
    """The engine takes its end in at its next look."""
    NEEDS = "waits"
    """For other parts."""
    FAILED = "failed"
    READY = "ready"
    """Nothing stands in its way."""


SITUATIONS: Mapping[Where, Situation] = {
    Where.HELD: Situation.HELD,
    Where.UNSURE: Situation.UNSEEN,
    Where.UNSEEN: Situation.UNSEEN,
    Where.WAITING: Situation.QUEUED,
    Where.RUNNING: Situation.RUNNING,
    Where.ENDED: Situation.ENDED,
    Where.GIVEN_UP: Situation.GIVEN_UP,
}


@dataclass(frozen=True, slots=True)
class Finding:
    """A part, and what it waits for.

    Parameters
    ----------
    needs
        Names of parts that must be done first, and are not.
    array, element
        Where it stands in SLURM, the element as ``123_17``.
    state, reason, advice
        SLURM's words, and what a person does about them if nothing happens without one.
    since
        When it was submitted, or the attempt under way began (UTC).
    memory_mb, time_limit_s
        That it asks for.
    failures
        Cause and text of each attempt that failed.
    text
        Why it is refused or given up, or not seen.
    chosen
        What an input of it was chosen by, or why none could be.
    """

    part: Part
    situation: Situation
    needs: tuple[str, ...] = ()
    array: str = ""
    element: str = ""
    state: str = ""
    reason: str = ""
    advice: str = ""
    node: str = ""
    since: datetime | None = None
    memory_mb: int | None = None
    time_limit_s: float | None = None
    failures: tuple[tuple[str, str], ...] = ()
    text: str = ""
    chosen: str = ""

    def as_json(self) -> dict[str, Any]:
        """For a program to read."""
        data = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "part"}
        return {"unit": self.part.unit, "part": self.part.what, **data}


def open_desk(main: MainConfig, production: Production) -> Desk:
    """The desk of a night's production; with a look at SLURM where the configuration says so."""
    executor = main.executor
    if executor.type != "slurm":
        return Desk(production, None, None)
    view = view_of(executor.slurm, known_accounts(other_accounts(production)))
    return Desk(production, view.client, view.snapshot)


def run_summary_finding(configuration: Configuration, day: date, desk: Desk) -> Finding | None:
    """How the job stands with SLURM that makes the night's run summary; `None` if there is none, or a run summary is there.

    Before that the night cannot be planned, and there are no parts to ask of.
    """
    if night_paths(configuration).run_summary_file(day).exists():
        return None
    found = [stand for stand in desk.stands.values() if stand.job.wish.stage == RunSummary.name]
    if not found:
        return None
    part = Part(NIGHT, "run summary", Group(Production(configuration.main.site.paths.run_summary), ()))
    return finding_of(part, found[0], desk, configuration.main)


def finding_of(part: Part, stand: Stand, desk: Desk, main: MainConfig, began: datetime | None = None) -> Finding:
    """What a part waits for whose job the engine has given to SLURM, or up.

    Parameters
    ----------
    began
        When the attempt under way began, if that is known.
    """
    job, seen = stand.job, stand.seen
    state, reason, node = (seen.state, seen.reason, seen.node) if seen else ("", "", "")
    told = ((str(stand.record.cause), stand.record.text),) if stand.record and stand.record.cause else ()
    # Of its element: the time of all its jobs, and what the site adds.
    limit_s = job.asked.time_limit_s * stand.mates + 60 * main.executor.slurm.time_margin_minutes
    other = desk.other_account(stand.array) if stand.where in (Where.UNSURE, Where.UNSEEN) else ""
    return Finding(
        part,
        SITUATIONS[stand.where],
        array=stand.array,
        element=stand.element if stand.array else "",
        state=state,
        reason=reason,
        advice=stuck(state, reason).format(id=stand.element) if stand.where is Where.WAITING else "",
        node=node,
        since=began or stand.since,
        memory_mb=job.asked.memory_mb,
        time_limit_s=limit_s,
        failures=tuple((str(failure.cause), failure.text) for failure in job.failures) + told,
        text=_whose(other) if other else stand.refusal or job.text,
    )


def _whose(other: str) -> str:
    return f"its jobs are of the account {other}; where jobs are shown to their owner alone (PrivateData), only that sees them"


def stand_of(desk: Desk, part: Part) -> Stand | None:
    """How the job of a part stands with the cluster: by its key, which a change of the settings changes."""
    return desk.stands.get(job_key(part.group.calls))


class Asking:
    """One look at a night: everything is read once."""

    def __init__(self, session: Session, desk: Desk) -> None:
        self._session = session
        self._desk = desk
        self._outlooks: dict[str, Outlook] = {}
        self._records: dict[tuple[Production, str], dict[str, Any]] = {}

    def why(self, asked: Iterable[Part]) -> list[Finding]:
        """What each part waits for."""
        return [replace(self._why(part), chosen=self._chosen(part)) for part in asked]

    def _chosen(self, part: Part) -> str:
        items = (self._outlook(part, number) for number in range(len(part.group.calls)))
        return "; ".join(item.choice for item in items if item.choice)

    def _why(self, part: Part) -> Finding:
        items = [self._outlook(part, name) for name in range(len(part.group.calls))]
        if all(item.made for item in items):
            return Finding(part, Situation.DONE)
        if refused := [item.why for item in items if item.kind in REFUSED]:
            return Finding(part, Situation.REFUSED, text="; ".join(dict.fromkeys(refused)))
        if stand := stand_of(self._desk, part):
            return self._with_slurm(part, stand)
        if since := self._under_way(part):
            return Finding(part, Situation.RUNNING, since=since, failures=self._failures(part))
        if needs := tuple(name for name in part.needs if not self._is_done(self._parts[name])):
            return Finding(part, Situation.NEEDS, needs)
        failures = self._failures(part)
        return Finding(part, Situation.FAILED if failures else Situation.READY, failures=failures)

    def _with_slurm(self, part: Part, stand: Stand) -> Finding:
        began = self._under_way(part) if stand.where is Where.RUNNING else None
        return finding_of(part, stand, self._desk, self._session.configuration.main, began)

    @cached_property
    def _parts(self) -> Mapping[str, Part]:
        return parts(self._session.plan)

    def _outlook(self, part: Part, number: int) -> Outlook:
        call = part.group.calls[number]
        if call.name not in self._outlooks:
            self._outlooks[call.name] = outlook(self._session, part.group.production, call)
        return self._outlooks[call.name]

    def _is_done(self, part: Part) -> bool:
        return all(self._outlook(part, number).made for number in range(len(part.group.calls)))

    def _failures(self, part: Part) -> tuple[tuple[str, str], ...]:
        """Of attempts with the very keys that are planned."""
        return tuple(
            ("tool", f"{call.name}: {record['reason']}")
            for call in part.group.calls
            for record in self._attempts(part.group.production, call.unit.partition(".")[0]).get(call.name, ())
            if record["outcome"] == "failed" and record["key"] == call.key
        )

    def _attempts(self, production: Production, run: str) -> Mapping[str, Any]:
        if (production, run) not in self._records:
            self._records[production, run] = dict(read_records(production, run))
        return self._records[production, run]

    def _under_way(self, part: Part) -> datetime | None:
        """When the attempt that is under way began."""
        begun = self._live.get(part.group.production, {})
        return max((begun[call.name] for call in part.group.calls if call.name in begun), default=None)

    @cached_property
    def _live(self) -> Mapping[Production, Mapping[str, datetime]]:
        return {
            production: {live.name: live.began for live in live_attempts(production) if live.began}
            for production in {part.group.production for part in self._parts.values()}
        }
