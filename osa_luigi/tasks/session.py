"""What the tasks of one night share: validated configuration, observed night, plan, and what is made already.

Luigi asks tasks again and again what they require and whether they are complete, also in a process that only got a task back from the
scheduler. So the answer is worked out once for each (date, production) and kept.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cache, partial
from pathlib import Path

from osa_luigi.batch.lease import take_lease
from osa_luigi.config import Configuration, load
from osa_luigi.errors import ConfigurationError, ExecutorError, KeyConflictError, NightError, ProductError
from osa_luigi.night import (
    CalibrationSource,
    DataLevel,
    Night,
    NightPaths,
    Run,
    Selection,
    compact,
    observe,
    select,
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
from osa_luigi.steps.planner import declared_part, plan_night
from osa_luigi.steps.standing import Standing, difference, is_of_one_unit, standing
from osa_luigi.tasks.begun import Books, Choice, choose_calibration, pointings_in_use
from osa_luigi.tasks.policies import decide_by_rules
from osa_luigi.tasks.provided import with_provided

logger = logging.getLogger("luigi-interface")

PRODUCTION_ID = r"(?!\.)[A-Za-z0-9._+-]{1,64}"

SHOWN = 5
"""Conflicts that a message shows."""


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


def passed_over(night: Night) -> list[str]:
    """For people: there are raw files of runs that are not processed."""
    parts = []
    if night.unlisted_runs:
        runs = ", ".join(map(str, night.unlisted_runs))
        parts.append(f"raw files of runs that the run summary lacks: {runs} (make it again, then run again)")
    if night.erroneous:
        parts.append(left_out(night))
    return parts


def came_late(night: Night) -> list[str]:
    """For people: there are subruns that the run summary does not count, since their files came after it was made."""
    late = [subrun.label for run in night.data_runs for subrun in run.subruns if run.n_subruns <= subrun.subrun]
    if not late:
        return []
    more = f" and {len(late) - SHOWN} more" if len(late) > SHOWN else ""
    return [
        f"raw files that came after the run summary was made: {', '.join(late[:SHOWN])}{more} (their subruns are processed with the "
        "others; run the night again to add them)"
    ]


def not_selected(night: Night) -> str:
    """For people: there are DATA runs that the procedure does not ask for."""
    runs = ", ".join(f"{run} ({why})" for run, why in list(night.unselected.items())[:SHOWN])
    more = f" and {len(night.unselected) - SHOWN} more" if len(night.unselected) > SHOWN else ""
    return f"not selected: {runs}{more}"


def left_out(night: Night) -> str:
    """For people: there are runs that are not processed because of their type."""
    runs = ", ".join(str(run.run_id) for run in night.erroneous)
    return (
        f"runs of type ERROR in the run summary are not processed: {runs} (lstchain could not read their subrun 0, or a "
        "person wrote it; after a repair make the run summary again, then run again)"
    )


def newer_calibration(newer: CalibrationSource) -> str:
    """For people: there are later calibration runs than those that the production was begun with."""
    return (
        f"newer calibration runs are not used, DRS4 {newer.drs4_run} and PEDCALIB {newer.pedcal_run} of "
        f"{newer.date.isoformat()}: the production keeps what it was begun with; another production id takes them"
    )


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


MOST_SPAWNED = 3
"""Spawned, done, and once more for a product that was lost while the night ran."""


_sessions: dict[tuple[date, str], Session] = {}
_procedures: dict[str, str] = {}


def config_path() -> Path:
    """Path of the main configuration, as luigi has it: by its files, or from its command line."""
    from osa_luigi.tasks.settings import (
        osa_luigi,
    )  # luigi's import takes a second, and not all who open a night need it

    return Path(osa_luigi().config)


def note_made(production: Production, name: str, key: str) -> None:
    """Something was made: every night that was opened hears of it, since an earlier night's calibration is made in that night."""
    for opened in _sessions.values():
        opened.made.add((production, name, key))


def forget_sessions() -> None:
    """As if this were a new process: for tests, and for whoever changes the configuration under way."""
    _sessions.clear()
    _procedures.clear()


def forget_session(day: date, production: str) -> None:
    """Free the memory of a night that is closed, so that it does not grow with a campaign; asked for again, it is opened anew."""
    _sessions.pop((day, production), None)


