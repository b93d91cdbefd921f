"""One look at a night: everything is read once, and counted and told as an `Overview`.

Pure but for reading: it starts nothing and changes nothing. The command line prints it; a web page can show the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from osa_luigi.batch.lease import engine
from osa_luigi.night import Sequence, sequences
from osa_luigi.products.attempts import Record, known_records, log_place, read_records
from osa_luigi.products.decisions import DecisionKind, in_order, within
from osa_luigi.products.production import Production
from osa_luigi.products.receipt import Receipt
from osa_luigi.steps.call import StepCall
from osa_luigi.steps.standing import decided_since
from osa_luigi.tasks.grid import grid
from osa_luigi.tasks.live import live_attempts
from osa_luigi.tasks.notices import passed_over
from osa_luigi.tasks.outlook import REFUSED, Outlook, outlooks
from osa_luigi.tasks.overview import ACTION, Failure, Overview, Place, Row, State
from osa_luigi.tasks.session import Session
from osa_luigi.tasks.verdict import judge, night_options


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a night: what it comes to, and what was read for it.

    Parameters
    ----------
    outlooks, records, live
        ``<step>.<unit>`` → how it stands, the exit records of its attempts, and where it is being made.
    """

    overview: Overview
    outlooks: Mapping[str, Outlook]
    records: Mapping[str, list[Record]]
    live: Mapping[str, set[str]]


def overview(session: Session) -> Overview:
    """How a night stands."""
    return _Looking(session).overview()


def look(session: Session) -> Look:
    """How a night stands, with what was read for it."""
    looking = _Looking(session)
    return Look(looking.overview(), looking._outlooks, looking._records, looking._live)


