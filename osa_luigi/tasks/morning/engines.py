"""Luigi's own command for each night that is to be processed, so many at a time, and how each ended.

The nights end with whoever started them: asked to stop, they are stopped as by Ctrl-C; if it is killed, the kernel kills them. Nothing is
lost by that, and what SLURM has goes on.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import IO

from osa_luigi.errors import ExecutorError, OsaError
from osa_luigi.night.dates import compact
from osa_luigi.process import host
from osa_luigi.runner.lifeline import die_with
from osa_luigi.tasks.morning.look import Asked, Night, State, judged, now_utc
from osa_luigi.tasks.overview import overview
from osa_luigi.tasks.session import open_session

ALREADY_RUNNING = 10
POLL_S = 0.2
STOPPING_S = 60.0
"""A night that was asked to stop is killed after so long."""

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


@dataclass(slots=True)
class _Engine:
    night: Night
    log: Path
    process: subprocess.Popen[bytes]
    began: datetime


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
        self._asked, self._logs, self._parallel = asked, logs, parallel
        self._options, self._told = tuple(options), told
        self._running: list[_Engine] = []
        self._stopping = False

    def run(self, nights: Iterable[Night], ended: Callable[[Run], None] = lambda run: None) -> list[Run]:
        """Run nights to their end, or until `stop` is called.

        Raises
        ------
        ExecutorError
            A log cannot be written; what runs is stopped.
        """
        waiting, runs = list(nights), list[Run]()
        try:
            while self._running or (waiting and not self._stopping):
                while waiting and len(self._running) < self._parallel and not self._stopping:
                    self._start(waiting.pop(0))
                time.sleep(POLL_S)
                for engine in [one for one in self._running if one.process.poll() is not None]:
                    self._running.remove(engine)
                    runs.append(self._ended(engine))
                    ended(runs[-1])
        except BaseException:
            self._stop_all()
            raise
        return runs

    def stop(self, *_: object) -> None:
        """Start no more, and end what runs as Ctrl-C would; a handler of signals."""
        self._stopping = True
        for engine in self._running:
            engine.process.send_signal(signal.SIGINT)

    @property
    def stopped(self) -> bool:
        """Whether somebody asked for the end."""
        return self._stopping

    def _stop_all(self) -> None:
        self.stop()
        until = time.monotonic() + STOPPING_S
        for engine in self._running:
            try:
                engine.process.wait(max(until - time.monotonic(), 0))
            except subprocess.TimeoutExpired:
                engine.process.kill()
                engine.process.wait()

    def _start(self, night: Night) -> None:
        began = now_utc()
        log = log_file(self._logs, night, began)
        with _opened(log) as file:
            process = subprocess.Popen(
                command(self._asked, night.date, self._options),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env={**os.environ, "OSA_CONFIG": str(self._asked.config.absolute())},
                start_new_session=True,  # a terminal's Ctrl-C is for us, and we hand it on once
                preexec_fn=partial(die_with, os.getpid()),
            )
        self._running.append(_Engine(night, log, process, began))
        self._told(night, log)

    def _ended(self, engine: _Engine) -> Run:
        code = engine.process.returncode
        minutes = (now_utc() - engine.began).total_seconds() / 60
        return Run(self._outcome(engine, code), engine.log, code, round(minutes, 1))

    def _outcome(self, engine: _Engine, code: int) -> Night:
        if code == ALREADY_RUNNING:
            return replace(engine.night, state=State.AT_WORK, why=_last_error(engine.log))
        found = judged(self._asked, engine.night.date)
        if found.state is not State.TO_DO:
            return found
        if self._stopping:
            return replace(found, state=State.STOPPED, why=found.why)
        why = _failures(self._asked, engine) or _last_error(engine.log) or f"luigi ended with {code}"
        return replace(found, state=State.INCOMPLETE, why=why)


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


def _opened(log: Path) -> IO[bytes]:
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        return log.open("ab")
    except OSError as error:
        raise ExecutorError(
            f"{log}: cannot be written ({error.strerror}): make site.paths.logs a folder that all operators may write to "
            "(docs/how-to/every-morning.md)."
        ) from error


def _failures(asked: Asked, engine: _Engine) -> str:
    """What failed since the engine was started, by the exit records."""
    try:
        session = open_session(asked.config, engine.night.date, asked.production, asked.procedure, to_write=False)
        failures = [one for one in overview(session).failures if datetime.fromisoformat(one.ended) >= engine.began]
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
