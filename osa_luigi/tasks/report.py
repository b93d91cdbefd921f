"""The night's report, gathered from one look at the night: the plan, receipts, exit records, logs and decisions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime

from osa_luigi.batch.lease import leases
from osa_luigi.errors import OsaError
from osa_luigi.ledger.report.model import (
    LEFT_OUT,
    Attempt,
    Folder,
    GridRow,
    Held,
    NightReport,
    Plots,
    Problem,
    Ruling,
    Slow,
)
from osa_luigi.ledger.report.use import quantile, uses
from osa_luigi.products.attempts import Record
from osa_luigi.products.decisions import PERSON, decisions, standing
from osa_luigi.products.identity import digest
from osa_luigi.products.paperwork import LOGS, Paperwork
from osa_luigi.products.receipt import Receipt
from osa_luigi.tasks.looking import Look, look
from osa_luigi.tasks.outlook import Outlook
from osa_luigi.tasks.overview import Overview
from osa_luigi.tasks.parts import NIGHT
from osa_luigi.tasks.report_grid import grid
from osa_luigi.tasks.session import Session
from osa_luigi.tasks.trends import trends
from osa_luigi.tasks.verdict import Missing, NightVerdict, next_of

SLOWEST = 10
MOST_PROBLEMS = 20
"""Kinds of failures that are told, each once."""

UNITS = 5
"""Units that are named of those that share a failure."""

LAST_LINES, LAST_BYTES = 15, 2000
"""Of a failed attempt's log."""

ENGINES = 10
"""Lives of the engine that are told, the newest."""

_ATTEMPT = re.compile(r"\d{8}T\d{6}-\S+?-\d+-[0-9a-f]{6}", re.ASCII)
"""The id of an attempt, as in the names of logs."""

_UNIT = re.compile(r"Run\d{5,}(\.\d{4,})?", re.ASCII)
_NUMBER = re.compile(r"\d+", re.ASCII)


def night_report(session: Session) -> NightReport:
    """The report of a night as it is now, whatever its state; it starts nothing and changes nothing."""
    seen = look(session)
    summary, configuration = seen.overview, session.configuration
    attempts = tuple(_attempts(session, seen))
    runs, night = grid(session, seen)
    verdict = summary.verdict
    made = [item for item in seen.outlooks.values() if item.made]
    return NightReport(
        date=summary.date,
        production=summary.production.id,
        procedure=configuration.procedure.name,
        telescope=configuration.main.site.telescope,
        site=configuration.main.site.name,
        folder=summary.production.root,
        made=datetime.now(UTC),
        verdict=str(verdict.night.verdict),
        conclusion=_conclusion(summary, verdict, runs),
        closed=summary.closed,
        steps=verdict.night.declared,
        missing=verdict.night.missing,
        waiting=verdict.waiting,
        beside=verdict.beside,
        runs=runs,
        night=night,
        actions=tuple(_actions(verdict.missing)),
        attempts=attempts,
        uses=uses(attempts, configuration.main.resources),
        slowest=tuple(_slowest(attempts)),
        failures=tuple(_failures(session, seen, attempts)),
        plots=tuple(_plots(made)),
        trends=tuple(trends(made)),
        decisions=tuple(_rulings(session)),
        engines=tuple(Held(*held) for held in leases(summary.production)[-ENGINES:]),
        software=_software(item.receipt for item in made if item.receipt),
        settings=digest(configuration.procedure.settings)[:16],
        folders=tuple(Folder(one.step, one.folder, one.files, round(one.bytes / 2**20, 1)) for one in summary.places),
    )


def _conclusion(summary: Overview, verdict: NightVerdict, runs: tuple[GridRow, ...]) -> str:
    night = verdict.night
    if not verdict.is_complete:
        whole = sum(row.verdict not in (night.verdict, LEFT_OUT) for row in runs)
        return f"The products of {night.missing} of {night.declared} steps are missing; {whole} of {len(runs)} DATA runs are complete."
    less = f", without what {len(summary.decisions)} decisions left out" if summary.decisions else ""
    return f"The products of all {night.declared} declared steps are there{less}."


def _attempts(session: Session, seen: Look) -> Iterator[Attempt]:
    """What was tried for this night: of another night's production only what this one needs of it."""
    own = {run.label for run in session.plan.night.runs}
    for name, records in seen.records.items():
        run = name.split(".")[1]
        if name in seen.outlooks or run in own:
            item = seen.outlooks.get(name)
            production = item.production if item else session.plan.production
            papers = Paperwork(production, run)
            yield from (one for record in records if (one := _attempt(record, papers)))


