"""The procedure's rules that discard a run's last subrun, and record it with what they went by.

They look at receipts and exit records only, before what takes the run as a whole is made. A rule never decides again what a person has
taken back; and it takes its own decision back when the subrun turns out not to be the last.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any

from osa_luigi.config import DiscardRules
from osa_luigi.night import Night, Run
from osa_luigi.products.attempts import read_records
from osa_luigi.products.decisions import PERSON, Decision, DecisionKind, about, decide, decisions, standing
from osa_luigi.products.production import Production
from osa_luigi.products.receipt import Receipt, current_receipt
from osa_luigi.steps.call import StepCall
from osa_luigi.steps.plan import NightPlan

NO_INTERLEAVED = "last_subrun_without_interleaved"
FEW_EVENTS = "last_subrun_min_events"
FAILED = "last_subrun_failures"
POLICIES = (NO_INTERLEAVED, FEW_EVENTS, FAILED)

DL1A = "r0_to_dl1"
MORNING = time(12)
"""UTC, of the day after: then no run of the night is taken any more."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that applies to a subrun: its name, the reason in words, and what it went by."""

    policy: str
    reason: str
    evidence: Mapping[str, Any]


def decide_by_rules(
    plan: NightPlan, rules: DiscardRules, run_id: int | None = None, now: datetime | None = None
) -> list[Decision]:
    """Apply the rules to all planned runs, or to one; returns what was recorded.

    Raises
    ------
    ProductError
        A decision or a receipt cannot be read.
    OSError
        A decision cannot be written.
    """
    every = decisions(plan.production)
    runs = [run for run in plan.night.data_runs if run_id in (None, run.run_id) and run.subruns]
    now = now or datetime.now(UTC)
    found: list[Decision] = []
    for run in runs:
        found += _outlived(plan.production, run, every)
        if is_over(plan.night, run, now):
            found += _discarded(plan, run, rules, every)
    return found


def is_over(night: Night, run: Run, now: datetime) -> bool:
    """Whether no subrun can follow: a later run was begun, or it is day."""
    end = datetime.combine(night.date + timedelta(days=1), MORNING, UTC)
    return any(other.run_id > run.run_id for other in night.runs) or now >= end


def _outlived(production: Production, run: Run, every: Sequence[Decision]) -> Iterator[Decision]:
    """Take back what a rule decided of a last subrun that is not the last."""
    last = run.subruns[-1].label
    for unit, several in standing(every).items():
        mine = [one.number for one in several if one.by in POLICIES]
        if mine and unit.partition(".")[0] == run.label and unit != last:
            reason = f"{last} has come since: {unit} is not the last subrun"
            yield decide(production, DecisionKind.UNDO, unit, reason, by=several[0].by, undoes=mine)


def _discarded(plan: NightPlan, run: Run, rules: DiscardRules, every: Sequence[Decision]) -> Iterator[Decision]:
    last = run.subruns[-1].label
    if len(run.subruns) == 1 or about(standing(every), last):
        return  # a run of one subrun is not shortened: that it is left out, a person says
    for rule in (_by_counts, _by_failure):
        found = rule(plan, run, rules)
        if found and not _taken_back(every, last, found.policy):
            yield decide(
                plan.production, DecisionKind.DISCARD, last, found.reason, by=found.policy, evidence=found.evidence
            )
            return


def _taken_back(every: Sequence[Decision], unit: str, policy: str) -> bool:
    """Whether a person undid this rule's decision on the unit."""
    mine = {one.number for one in every if one.unit == unit and one.by == policy}
    return any(one.by == PERSON and mine.intersection(one.undoes) for one in every)


def _by_counts(plan: NightPlan, run: Run, rules: DiscardRules) -> Finding | None:
    receipt = _receipt(plan, f"{DL1A}.{run.subruns[-1].label}")
    events, interleaved = (receipt.counts.get(name) if receipt else None for name in ("events", "interleaved"))
    counted = {"events": events, "interleaved": interleaved, "step_key": receipt.key if receipt else ""}
    if rules.last_subrun_without_interleaved and interleaved == 0:
        return Finding(NO_INTERLEAVED, f"the last subrun has no interleaved events (and {events} in all)", counted)
    if events is not None and events < rules.last_subrun_min_events:
        less = f"the last subrun has {events} events, fewer than {rules.last_subrun_min_events}"
        return Finding(FEW_EVENTS, less, counted)
    return None


def _receipt(plan: NightPlan, name: str) -> Receipt | None:
    """The receipt of what is planned; one of another key says nothing."""
    production, call = plan.calls.get(name, (plan.production, None))
    receipt = current_receipt(production, call.step, call.unit) if call else None
    return receipt if receipt and call and receipt.key == call.key else None


def _by_failure(plan: NightPlan, run: Run, rules: DiscardRules) -> Finding | None:
    """A step of the last subrun that failed by itself, for a reason that the configuration names."""
    if not rules.last_subrun_failures or run.run_id not in plan.runs:
        return None
    last = run.subruns[-1]
    groups = [leg[last.subrun] for leg in plan.runs[run.run_id].legs.values() if last.subrun in leg]
    records = read_records(plan.production, run.label)
    for call in (call for group in groups for call in group.calls):
        attempts = records.get(call.name, [])
        if not attempts or _receipt(plan, call.name):
            continue
        record = attempts[-1]
        named = next((text for text in rules.last_subrun_failures if text in str(record["reason"])), None)
        if named and _failed_by_itself(call, record):
            said = str(record["reason"]).partition("\n")[0][:200]
            evidence = {"step": call.step, "attempt": record["id"], "step_key": call.key, "named": named}
            return Finding(FAILED, f"{call.step} of the last subrun failed: {said}", evidence)
    return None


def _failed_by_itself(call: StepCall, record: Mapping[str, Any]) -> bool:
    """Whether an attempt would fail again: with this very key, and neither killed, nor out of time, nor before its tool ran."""
    ended = record["signal"] is None and not record["timed_out"] and record["exit_code"] is not None
    return bool(record["outcome"] == "failed" and record["key"] == call.key and ended)
