"""Luigi's own command for each night that is to be processed, so many at a time, and how each ended.

The nights end with whoever started them: asked to stop, they are stopped as by Ctrl-C; if it is killed, the kernel kills them. Nothing is
lost by that, and what SLURM has goes on.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path

from osa_luigi.errors import OsaError
from osa_luigi.night.dates import compact
from osa_luigi.process import host
from osa_luigi.tasks.looking import overview
from osa_luigi.tasks.morning.look import Asked, Night, State, judged, now_utc
from osa_luigi.tasks.opening import open_session
from osa_luigi.tasks.processes import POLL_S, Command, Processes

ALREADY_RUNNING = 10
TAIL_BYTES = 100_000


@dataclass(frozen=True, slots=True)
class Run:
    """A night that was started.

    Parameters
    ----------
    night
        How it stood when its engine had ended.
    log
        What the engine printed.
    code
        Its exit code; negative: the signal that ended it.
    minutes
        That it took.
    """

    night: Night
    log: Path
    code: int
    minutes: float


class Engines:
    """Starts nights, and looks after them.

    Parameters
    ----------
    parallel
        Nights at a time, at most.
    options
        Further options for luigi's command.
    told
        Called with each night as it is started.
    """

    def __init__(
        self,
        asked: Asked,
        logs: Path,
        parallel: int,
        options: Iterable[str] = (),
        told: Callable[[Night, Path], None] = lambda night, log: None,
    ) -> None:
        self._asked, self._logs, self._options, self._told = asked, logs, tuple(options), told
        self._parallel = parallel
        self._processes: Processes[Night] = Processes()
        self._began: dict[Night, datetime] = {}
        self._runs: list[Run] = []
        self._tell: Callable[[Run], None] = lambda run: None

    def run(self, nights: Iterable[Night], ended: Callable[[Run], None] = lambda run: None) -> list[Run]:
        """Run nights to their end, or until `stop` is called.

        Raises
        ------
        ExecutorError
            A log cannot be written; what runs is stopped.
        """
        self._tell = ended
        waiting = iter(nights)
        with self._processes:
            self._fill(waiting)
            while self._processes:
                time.sleep(POLL_S)
                for night, command, code in self._processes.ended():
                    self._ended(night, command, code)
                self._fill(waiting)
        return self._runs

    def stop(self, *_: object) -> None:
        """Start no more, and end what runs as Ctrl-C would; a handler of signals."""
        self._processes.stop()

    @property
    def stopped(self) -> bool:
        """Whether somebody asked for the end."""
        return self._processes.stopped

    def _fill(self, waiting: Iterator[Night]) -> None:
        while len(self._processes) < self._parallel and not self.stopped and (night := next(waiting, None)):
            self._began[night] = now_utc()
            command = night_command(self._asked, night, self._logs, self._began[night], self._options)
            self._processes.start(night, command)
            self._told(night, command.log)

    def _ended(self, night: Night, command: Command, code: int) -> None:
        began = self._began[night]
        minutes = (now_utc() - began).total_seconds() / 60
        state = outcome(self._asked, night, Ended(command.log, code, began, self.stopped))
        self._runs.append(Run(state, command.log, code, round(minutes, 1)))
        self._tell(self._runs[-1])


@dataclass(frozen=True, slots=True)
class Ended:
    """An engine that has ended; `stopped` if it was asked to."""

    log: Path
    code: int
    began: datetime
    stopped: bool


def outcome(asked: Asked, night: Night, ended: Ended) -> Night:
    """How a night stands once its engine has ended, and why."""
    if ended.code == ALREADY_RUNNING:
        return replace(night, state=State.AT_WORK, why=_last_error(ended.log))
    found = judged(asked, night.date)
    if found.state is not State.TO_DO:
        return found
    if ended.stopped:
        return replace(found, state=State.STOPPED, why=found.why)
    why = _failures(asked, night, ended.began) or _last_error(ended.log) or f"luigi ended with {ended.code}"
    return replace(found, state=State.INCOMPLETE, why=why)


def night_command(asked: Asked, night: Night, logs: Path, began: datetime, options: Iterable[str] = ()) -> Command:
    """Luigi's own command for a night, with its log."""
    environment = {"OSA_CONFIG": str(asked.config.absolute())}
    return Command(command(asked, night.date, options), log_file(logs, night, began), environment)


def command(asked: Asked, day: date, options: Iterable[str] = ()) -> list[str]:
    """Luigi's own command for a night, by the very Python that runs this."""
    chosen: Mapping[str, str] = {"--production": asked.production, "--procedure": asked.procedure}
    words = [word for option, value in chosen.items() if value for word in (option, value)]
    luigi = [sys.executable, "-m", "luigi", "--module", "osa_luigi", "NightTask"]
    return [*luigi, "--date", day.isoformat(), *words, *options]


def log_file(logs: Path, night: Night, began: datetime) -> Path:
    """``<logs>/<YYYYMMDD>/<production>.<time>.<host>-<process>.log``: two at once never write the same."""
    name = f"{night.production}.{began:%Y%m%dT%H%M%S}.{host()}-{os.getpid()}.log"
    return logs / compact(night.date) / name


def _failures(asked: Asked, night: Night, began: datetime) -> str:
    """What failed since the engine was started, by the exit records."""
    try:
        session = open_session(asked.config, night.date, asked.production, asked.procedure, to_write=False)
        failures = [one for one in overview(session).failures if datetime.fromisoformat(one.ended) >= began]
    except (OsaError, OSError) as error:
        return str(error)
    if not failures:
        return ""
    first = failures[0]
    more = f" and {len(failures) - 1} more" if len(failures) > 1 else ""
    reason = (first.reason.splitlines() or ["no reason was recorded"])[0]
    return f"{first.step} {first.unit}{more} failed: {reason}"


def _last_error(log: Path) -> str:
    """The last error that luigi logged."""
    with log.open("rb") as file:
        file.seek(max(log.stat().st_size - TAIL_BYTES, 0))
        lines = file.read().decode(errors="replace").splitlines()
    errors = [line.partition("ERROR: ")[2] for line in lines if line.startswith("ERROR: ")]
    return errors[-1] if errors else ""
