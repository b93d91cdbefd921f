"""What the tasks of one analysis share: its settings, the closed nights that it reads, its plan, and what is made already."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property

from osa_luigi.analysis.describe import ask
from osa_luigi.batch.lease import take_lease
from osa_luigi.config import Analysis, MainConfig, load_analysis, load_campaign, load_main, thaw
from osa_luigi.config.analysis import Source
from osa_luigi.config.kinds import ANALYSIS_TYPE, COMMANDS, RECONSTRUCTION
from osa_luigi.errors import ExecutorError, NightError, ProductError
from osa_luigi.night import compact
from osa_luigi.products.attempts import Record, read_records
from osa_luigi.products.commit import finish_move
from osa_luigi.products.disk import disk_trouble
from osa_luigi.products.linking import find_equal, link_product
from osa_luigi.products.production import Production
from osa_luigi.products.receipt import Presence, ReceiptBook
from osa_luigi.runner.leg import sweep_scratch
from osa_luigi.steps.call import StepCall
from osa_luigi.steps.closed import ClosedNight, closed_night
from osa_luigi.steps.plan_analysis import CAMPAIGNS, AnalysisPlan, analysis_production, class_spec, plan_analysis
from osa_luigi.tasks.campaign.standing import Nights
from osa_luigi.tasks.opening import config_path

logger = logging.getLogger("luigi-interface")


@dataclass
class AnalysisSession:
    """One analysis of one night, or of many.

    Parameters
    ----------
    made
        Name and key of what was made since the receipts were read.
    """

    main: MainConfig
    settings: Analysis
    plan: AnalysisPlan
    made: set[tuple[str, str]] = field(default_factory=set)
    begun: bool = False

    @cached_property
    def book(self) -> ReceiptBook:
        """The receipts, read once."""
        return ReceiptBook(self.plan.production)

    def is_done(self, calls: Iterable[StepCall]) -> bool:
        """Whether the products of all these calls are made, with these keys, and lie where they belong."""
        return all((call.name, call.key) in self.made or self._is_made(call) for call in calls)

    def failure(self, call: StepCall) -> Record | None:
        """The exit record of its last attempt, if that failed and is of this very step key."""
        last = next(reversed(self._records.get(call.name, ())), None)
        return last if last and last["outcome"] == "failed" and last["key"] == call.key else None

    @cached_property
    def _records(self) -> dict[str, list[Record]]:
        return read_records(self.plan.production)

    def _is_made(self, call: StepCall) -> bool:
        if self.book.key(call.name) != call.key:
            return False
        state = self.book.presence(call.name)
        if state is Presence.UNMOVED and (receipt := self.book.receipt(call.name)):
            finish_move(self.plan.production, receipt)
        return state is not Presence.LOST

    def begin(self) -> None:
        """Before the first job: become the one engine of its production, tidy up, link what another one holds.

        Raises
        ------
        ExecutorError
            Another process works on it, or its folder cannot be written.
        """
        if self.begun:
            return
        production = self.plan.production
        try:
            take_lease(production)
            self.plan.write_configs()
            sweep_scratch(production)
            linked = self._link_equal()
        except OSError as error:
            raise ExecutorError(
                f"{error.filename or production.root}: {error.strerror}; the production's folder must be writable. "
                f"{disk_trouble(production.root)}"
            ) from error
        self.begun = True
        logger.info(
            "analysis %s, production %s of %s: %d steps, %d of them linked from other productions",
            *(self.settings.name, production.id, production.root.parent.name, len(self.plan.calls), linked),
        )

    def _link_equal(self) -> int:
        production = self.plan.production
        missing = [call for call in self.plan.calls if self.book.key(call.name) is None]
        books = {one: ReceiptBook(one) for one in production.siblings() if missing and _may_read(one)}
        linked = 0
        for call in missing:
            found = find_equal(books, call.name, call.key)
            if found and link_product(*found, production):
                self.made.add((call.name, call.key))
                linked += 1
        return linked


def _may_read(production: Production) -> bool:
    """Another user's production may be private, or damaged: then it is as if it were not there."""
    try:
        ReceiptBook(production)
    except (OSError, ProductError):
        return False
    return True


