"""The verdict on a night, its runs and subruns: complete, incomplete and why, or complete with decisions.

It is found from receipts and files alone. That a tool ended well, that a job is gone from the queue, or that a marker stands there says
nothing. Exit records are only asked why something is missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import asdict, dataclass
from typing import Any

from osa_luigi.products.decisions import Decision, about, in_order, within
from osa_luigi.steps.call import StepCall
from osa_luigi.steps.close import Verdict, complete
from osa_luigi.steps.plan import NightPlan
from osa_luigi.tasks.notices import came_late, passed_over
from osa_luigi.tasks.outlook import REFUSED, Outlook
from osa_luigi.tasks.parts import NIGHT, parts
from osa_luigi.tasks.session import Session


@dataclass(frozen=True, slots=True)
class Missing:
    """A declared step whose products are not there, though all that it needs is.

    Parameters
    ----------
    next
        A command.
    for_all
        One that does the same for all that is missing like this, whatever their units; empty where `next` does.
    """

    step: str
    unit: str
    why: str
    next: str
    for_all: str = ""


@dataclass(frozen=True, slots=True)
class UnitVerdict:
    """The verdict on a subrun, a run, or the night.

    Parameters
    ----------
    declared, missing
        Steps of it and of what belongs to it.
    decisions
        Numbers of those that leave something of it out.
    """

    unit: str
    verdict: Verdict
    declared: int
    missing: int
    decisions: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class NightVerdict:
    """The verdict on a night and on its parts.

    Parameters
    ----------
    runs
        All runs that are processed, or left out.
    subruns
        Of DATA runs, all.
    missing
        What nothing else that is missing holds back, in the order of the chain.
    waiting
        How many steps wait for these.
    beside
        What the verdict does not count, or came late, with what to do: runs of type ERROR, raw files that the run summary lacks.
    """

    night: UnitVerdict
    runs: tuple[UnitVerdict, ...]
    subruns: tuple[UnitVerdict, ...]
    missing: tuple[Missing, ...]
    waiting: int
    beside: tuple[str, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Whether the night can be closed."""
        return self.night.verdict is not Verdict.INCOMPLETE

    def as_json(self) -> dict[str, Any]:
        """For a program to read; of the subruns those that are not simply complete."""
        return {
            **asdict(self.night),
            "runs": [asdict(run) for run in self.runs],
            "subruns": [asdict(subrun) for subrun in self.subruns if subrun.verdict is not Verdict.COMPLETE],
            "complete_subruns": sum(subrun.verdict is Verdict.COMPLETE for subrun in self.subruns),
            "missing_products": [asdict(one) for one in self.missing],
            "waiting": self.waiting,
            "beside": list(self.beside),
        }


def judge(session: Session, outlooks: Mapping[str, Outlook], reasons: Mapping[str, str]) -> NightVerdict:
    """The verdict, from how each step of the plan stands.

    Parameters
    ----------
    outlooks
        ``<step>.<unit>`` → how it stands. The closing itself is not judged.
    reasons
        ``<step>.<unit>`` → why its last attempt failed.
    """
    plan = session.plan
    closing = {call.name for call in plan.close.calls}
    declared = [item for name, item in outlooks.items() if name not in closing]
    missing = [item for item in declared if not item.made]
    counts = _Counts(declared)
    causes = list(_causes(plan, missing))
    told = _Told(session, reasons)
    runs = sorted({run.label for run in plan.night.data_runs} | counts.runs)
    return NightVerdict(
        night=counts.verdict(NIGHT, in_order(plan.decided)),
        runs=tuple(counts.verdict(run, within(plan.decided, run)) for run in runs),
        subruns=tuple(
            counts.verdict(subrun.label, about(plan.decided, subrun.label))
            for run in plan.night.data_runs
            for subrun in run.subruns
        ),
        missing=tuple(told.missing(item) for item in causes),
        waiting=len(missing) - len(causes),
        beside=(*passed_over(plan.night), *came_late(plan.night)),
    )


