"""The report's grid: runs by steps, how many of each run's steps are made, and how the others stand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from osa_luigi.ledger.report.model import LEFT_OUT, Cell, GridRow
from osa_luigi.products.decisions import about
from osa_luigi.tasks.looking import Look
from osa_luigi.tasks.outlook import REFUSED, Outlook
from osa_luigi.tasks.parts import NIGHT
from osa_luigi.tasks.session import Session


def grid(session: Session, seen: Look) -> tuple[tuple[GridRow, ...], tuple[GridRow, ...]]:
    """Of the DATA runs, those that are left out included; then of calibration runs and the night as a whole."""
    failing = {f"{one.step}.{one.unit}" for one in seen.overview.failures}
    counts: dict[str, dict[str, Counter[str]]] = {}
    for name, item in seen.outlooks.items():
        run = item.call.unit.partition(".")[0]
        counts.setdefault(run, {}).setdefault(item.call.step, Counter())[_state(item, name, failing, seen)] += 1
    by_subrun = list(dict.fromkeys(item.call.step for item in seen.outlooks.values() if "." in item.call.unit))
    verdicts = {one.unit: str(one.verdict) for one in seen.overview.verdict.runs}
    observed = session.plan.night.data_runs
    data = {
        run.label: GridRow(
            run.label,
            run.source.name if run.source else "",
            verdicts.get(run.label, "") if run.label in counts else LEFT_OUT,
            _cells(counts.get(run.label, {}), _left_out(session, run.run_id), by_subrun),
        )
        for run in observed
    }
    others = (unit for unit in (*sorted(set(counts) - {NIGHT}), NIGHT) if unit in counts and unit not in data)
    return tuple(data.values()), tuple(GridRow(unit, "", "", _cells(counts[unit], 0, ())) for unit in others)


def _state(item: Outlook, name: str, failing: set[str], seen: Look) -> str:
    if item.made:
        return "made"
    if seen.live.get(name):
        return "running"
    return "failed" if name in failing or item.kind in REFUSED else "waiting"


def _left_out(session: Session, run_id: int) -> int:
    """Subruns of a run that a decision leaves out."""
    observed = session.plan.night.run(run_id).subruns
    return sum(bool(about(session.plan.decided, subrun.label)) for subrun in observed)


def _cells(counts: Mapping[str, Counter[str]], left_out: int, by_subrun: Iterable[str]) -> dict[str, Cell]:
    lost = dict.fromkeys(by_subrun, left_out) if left_out else {}
    return {step: Cell(**counts.get(step, Counter()), discarded=lost.get(step, 0)) for step in counts or lost}