def find_analysis(name: str, production: str = "") -> tuple[MainConfig, Analysis]:
    """The site, and an analysis of its library, with a production id of the command line in place of its own.

    Raises
    ------
    ConfigurationError
        They are wrong.
    """
    main = load_main(config_path(), check_files=False)
    settings = load_analysis(main, name or None)
    return main, replace(settings, production_id=production) if production else settings


def open_analysis(main: MainConfig, settings: Analysis, days: Sequence[date]) -> AnalysisSession:
    """Plan an analysis of closed nights; nothing is run, nothing written.

    Raises
    ------
    OsaError
        A night is not closed, what is read is not there, or the class cannot be used.
    """
    days = asked_nights(main, settings, days)
    nights = [_closed(main, source, day) for source in settings.sources for day in _days_of(source, days)]
    described = ask(class_spec(settings), thaw(settings.parameters))
    return AnalysisSession(main, settings, plan_analysis(main, settings, nights, described))


def asked_nights(main: MainConfig, settings: Analysis, days: Sequence[date]) -> tuple[date, ...]:
    """The nights to read: those asked for, or all of the campaign that is read, as far as there are data of them.

    Raises
    ------
    NightError
        None is asked for, or several where the analysis takes one.
    """
    if not days and settings.campaign:
        nights = Nights(main.path, main, load_campaign(main, settings.campaign, each_value=False))
        days = [day for day in nights.campaign.nights() if nights.has_raw(day)]
    require_scope(settings, days)
    return tuple(days)


def source_production(main: MainConfig, source: Source, day: date | None) -> Production:
    """Where a production lies that an analysis reads."""
    folder = compact(day) if day else CAMPAIGNS
    return Production(main.site.paths.running_analysis / folder / source.production)


def _days_of(source: Source, days: Sequence[date]) -> Sequence[date | None]:
    return [None] if source.scope == "campaign" else days


def _closed(main: MainConfig, source: Source, day: date | None) -> ClosedNight:
    command = COMMANDS[ANALYSIS_TYPE if source.scope else RECONSTRUCTION].format(name=source.procedure)
    command = command.replace("DATE", day.isoformat() if day else "DATE..DATE")
    return closed_night(source_production(main, source, day), source.procedure, day, command)


def require_scope(settings: Analysis, days: Sequence[date]) -> None:
    """A night is one, a campaign one or more.

    Raises
    ------
    NightError
        No night is asked for, or several where the analysis takes one.
    """
    if not days:
        raise NightError(
            f"of which night is {settings.name} to be made? Name it (--date); of a campaign several: 2024-11-15,2024-11-18..2024-11-20"
        )
    if settings.scope != "campaign" and len(days) > 1:
        raise NightError(
            f"{settings.name} takes one night at a time (scope: {settings.scope}), not {len(days)}: start it for "
            "each, or set scope: campaign"
        )


_sessions: dict[tuple[str, tuple[date, ...], str], AnalysisSession] = {}


def analysis_session(name: str, days: tuple[date, ...], production: str) -> AnalysisSession:
    """The session of an analysis, opened once."""
    key = (name, days, production)
    if key not in _sessions:
        _sessions[key] = open_analysis(*find_analysis(name, production), days)
    return _sessions[key]


def forget_analyses() -> None:
    """As if this were a new process; an analysis that is asked for again is opened anew."""
    _sessions.clear()


def production_of_analysis(main: MainConfig, settings: Analysis, days: Sequence[date]) -> Production:
    """Where an analysis's products go."""
    days = asked_nights(main, settings, days)
    return analysis_production(main, settings, days[0])