class _Counts:
    """Declared and missing steps of each unit; those of a subrun count for its run, too, and all for the night."""

    def __init__(self, items: Iterable[Outlook]) -> None:
        self.runs: set[str] = set()
        self._declared: dict[str, int] = {}
        self._missing: dict[str, int] = {}
        for item in items:
            run = item.call.unit.partition(".")[0]
            self.runs |= {run} - {NIGHT}
            for unit in {item.call.unit, run, NIGHT}:
                self._declared[unit] = self._declared.get(unit, 0) + 1
                self._missing[unit] = self._missing.get(unit, 0) + (not item.made)

    def verdict(self, unit: str, decided: Iterable[Decision]) -> UnitVerdict:
        numbers = tuple(decision.number for decision in decided)
        missing = self._missing.get(unit, 0)
        verdict = Verdict.INCOMPLETE if missing else complete(bool(numbers))
        return UnitVerdict(unit, verdict, self._declared.get(unit, 0), missing, numbers)


def _causes(plan: NightPlan, missing: Sequence[Outlook]) -> Iterator[Outlook]:
    """What is missing although all that its task needs, and all that it is made from, is there."""
    waiting = _waiting(plan, {item.call.name for item in missing})
    keys = {item.call.key for item in missing}
    for item in missing:
        if item.call.name not in waiting and not any(one.key in keys for one in item.call.inputs if one.key):
            yield item


def _waiting(plan: NightPlan, missing: Set[str]) -> set[str]:
    """Steps of parts that need others which are not done."""
    every = parts(plan)
    undone = {name for name, part in every.items() if any(call.name in missing for call in part.group.calls)}
    held = (part for part in every.values() if not undone.isdisjoint(part.needs))
    return {call.name for part in held for call in part.group.calls}


class _Told:
    """Why something is missing, and what to do next."""

    def __init__(self, session: Session, reasons: Mapping[str, str]) -> None:
        self._session = session
        self._reasons = reasons
        self._given_up = dict(_given_up(session))

    def missing(self, item: Outlook) -> Missing:
        call = item.call
        if item.kind in REFUSED:
            return self._said(call, item.why, f"osa plan {self._run_of(call)}{self._night}", f"osa plan {self._night}")
        if call.name in self._given_up:
            retry = f"osa retry {call.unit} {self._night}"
            return self._said(call, self._given_up[call.name], retry, f"osa retry --all {self._night}")
        again = run_again(self._session)
        if call.name in self._reasons:
            alone = f"osa step run {call.step} {call.unit} {self._night}"
            return self._said(call, self._reasons[call.name], alone, again)
        return self._said(call, item.why, again)

    def _said(self, call: StepCall, why: str, next_: str, for_all: str = "") -> Missing:
        return Missing(call.step, call.unit, why, next_, for_all)

    def _run_of(self, call: StepCall) -> str:
        run = call.unit.partition(".")[0].removeprefix("Run")
        of_data = run.isdecimal() and int(run) in self._session.plan.runs
        return f"--run {int(run)} " if of_data else ""

    @property
    def _night(self) -> str:
        return night_options(self._session)


def next_of(several: Sequence[Missing]) -> str:
    """What to do next about things that are missing for the same reason: one command, that of the unit where there is but one."""
    first = several[0]
    return first.for_all if first.for_all and len(several) > 1 else first.next


def night_options(session: Session) -> str:
    """The options that choose this night and production on any command line of ours."""
    plan, procedure = session.plan, session.configuration.procedure.name
    return f"--date {plan.night.date} --production {plan.production.id} --procedure {procedure}"


def run_again(session: Session) -> str:
    """The command that makes what is missing, and nothing else."""
    return f"luigi --module osa_luigi NightTask {night_options(session)}"


def _given_up(session: Session) -> Iterator[tuple[str, str]]:
    """``<step>.<unit>`` → why a cluster's engine does not try it again, by its journal; SLURM is not asked."""
    if session.configuration.main.executor.type != "slurm":
        return
    from osa_luigi.batch.slurm.desk import Desk, Where  # with the whole engine: a site without a cluster is spared it
    from osa_luigi.batch.slurm.executor import job_key

    stands = Desk(session.plan.production, None, None).stands
    marked = {key: stand.job.text for key, stand in stands.items() if stand.where is Where.GIVEN_UP}
    for part in parts(session.plan).values() if marked else ():
        if text := marked.get(job_key(part.group.calls)):
            yield from ((call.name, text) for call in part.group.calls)