def _attempt(record: Record, papers: Paperwork) -> Attempt | None:
    """A record that is not told as expected, by an older version, is passed over."""
    try:
        started, ended = (datetime.fromisoformat(record[name]) for name in ("started", "ended"))
        failed = record["outcome"] == "failed"
        return Attempt(
            step=str(record["step"]),
            unit=str(record["unit"]),
            outcome=str(record["outcome"]),
            started=started,
            ended=ended,
            wall_s=float(record["wall_s"]),
            cpu_s=float(record["cpu_s"]),
            cost_s=float(record["cpu_s"]) + float(record["verify_cpu_s"]),
            peak_memory_mb=float(record["peak_memory_mb"]),
            host=str(record["host"]),
            reason=str(record["reason"]),
            log=str(record["log"]).rpartition("/")[2] if failed else "",
            exit_code=record["exit_code"],
            out_of_time=bool(record["timed_out"]),
            killed=record["signal"] == 9,
            asked_memory_mb=int(record.get("asked", {}).get("memory_mb", 0)),
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def _actions(missing: Iterable[Missing]) -> Iterator[Problem]:
    """What is to be done, the same of several units once."""
    groups: dict[tuple[str, str, str], list[Missing]] = {}
    for one in missing:
        groups.setdefault((one.step, _like(one.why), _like(one.next)), []).append(one)
    for (step, _, _), several in list(groups.items())[:MOST_PROBLEMS]:
        units = tuple(one.unit for one in several[:UNITS])
        yield Problem(step, units, len(several), several[0].why, next=next_of(several))


def _like(text: str) -> str:
    """What messages about several units have in common."""
    return _NUMBER.sub("#", _UNIT.sub("UNIT", _ATTEMPT.sub("ATTEMPT", text)))


def _slowest(attempts: Iterable[Attempt]) -> Iterator[Slow]:
    good = [attempt for attempt in attempts if not attempt.failed]
    by_step: dict[str, list[float]] = {}
    for attempt in good:
        by_step.setdefault(attempt.step, []).append(attempt.wall_s)
    for attempt in sorted(good, key=lambda attempt: -attempt.wall_s)[:SLOWEST]:
        yield Slow(attempt, quantile(by_step[attempt.step], 0.5))


def _failures(session: Session, seen: Look, attempts: Iterable[Attempt]) -> Iterator[Problem]:
    """Attempts that failed, those that still matter first, then the newest; those of the same kind once."""
    groups: dict[tuple[str, str], list[Attempt]] = {}
    for attempt in attempts:
        if attempt.failed:
            groups.setdefault((attempt.step, _like(attempt.reason)), []).append(attempt)
    failing = {f"{one.step}.{one.unit}" for one in seen.overview.failures}
    found = [_failure(session, seen, several, failing) for several in groups.values()]
    found.sort(key=lambda pair: (pair[0].standing > 0, pair[0].ended), reverse=True)
    for problem, newest in found[:MOST_PROBLEMS]:
        yield _with_log(session, seen, problem, newest)


def _failure(session: Session, seen: Look, several: list[Attempt], failing: set[str]) -> tuple[Problem, Attempt]:
    newest = max(several, key=lambda attempt: attempt.ended)
    units = sorted({attempt.unit for attempt in several})
    still = [unit for unit in units if f"{newest.step}.{unit}" in failing]
    told = [*still, *(unit for unit in units if unit not in still)]
    ended = newest.ended.isoformat(timespec="seconds")
    return Problem(newest.step, tuple(told[:UNITS]), len(units), newest.reason, len(still), ended=ended), newest


def _with_log(session: Session, seen: Look, problem: Problem, newest: Attempt) -> Problem:
    item = seen.outlooks.get(f"{newest.step}.{newest.unit}")
    papers = Paperwork(item.production if item else session.plan.production, newest.unit)
    try:
        text = papers.read(LOGS, newest.log).decode(errors="replace") if newest.log else ""
    except (OSError, OsaError):
        return problem
    if not text:
        return problem
    excerpt = "\n".join(text[-LAST_BYTES:].splitlines()[-LAST_LINES:])
    return _told(problem, log=papers.place(LOGS, newest.log), excerpt=excerpt)


def _told(problem: Problem, **more: str) -> Problem:
    return Problem(**{**{name: getattr(problem, name) for name in Problem.__slots__}, **more})


def _plots(made: Iterable[Outlook]) -> Iterator[Plots]:
    """Pages that the checks made, the night's first."""
    found = [item for item in made if item.call.step in ("longterm", "transparency", "run_plots") and item.receipt]
    for item in sorted(found, key=lambda item: (item.call.unit != NIGHT, item.call.unit)):
        assert item.receipt is not None
        for output in item.receipt.outputs:
            if output.path.suffix not in (".html", ".pdf", ".png"):
                continue
            pages = item.receipt.counts.get("pages")
            about = f"{pages} pages, " if pages else ""
            what = "night check" if item.call.step == "longterm" else item.call.step
            unit = what if item.call.unit == NIGHT else item.call.unit
            yield Plots(unit, item.production.root / output.path, f"{about}{output.size / 2**20:.1f} MB")


def _rulings(session: Session) -> Iterator[Ruling]:
    every = decisions(session.plan.production)
    hold = {one.number for several in standing(every).values() for one in several}
    for one in every:
        who = f"{one.user} on {one.host}" if one.by == PERSON else f"rule {one.by}"
        undone = f" (decision {', '.join(map(str, one.undoes))})" if one.undoes else ""
        stands = one.number in hold or not one.leaves_out
        yield Ruling(one.number, str(one.kind), one.unit + undone, who, one.when, one.reason, stands)


def _software(receipts: Iterable[Receipt]) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = {}
    for receipt in receipts:
        for package, version in receipt.software.items():
            found.setdefault(package, {})[version] = None
    return {package: tuple(versions) for package, versions in found.items()}