class _Looking:
    """One look at a night: everything is read once."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._plan = session.plan
        self._outlooks = outlooks(session)
        self._records = self._read_records()
        self._live: dict[str, set[str]] = {}
        for production in {self._plan.production, *self._elsewhere}:
            for attempt in live_attempts(production):
                self._live.setdefault(attempt.name, set()).add(attempt.host)

    def _read_records(self) -> dict[str, list[Record]]:
        """Of the night's own production all, of an earlier night's those of its calibration."""
        known = known_records(item.receipt for item in self._outlooks.values() if item.receipt)
        found = read_records(self._plan.production, known=known)
        for production, run in ((one, run) for one, runs in self._elsewhere.items() for run in runs):
            found |= read_records(production, run, known)
        return found

    @cached_property
    def _elsewhere(self) -> dict[Production, set[str]]:
        """Other productions that steps of the plan belong to, and their runs."""
        found: dict[Production, set[str]] = {}
        for production, call in self._plan.calls.values():
            if production != self._plan.production:
                found.setdefault(production, set()).add(call.unit.partition(".")[0])
        return found

    def overview(self) -> Overview:
        plan = self._plan
        failures = tuple(self._failures(self._outlooks.values()))
        reasons = {f"{failure.step}.{failure.unit}": failure.reason for failure in failures}
        return Overview(
            date=plan.night.date,
            production=plan.production,
            rows=tuple(self._row(sequence) for sequence in sequences(plan.night)),
            failures=failures,
            places=_places(self._outlooks.values()),
            engine=engine(plan.production),
            closed=self._marked if self._closed else "",
            was_closed="" if self._closed else self._marked,
            closed_otherwise=self._closed_otherwise,
            steps=len(self._outlooks),
            missing=self._missing,
            verdict=judge(self._session, self._outlooks, reasons),
            decisions=in_order(plan.decided),
            passed_over=tuple(passed_over(plan.night)),
            grid=grid(plan, self._outlooks, self._has_failed, self._is_worked_on),
        )

    @cached_property
    def _missing(self) -> int:
        return sum(not item.made for item in self._outlooks.values())

    @cached_property
    def _marked(self) -> str:
        """When the marker of the closed night was made; empty where there is none, or it is of less than there is now."""
        close = self._closing
        return _ended(close.receipt) if close.made and close.receipt else ""

    @property
    def _closed_otherwise(self) -> str:
        close = self._closing
        return _ended(close.receipt) if close.receipt and decided_since(close.call, close.receipt) else ""

    @property
    def _closing(self) -> Outlook:
        return self._outlooks[self._plan.close.calls[0].name]

    @property
    def _closed(self) -> bool:
        return bool(self._marked) and not self._missing

    def _row(self, sequence: Sequence) -> Row:
        items = self._of(sequence)
        attempts = [record for item in items for record in self._records.get(item.call.name, ())]
        failed = [record for record in attempts if record["outcome"] == "failed"]
        newest = max(attempts, key=_id, default=None)
        state = self._left_out(sequence) or self._state(items)
        return Row(
            tel=self._session.configuration.main.site.telescope,
            seq=sequence.seq,
            parent=sequence.parent,
            type=str(sequence.type),
            run=sequence.run_id,
            subruns=sequence.n_subruns,
            source=sequence.source_name,
            action=ACTION[state],
            tries=len(attempts),
            job_id=newest.get("job_id") if newest else None,
            state=state,
            running_on=tuple(sorted({host for item in items for host in self._working(item)} - {""})),
            cpu_time_s=round(sum(_cpu(record) for record in attempts), 1),
            exit=max(failed, key=_id)["exit_code"] if failed else None,
            dl1=_percent(items, "r0_to_dl1", "dl1"),
            muons=_percent(items, "r0_to_dl1", "muons"),
            cat_b=_percent(items, "cat_b"),
            dl1ab=_percent(items, "dl1ab"),
            datacheck=_percent(items, "datacheck"),
            dl2=_percent(items, "dl2"),
        )

    def _left_out(self, sequence: Sequence) -> State | None:
        """A run of which nothing is declared, by decision."""
        decided = within(self._plan.decided, sequence.run.label)
        if not decided or sequence.run_id in self._plan.runs:
            return None
        vetoed = any(decision.kind is DecisionKind.VETO for decision in decided)
        return State.VETOED if vetoed else State.DISCARDED

    def _of(self, sequence: Sequence) -> list[Outlook]:
        """The steps of a sequence, each once."""
        if sequence.drs4 is not None:
            groups = [self._plan.calibration] if self._plan.calibration else []
        else:
            run = self._plan.runs.get(sequence.run_id)
            groups = list(run.groups()) if run else []
        names = {call.name: None for group in groups for call in (*group.calls, *group.riders)}
        return [self._outlooks[name] for name in names]

    def _state(self, items: list[Outlook]) -> State:
        if any(self._working(item) for item in items):
            return State.RUNNING
        if any(item.kind in REFUSED for item in items):
            return State.CONFLICT
        if items and all(item.made for item in items):
            return State.CLOSED if self._closed else State.COMPLETED
        return State.FAILED if any(self._failure(item) for item in items) else State.PENDING

    def _working(self, item: Outlook) -> set[str]:
        """The machines that work on a step; what is made is made, whoever else tries it still."""
        return set() if item.made else self._live.get(item.call.name, set())

    def _failure(self, item: Outlook) -> Record | None:
        """The last attempt, if it failed, was of this very step key, and the products are not there."""
        attempts = self._records.get(item.call.name, [])
        if item.made or self._working(item) or not attempts:
            return None
        last = attempts[-1]
        return last if last["outcome"] == "failed" and last["key"] == item.call.key else None

    def _has_failed(self, item: Outlook) -> bool:
        return self._failure(item) is not None

    def _is_worked_on(self, item: Outlook) -> bool:
        return bool(self._working(item))

    def _failures(self, items: Iterable[Outlook]) -> Iterator[Failure]:
        for item in items:
            record = self._failure(item)
            if record is None:
                continue
            call = item.call
            yield Failure(
                step=call.step,
                unit=call.unit,
                tries=len(self._records[call.name]),
                exit=record["exit_code"],
                reason=str(record["reason"]),
                log=log_place(item.production, record),
                ended=str(record["ended"]),
                next=self._next(call),
            )

    def _next(self, call: StepCall) -> str:
        return f"osa step run {call.step} {call.unit} {night_options(self._session)}"


def _percent(items: Iterable[Outlook], step: str, role: str = "") -> float | None:
    """How much of a step's work is there; with a role, of the files that hold it."""
    asked = [item for item in items if item.call.step == step]
    if not asked:
        return None
    there = [
        item for item in asked if item.made and (not role or (item.receipt and item.receipt.made(role) is not None))
    ]
    return round(100 * len(there) / len(asked), 1)


def _cpu(record: Record) -> float:
    return float(record["cpu_s"]) + float(record["verify_cpu_s"])


def _ended(receipt: Receipt) -> str:
    return str(receipt.attempt.get("ended", ""))[:19]


def _id(record: Record) -> str:
    return str(record["id"])


def _places(items: Iterable[Outlook]) -> tuple[Place, ...]:
    found: dict[tuple[str, Production, str], list[int]] = {}
    for item in items:
        for made in item.receipt.outputs if item.made and item.receipt else ():
            folder = made.place.rpartition("/")[0]
            found.setdefault((item.call.step, item.production, folder), []).append(made.size)
    return tuple(
        Place(step, production.root / folder, len(sizes), sum(sizes))
        for (step, production, folder), sizes in found.items()
    )
