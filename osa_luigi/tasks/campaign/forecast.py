"""What a campaign would do, night by night, before it starts: what is to be made, linked, is there, and which settings are the reason.

Step keys decide, as when it runs: what one production of a night will hold, the next one will link.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from osa_luigi.config import Point
from osa_luigi.errors import ConfigurationError, OsaError
from osa_luigi.products.production import Production
from osa_luigi.products.receipt import Receipt, ReceiptBook
from osa_luigi.steps.call import StepCall
from osa_luigi.steps.close import Close
from osa_luigi.steps.plan import NightPlan
from osa_luigi.steps.standing import difference
from osa_luigi.tasks.campaign.standing import Nights
from osa_luigi.tasks.morning.look import State
from osa_luigi.tasks.notices import not_selected
from osa_luigi.tasks.opening import night_paths, open_session
from osa_luigi.tasks.outlook import REFUSED, TO_MAKE, Kind, Outlook, outlook
from osa_luigi.tasks.session import Session

AS_A_RESULT = "a product that was made otherwise"
"""How `difference` tells that only an input changed: the reason stands with the step that made the input."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is to be done about one production of a night.

    Parameters
    ----------
    state
        ``to do``, ``closed`` (nothing is to be done), ``no data`` or ``blocked``.
    make, link, there, refused
        Step → units.
    linked_from
        Production → units that are linked from it.
    why
        What differs from what there is: a setting, say, as ``dl1ab: config.tailcut.picture_thresh: 6 → 8``.
    note
        What a person should know, such as runs that are not selected.
    """

    date: date
    point: Point
    state: State
    make: Mapping[str, int] = field(default_factory=dict)
    link: Mapping[str, int] = field(default_factory=dict)
    there: Mapping[str, int] = field(default_factory=dict)
    refused: Mapping[str, int] = field(default_factory=dict)
    linked_from: Mapping[str, int] = field(default_factory=dict)
    why: tuple[str, ...] = ()
    note: str = ""

    def as_json(self) -> dict[str, Any]:
        """For a program to read."""
        return {
            "date": self.date.isoformat(),
            "production": self.point.production,
            "point": self.point.index,
            "labels": dict(self.point.labels),
            "state": str(self.state),
            **{name: dict(getattr(self, name)) for name in ("make", "link", "there", "refused", "linked_from")},
            "why": list(self.why),
            "note": self.note,
        }


def forecasts(nights: Nights, days: Iterable[date] | None = None) -> Iterator[Forecast]:
    """Each production of each night (of all, unless some are asked for), one at a time.

    Raises
    ------
    ConfigurationError
        It cannot be used.
    """
    for day in nights.campaign.nights() if days is None else days:
        if nights.has_raw(day):
            yield from _Day(nights, day).forecasts()
        else:
            yield from (Forecast(day, point, State.NO_DATA) for point in nights.campaign.all_points())


@dataclass
class _Promised:
    """What an earlier production of the same night will hold by then."""

    production: Production
    plan: NightPlan
    calls: Mapping[str, tuple[Production, StepCall]]


class _Day:
    """The productions of one night, each knowing what those before it will have made."""

    def __init__(self, nights: Nights, day: date) -> None:
        self._nights, self._day = nights, day
        self._promised: dict[str, dict[str, str]] = {}
        """``<step>.<unit>`` → step key → production."""
        self._before: _Promised | None = None

    def forecasts(self) -> Iterator[Forecast]:
        for point in self._nights.campaign.all_points():
            yield self._forecast(point)

    def _forecast(self, point: Point) -> Forecast:
        paths = night_paths(self._nights.configuration(point))
        if not paths.run_summary_file(self._day).exists():
            note = "the run summary is made first; what then is to be done is not known before"
            return Forecast(self._day, point, State.TO_DO, make={"run_summary": 1}, note=note)
        try:
            session = open_session(self._nights.config, self._day, "", point.procedure, to_write=False)
            return self._judged(point, session)
        except ConfigurationError:
            raise
        except (OsaError, OSError) as error:
            return Forecast(self._day, point, State.BLOCKED, note=str(error))

    def _judged(self, point: Point, session: Session) -> Forecast:
        counts = {name: Counter[str]() for name in ("make", "link", "there", "refused")}
        sources, reasons = Counter[str](), dict[str, list[str]]()
        refuses = ""
        for name, (production, call) in session.plan.calls.items():
            item = outlook(session, production, call)
            source = self._source(name, item)
            kind = "link" if source else _sort(item)
            counts[kind][call.step] += 1
            if source:
                sources[source] += 1
            elif kind == "make" and call.step not in (*reasons, Close.name):  # a marker is its production's own
                reasons[call.step] = self._why(session, production, call, item)
            elif item.refuses_night and not refuses:
                refuses = f"{call.name}: {item.why}"
        self._promise(session)
        state = State.BLOCKED if refuses else State.TO_DO if counts["make"] or counts["link"] else State.CLOSED
        left = not_selected(session.plan.night) if session.plan.night.unselected else ""
        why = tuple(f"{step}: {line}" for step, lines in reasons.items() for line in lines)
        return Forecast(
            self._day,
            point,
            state,
            **{name: dict(found) for name, found in counts.items()},
            linked_from=dict(sources),
            why=why,
            note="; ".join(part for part in (refuses, left) if part),
        )

    def _source(self, name: str, item: Outlook) -> str:
        """The production that a step will be linked from; empty if it will not be."""
        if item.kind is Kind.LINK:
            return item.detail[0]
        return self._promised.get(name, {}).get(item.call.key, "") if item.kind is Kind.NEW else ""

    def _why(self, session: Session, production: Production, call: StepCall, item: Outlook) -> list[str]:
        """What differs from what there is, or will be."""
        if item.kind is not Kind.NEW:
            return [item.why]
        configs = session.plan.configs
        other = _other(session, production, call)
        if other is None and self._before and call.name in self._before.calls:
            configs = {**self._before.plan.configs, **configs}
            holder, before = self._before.calls[call.name]
            other = (holder, _as_if_made(before))
        if other is None:
            return []
        lines = difference(other[0], call, other[1], configs)
        return [f"{line} (as against {other[0].id})" for line in lines if AS_A_RESULT not in line]

    def _promise(self, session: Session) -> None:
        production = session.plan.production
        for name, (_, call) in session.plan.calls.items():
            self._promised.setdefault(name, {}).setdefault(call.key, production.id)
        self._before = _Promised(production, session.plan, session.plan.calls)


def _sort(item: Outlook) -> str:
    if item.kind in TO_MAKE:
        return "make"
    return "refused" if item.kind in REFUSED else "there"


def _other(session: Session, production: Production, call: StepCall) -> tuple[Production, Receipt] | None:
    """What another production of the night holds of the same unit, made otherwise."""
    for sibling in production.siblings():
        try:
            receipt = ReceiptBook(sibling, call.unit.partition(".")[0]).receipt(call.name)
        except (OsaError, OSError):
            continue
        if receipt:
            return sibling, receipt
    return None


def _as_if_made(call: StepCall) -> Receipt:
    """The receipt that a call will have, as far as it can be told before."""
    inputs = tuple(
        {"role": item.role, "path": str(item.path), "identity": item.identity, "key": item.key} for item in call.inputs
    )
    return Receipt(call.step, call.unit, call.key, 1, call.settings, inputs, (), {}, {})


def fake(nights: Nights, point: Point) -> bool:
    """Whether a point's steps only pretend."""
    return nights.configuration(point).procedure.fake is not None
