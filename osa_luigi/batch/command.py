"""Luigi's own command with our worker: importing `osa_luigi` registers it.

It relies on `luigi.interface._WorkerSchedulerFactory`, on the logger of `luigi.worker` and on the words of `Worker._add_task`, which have
tests in tests/fast/batch/test_batch_command.py.
"""

from __future__ import annotations

import logging
import os
from typing import Any, Protocol, runtime_checkable

import luigi
import luigi.interface
import luigi.retcodes
import luigi.worker
from luigi.cmdline_parser import CmdlineParser
from luigi.scheduler import DONE, PENDING

from osa_luigi.batch.interrupt import CtrlC, end_quietly
from osa_luigi.batch.luigid import PatientScheduler
from osa_luigi.batch.worker import OsaWorker
from osa_luigi.errors import ExecutorError
from osa_luigi.runner.environment import host

logger = logging.getLogger("luigi-interface")

INFORMED = "Informed scheduler that task   %s   has status   %s"
"""What luigi's log says of each task, twice."""


@runtime_checkable
class Exclusive(Protocol):
    """A root task that only one process may work on at a time."""

    def become_engine(self) -> None:
        """Take the lease; an `ExecutorError` says who holds it."""
        ...


class OsaFactory(luigi.interface._WorkerSchedulerFactory):  # type: ignore[misc]
    """Makes luigi's own command use this worker."""

    def create_remote_scheduler(self, url: str) -> PatientScheduler:
        scheduler = PatientScheduler(url)
        try:
            scheduler.require()
        except ExecutorError as error:
            logger.error("%s", error)  # noqa: TRY400 (said plainly, with luigi's exit code for what nobody expected)
            raise SystemExit(luigi.retcodes.retcode().unhandled_exception) from error
        return scheduler

    def create_worker(self, scheduler: Any, worker_processes: int, assistant: bool = False) -> OsaWorker:
        root = None if assistant else _root_task()
        ctrl_c = CtrlC()
        if root:
            end_quietly()
            ctrl_c.listen()
        # Before luigid hears of this process: it would give a second one the first one's tasks.
        if isinstance(root, Exclusive):
            _become_engine(root)
        luigi.worker.logger = News(logger)
        chosen = {"worker_id": _stable_id(root)} if root else {}
        return OsaWorker(
            scheduler=scheduler, worker_processes=worker_processes, assistant=assistant, ctrl_c=ctrl_c, **chosen
        )


class News(logging.LoggerAdapter[logging.Logger]):
    """Passes over what tells nothing: that a task waits is clear, and of its end the worker tells itself. A night has 10,000 such lines.

    Not a filter, which is asked when a line is there already: that takes longer than luigi's scheduler is told.
    """

    def info(self, msg: object, *args: object, **kwargs: Any) -> None:
        """As of a logger."""
        if not (msg == INFORMED and args[1] in (PENDING, DONE)):
            super().info(msg, *args, **kwargs)


def _root_task() -> luigi.Task | None:
    """The task that luigi's command line names."""
    parser = CmdlineParser.get_instance()
    return parser.get_task_obj() if parser and parser.known_args.root_task else None


def _become_engine(root: Exclusive) -> None:
    try:
        root.become_engine()
    except ExecutorError as error:
        logger.error("%s", error)  # noqa: TRY400 (said plainly; luigi's exit code for "already running" follows)
        raise luigi.interface.PidLockAlreadyTakenExit from error


def _stable_id(root: luigi.Task) -> str:
    """The same for the same root task on the same machine.

    A worker that was killed is then handed its RUNNING tasks back at once when it is started again; under a new id it would
    wait until luigid gives up on the old one (a minute, and 15 more for its tasks).
    """
    return f"osa-{host()}-{os.getuid()}-{root.task_id}"


EXIT_CODES = {
    "already_running": 10,
    "missing_data": 20,
    "not_run": 25,
    "task_failed": 30,
    "scheduling_error": 35,
    "unhandled_exception": 40,
}
"""Luigi's exit codes; its own defaults are 0 for every kind of failure."""


UNDECLARED = ("rpc_retry_attempts", "rpc_retry_wait")
"""Settings that luigi reads from its section ``core``, and warns of as unknown there."""


def register() -> None:
    """Put the worker and the exit codes where luigi's command looks for them; settings of the user's win."""
    luigi.interface._WorkerSchedulerFactory = OsaFactory
    config = luigi.configuration.get_config()
    defaults = {("retcode", name): str(code) for name, code in EXIT_CODES.items()}
    defaults["core", "log_level"] = "INFO"  # luigi's DEBUG says every second that it waits
    # The lease keeps two engines from one night. Luigi's own lock goes by the command line alone, so it would keep two sites apart, too.
    defaults["core", "no_lock"] = "true"
    # A scheduler that restarts is away for a while; luigi's default (3 tries, 30 s apart) would end the engine meanwhile.
    defaults |= {("core", "rpc_retry_attempts"): "20", ("core", "rpc_retry_wait"): "15"}
    # luigid lets go of a worker after a minute. A ping each second, as by default, costs a minute of CPU in a night of ten hours.
    defaults["worker", "ping_interval"] = "10"
    luigi.interface.core.ignore_unconsumed = {*luigi.interface.core.ignore_unconsumed, *UNDECLARED}
    for (section, name), value in defaults.items():
        if not config.has_option(section, name):
            config.set(section, name, value)
