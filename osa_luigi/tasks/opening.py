"""Opens the session of a night: reads the configuration, observes, plans; and keeps it for the tasks of the night.

Luigi asks tasks again and again what they require and whether they are complete, also in a process that only got a task back from the
scheduler. So the answer is worked out once for each (date, production) and kept.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import date
from functools import cache, partial
from pathlib import Path

from osa_luigi.config import Configuration, load
from osa_luigi.errors import ConfigurationError, NightError
from osa_luigi.night import DataLevel, Night, NightPaths, Run, Selection, compact, observe, select
from osa_luigi.products.decisions import Decided, decisions
from osa_luigi.products.decisions import standing as standing_decisions
from osa_luigi.products.production import Production
from osa_luigi.products.receipt import ReceiptBook
from osa_luigi.steps.planner import declared_part, plan_night
from osa_luigi.tasks.begun import Books, Choice, choose_calibration, pointings_in_use
from osa_luigi.tasks.provided import with_provided
from osa_luigi.tasks.session import Session, opened

PRODUCTION_ID = r"(?!\.)[A-Za-z0-9._+-]{1,64}"

_procedures: dict[str, str] = {}


def config_path() -> Path:
    """Path of the main configuration, as luigi has it: by its files, or from its command line."""
    # Luigi's import takes a second, and not all who open a night need it.
    from osa_luigi.tasks.settings import osa_luigi

    return Path(osa_luigi().config)


def forget_sessions() -> None:
    """As if this were a new process: for tests, and for whoever changes the configuration under way."""
    opened.clear()
    _procedures.clear()


def forget_session(day: date, production: str) -> None:
    """Free the memory of a night that is closed, so that it does not grow with a campaign; asked for again, it is opened anew."""
    opened.pop((day, production), None)


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
    if key not in opened:
        opened[key] = open_session(config_path(), day, production, _procedures.get(production, ""))
    return opened[key]


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
