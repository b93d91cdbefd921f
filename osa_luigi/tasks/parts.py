"""The parts of a night as an operator speaks of them, and what each of them needs: the tasks' graph without luigi."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from osa_luigi.errors import NightError
from osa_luigi.night import DataLevel
from osa_luigi.night.names import run_label, unit_label
from osa_luigi.products.decisions import about
from osa_luigi.steps.plan import Group, NightPlan, RunPlan

NIGHT = "night"

_UNIT = re.compile(r"(?:Run)?0*(\d{1,8})(?:\.0*(\d{1,6}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Part:
    """What one luigi task stands for.

    Parameters
    ----------
    unit
        ``Run02003.0001``, ``Run02003`` or ``night``.
    what
        ``calibration``, a leg, ``run calibration``, ``merge``, ``dl2``, ``datacheck``, ``plots``, ``longterm``, ``close``.
    needs
        Names of the parts that must be done first.
    """

    unit: str
    what: str
    group: Group
    needs: tuple[str, ...] = ()
    run: int | None = None
    subrun: int | None = None

    @property
    def name(self) -> str:
        """Unique in the night."""
        return f"{self.unit} {self.what}"


def parts(plan: NightPlan) -> Mapping[str, Part]:
    """All parts of a night by their names, in an order in which they could be made."""
    return {part.name: part for part in _parts(plan)}


def _parts(plan: NightPlan) -> list[Part]:
    found = [Part(NIGHT, "calibration", plan.calibration)] if plan.calibration else []
    for run in plan.runs.values():
        found += _of_run(run, calibrated=plan.calibration is None)
    if plan.longterm:
        checks = tuple(part.name for part in found if part.what == "datacheck")
        found.append(Part(NIGHT, "longterm", plan.longterm, checks))
    needed = {name for part in found for name in part.needs}
    last = tuple(part.name for part in found if part.name not in needed)
    return [*found, Part(NIGHT, "close", plan.close, last)]


def _of_run(run: RunPlan, *, calibrated: bool) -> Iterator[Part]:
    label, number = run.run.label, run.run.run_id
    first: tuple[str, ...] = () if calibrated or run.run.level is DataLevel.CALIBRATED else (f"{NIGHT} calibration",)
    last: tuple[str, ...] = ()
    for leg, subruns in run.legs.items():
        own = [Part(unit_label(number, n), leg, group, first, number, n) for n, group in subruns.items()]
        yield from own
        last = tuple(part.name for part in own)
        if run.calibration and leg == next(iter(run.legs)):
            starts_from = not calibrated and any(call.step == "cat_b" for call in run.calibration.calls)
            calibration = (f"{NIGHT} calibration",) if starts_from else ()
            yield Part(label, "run calibration", run.calibration, (*last, *calibration), number)
            first = (f"{label} run calibration",)
    merged, checked = (f"{label} merge",), (f"{label} datacheck",)
    kinds = (
        ("merge", run.merge, last),
        ("dl2", run.dl2, merged),
        ("datacheck", run.datacheck, last),
        ("plots", run.plots, checked),
    )
    yield from (Part(label, what, group, needs, number) for what, group, needs in kinds if group)


def parse(unit: str) -> tuple[int, int | None]:
    """Run and subrun that an operator means by ``2003``, ``Run02003``, ``2003.1`` or ``Run02003.0001``.

    Raises
    ------
    NightError
        It is neither.
    """
    found = _UNIT.fullmatch(unit)
    if not found:
        raise NightError(f"{unit!r}: give a run (2003), a subrun (2003.1), or {NIGHT}.")
    return int(found[1]), None if found[2] is None else int(found[2])


def chosen(plan: NightPlan, unit: str) -> list[Part]:
    """The parts of a run, of a subrun, or of the night as a whole.

    Parameters
    ----------
    unit
        ``2003``, ``Run02003``, ``2003.1``, ``Run02003.0001`` or ``night``.

    Raises
    ------
    NightError
        The night has no such unit, or does nothing with it.
    """
    if unit == NIGHT:
        return [part for part in parts(plan).values() if part.run is None]
    run, subrun = parse(unit)
    observed = plan.night.run(run)  # says which runs there are
    if subrun is not None:
        observed.subrun(subrun)
    if left_out := about(plan.decided, unit_label(run, subrun)):
        raise NightError(f"{unit_label(run, subrun)} is left out, by {left_out[-1]}. `osa undo` takes that back.")
    if run not in plan.runs:
        raise NightError(
            f"{run_label(run)} is a {observed.run_type} run: nothing is done for it alone. Ask for {NIGHT}, whose calibration it may be."
        )
    every = [part for part in parts(plan).values() if part.run == run]
    return [part for part in every if subrun is None or part.subrun == subrun]
