"""What the tasks of one night share: validated configuration, observed night, plan, and what is made already."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date

from osa_luigi.batch.lease import take_lease
from osa_luigi.config import Configuration
from osa_luigi.errors import ExecutorError, KeyConflictError, ProductError
from osa_luigi.night import (
    compact,
)
from osa_luigi.products.commit import finish_move
from osa_luigi.products.decisions import Decided, decisions
from osa_luigi.products.decisions import standing as standing_decisions
from osa_luigi.products.disk import disk_trouble
from osa_luigi.products.linking import find_equal, link_product
from osa_luigi.products.production import Production
from osa_luigi.products.receipt import Presence, Receipt, ReceiptBook
from osa_luigi.steps.call import StepCall
from osa_luigi.steps.plan import NightPlan
from osa_luigi.steps.standing import Standing, difference, is_of_one_unit, standing
from osa_luigi.tasks.notices import newer_calibration, not_selected, passed_over
from osa_luigi.tasks.policies import decide_by_rules

logger = logging.getLogger("luigi-interface")


SHOWN = 5
"""Conflicts that a message shows."""


MOST_SPAWNED = 3
"""Spawned, done, and once more for a product that was lost while the night ran."""


@dataclass
class Session:
    """One night under one production id."""

    configuration: Configuration
    plan: NightPlan
    books: dict[Production, ReceiptBook]
    made: set[tuple[Production, str, str]] = field(default_factory=set)
    """Production, name and key of what was made since the books were read."""
    spawned: int = 0
    """How often the tasks of the closed night were spawned."""
    begun: bool = False
    siblings: dict[Production, list[Production]] = field(default_factory=dict)
    """The other productions of the same night, listed once."""
    replan: Callable[[Decided, NightPlan], NightPlan] | None = None
    """The plan as it is with other decisions."""

    def is_done(self, calls: Iterable[StepCall], production: Production) -> bool:
        """Whether the products of all these calls are made, with these keys, and lie where they belong."""
        return all((production, call.name, call.key) in self.made or self._is_made(production, call) for call in calls)

    def require_progress(self) -> None:
        """Luigi spawns a night's tasks until the night is complete; one that never will be must not keep it at that.

        Only spawning a night that is closed counts: another is spawned again when the scheduler had lost it.

        Raises
        ------
        ProductError
            All tasks were done, and products are missing all the same: something takes them away.
        """
        if not self.is_done(self.plan.close.calls, self.plan.close.production):
            return
        self.spawned += 1
        if self.spawned > MOST_SPAWNED:
            lost = [
                name for name, (production, call) in self.plan.calls.items() if not self.is_done([call], production)
            ]
            raise ProductError(
                f"{self.plan.production.root}: every step was made, yet the products of {len(lost)} are not there: "
                f"{', '.join(lost[:SHOWN])}. Find out who removes files there, then run the night again."
            )

    def book(self, production: Production) -> ReceiptBook:
        """The receipts of a production, read once."""
        if production not in self.books:
            self.books[production] = ReceiptBook(production)
        return self.books[production]

    def _is_made(self, production: Production, call: StepCall) -> bool:
        book = self.book(production)
        if book.key(call.name) != call.key:
            return False
        state = book.presence(call.name)
        if state is Presence.UNMOVED and (receipt := book.receipt(call.name)):
            finish_move(production, receipt)
        return state is not Presence.LOST

    def begin(self) -> None:
        """Before the first job: refuse what must be refused, become the one engine, tidy up, link what is there already.

        Raises
        ------
        OsaError
            The night may not be worked on, by this process or with these settings.
        """
        if self.begun:
            return
        from osa_luigi.runner.leg import sweep_scratch

        self.refuse_conflicts()
        production = self.plan.production
        try:
            generation = take_lease(production)
            self.apply_policies()
            self.plan.write_configs()
            # Run summaries are made beside those of other nights, so nobody else sweeps there.
            summaries = Production(self.configuration.main.site.paths.run_summary)
            swept = sweep_scratch(production) + sweep_scratch(summaries)
            linked = self.link_equal()
        except OSError as error:
            raise ExecutorError(
                f"{error.filename or production.root}: {error.strerror}; the production's folder must be writable. "
                f"{disk_trouble(production.root)}"
            ) from error
        self.begun = True
        logger.info("%s", _beginning(self.plan, generation, swept, linked))

    def apply_policies(self, run_id: int | None = None) -> None:
        """Decide by the procedure's rules, about all runs or one, and go on with the plan as it is then.

        Raises
        ------
        OsaError
            A decision cannot be read, or not be written.
        """
        rules = self.configuration.procedure.discard
        if not (rules.any and self.replan):
            return
        try:
            made = decide_by_rules(self.plan, rules, run_id)
            if made:
                self.plan = self.replan(standing_decisions(decisions(self.plan.production)), self.plan)
                self.plan.write_configs()
        except OSError as error:
            raise ExecutorError(
                f"{error.filename or self.plan.production.root}: {error.strerror}: nothing could be decided. "
                f"{disk_trouble(self.plan.production.root)}"
            ) from error
        for decision in made:
            logger.warning("%s", decision)

    def refuse_conflicts(self) -> None:
        """Compare the plan with what the production holds.

        What one unit was made from is not looked at: where that changed, its own attempt is refused, and the rest of the night goes on.

        Raises
        ------
        KeyConflictError
            Something was made with other scientific settings under this production id.
        """
        conflicts = [
            (production, call, receipt)
            for production, call in self.plan.calls.values()
            if self.book(production).key(call.name) not in (None, call.key)
            and (receipt := self.book(production).receipt(call.name))
            and standing(call, receipt) is Standing.CONFLICT
            and not is_of_one_unit(call, receipt)
        ]
        if conflicts:
            raise KeyConflictError(_conflict_message(self.plan, conflicts))

    def link_equal(self) -> int:
        """Take over what other productions of the night hold under the same key; returns how many steps."""
        linked = 0
        for production, call in self.plan.calls.values():
            if self.book(production).key(call.name) is None and self._link(production, call):
                note_made(production, call.name, call.key)
                linked += 1
        return linked

    def equal_elsewhere(self, production: Production, call: StepCall) -> tuple[Production, Receipt] | None:
        """Where another production of the same night holds a product of the same key."""
        others = {sibling: self.book(sibling) for sibling in self._siblings(production)}
        return find_equal(others, call.name, call.key)

    def _link(self, production: Production, call: StepCall) -> bool:
        found = self.equal_elsewhere(production, call)
        return found is not None and link_product(*found, production)

    def _siblings(self, production: Production) -> list[Production]:
        if production not in self.siblings:
            self.siblings[production] = [one for one in production.siblings() if self._may_read(one)]
        return self.siblings[production]

    def _may_read(self, sibling: Production) -> bool:
        """Another user's production may be private, or damaged: then it is as if it were not there."""
        try:
            self.book(sibling)
        except (OSError, ProductError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            logger.warning("%s: %s: nothing is linked from that production", sibling.root, why)
            return False
        return True


opened: dict[tuple[date, str], Session] = {}
"""The sessions of this process, by date and production id (opening.py)."""


def note_made(production: Production, name: str, key: str) -> None:
    """Something was made: every night that was opened hears of it, since an earlier night's calibration is made in that night."""
    for one in opened.values():
        one.made.add((production, name, key))


def _beginning(plan: NightPlan, generation: int, swept: int, linked: int) -> str:
    subruns = sum(len(run.run.subruns) for run in plan.runs.values())
    parts = [
        f"night {compact(plan.night.date)}, production {plan.production.id} (engine generation {generation}): "
        f"{len(plan.runs)} DATA runs, {subruns} subruns, {len(plan.calls)} steps"
    ]
    if plan.source and plan.source.date != plan.night.date:
        none = "" if plan.night.has_calibration else ": tonight has none"
        parts.append(f"calibration of {plan.source.date.isoformat()}{none}")
    if plan.newer:
        parts.append(newer_calibration(plan.newer))
    if plan.decided:
        parts.append(f"left out by decisions: {', '.join(plan.decided)}")
    parts.extend(passed_over(plan.night))
    if plan.night.unselected:
        parts.append(not_selected(plan.night))
    if swept:
        parts.append(f"{swept} scratch folders of killed attempts removed")
    if linked:
        parts.append(f"{linked} steps linked from other productions of the night")
    return "; ".join(parts)


def _conflict_message(plan: NightPlan, conflicts: list[tuple[Production, StepCall, Receipt]]) -> str:
    """The first conflicts by what they change; the same change is told once."""
    production = plan.production
    told: dict[str, int] = {}
    for holder, call, receipt in conflicts:
        for line in difference(holder, call, receipt, plan.configs):
            told[f"{call.step}: {line}"] = told.get(f"{call.step}: {line}", 0) + 1
    lines = [f"  {line} ({count} units)" for line, count in list(told.items())[:SHOWN]]
    more = [f"  … and {len(told) - SHOWN} more differences"] if len(told) > SHOWN else []
    return "\n".join(
        [
            f"production {production.id} of {production.root.parent.name} holds {len(conflicts)} steps "
            "that were made with other scientific settings, software or models:",
            *lines,
            *more,
            "Nothing was changed. Give the new settings a production id of their own (--production …: what the change "
            "does not reach is linked, not made again), or restore the settings.",
        ]
    )