def choose_procedure(production: str, procedure: str) -> None:
    """Remember which procedure a production id stands for: tasks below NightTask only know the production."""
    if procedure:
        _procedures[production] = procedure


def session(day: date, production: str = "") -> Session:
    """The session of a night, opened once.

    Parameters
    ----------
    day
        Observation date.
    production
        Production id; empty: the procedure's own.

    Raises
    ------
    OsaError
        The configuration is wrong, or the night cannot be observed or planned.
    """
    key = (day, production)
    if key not in _sessions:
        _sessions[key] = open_session(config_path(), day, production, _procedures.get(production, ""))
    return _sessions[key]


def open_session(
    config: Path, day: date, production: str = "", procedure: str = "", *, to_write: bool = True
) -> Session:
    """Validate, observe, plan; nothing is run, nothing written. Without `to_write` nobody asks whether anything could be,
    and the receipts are read in one pass, as who looks at a night asks for all of them.
    """
    configuration = with_provided(configure(config, production, procedure, to_write=to_write), day)
    observed = cache(partial(observe, night_paths(configuration)))
    night = selected(observed(day), configuration)
    root = production_folder(configuration, day)
    books = cache(lambda one: ReceiptBook(one, at_once=one == root and not to_write))
    decided = standing_decisions(decisions(root))
    chosen = _calibration(configuration, night, decided, root, books, observed)
    earlier = observed(chosen.source.date) if chosen.source and chosen.source.date != day else None
    pointings = pointings_in_use(night, books(root))
    planned = partial(plan_night, configuration, night, chosen.source, root, earlier, pointings)
    return Session(configuration, replace(planned(decided), newer=chosen.newer), {root: books(root)}, replan=planned)


def configure(
    config: Path, production: str = "", procedure: str = "", *, to_write: bool = True, check_files: bool = True
) -> Configuration:
    """The validated configuration, with a production id from the command line in place of the procedure's."""
    configuration = load(config, procedure or None, to_write=to_write, check_files=check_files)
    if not production:
        return configuration
    if not re.fullmatch(PRODUCTION_ID, production):
        raise ConfigurationError(
            [f"--production {production!r}: letters, digits and . _ + - only, 64 at most, not beginning with a dot"]
        )
    return replace(configuration, procedure=replace(configuration.procedure, production_id=production))


def night_paths(configuration: Configuration) -> NightPaths:
    """The folders that observing reads."""
    paths = configuration.main.site.paths
    # What our own gain selection makes lies in the production; a site's R0G is read only where R0 is not raw any more.
    return NightPaths(
        r0=paths.r0,
        r0g=None if configuration.procedure.gain_selection.enabled else paths.r0g,
        run_summary=paths.run_summary,
        run_catalog=paths.run_catalog,
        drive=paths.drive,
        time_calibration=paths.time_calibration,
        systematics=paths.systematics,
        pedestal_ids=paths.pedestal_ids,
    )


def selected(night: Night, configuration: Configuration) -> Night:
    """The night with those runs that the procedure is for."""
    asked = configuration.procedure.select
    if asked.takes_all:
        return night
    limits = (asked.zenith.min, asked.zenith.max)
    return select(
        night,
        Selection(
            numbers=asked.runs.get(night.date.isoformat()),
            sources=asked.sources,
            types=asked.types,
            zenith=limits,
            take_unknown=asked.zenith.unknown == "take",
        ),
    )


def production_folder(configuration: Configuration, day: date) -> Production:
    """``running_analysis/<YYYYMMDD>/<production id>``."""
    folder = configuration.main.site.paths.running_analysis
    return Production(folder / compact(day) / configuration.procedure.production_id)


def _calibration(
    configuration: Configuration,
    night: Night,
    decided: Decided,
    production: Production,
    books: Books,
    observed: Callable[[date], Night],
) -> Choice:
    try:
        days = configuration.procedure.calibration.look_back_days
        return choose_calibration(night, days, production, books, observed)
    except NightError:
        left = [run for run in night.data_runs if not run.subruns or declared_part(run, decided).subruns]
        if _needs_calibration(configuration, left):
            raise
        return Choice(None)


def _needs_calibration(configuration: Configuration, runs: Iterable[Run]) -> bool:
    """Data that the event builder has calibrated need none, unless a Cat-B calibration starts from it."""
    return configuration.procedure.cat_b.enabled or any(run.level is not DataLevel.CALIBRATED for run in runs)
