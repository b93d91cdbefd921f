"""Luigi's central scheduler as the worker sees it: a service that may be away for a while, and come back without its memory.

It relies on these parts of luigi 3.8, each with a test: `RemoteScheduler._get_retryer`, which gives tenacity's `Retrying`, and the
attributes ``_url``, ``_fetcher``, ``_rpc_retry_attempts``, ``_rpc_retry_wait`` and ``_rpc_log_retries``; `Worker._get_work`, and
`Worker._keep_alive`, asked where nothing is left to do; and what a worker knows of its tasks (``_first_task``, ``_scheduled_tasks``,
``_running_tasks``, ``_add_task_history``, ``_batch_families_sent``).
"""

from __future__ import annotations

import logging
from typing import Any

import luigi
import luigi.worker
from luigi.rpc import RemoteScheduler, RPCError
from luigi.scheduler import DONE, UNKNOWN

from osa_luigi.batch.connection import KeepAliveFetcher, fits
from osa_luigi.errors import ExecutorError

logger = logging.getLogger("luigi-interface")

MOST_ADDED_AGAIN = 10
"""How often an engine adds its root task to a scheduler that has lost it: one that loses it at once is no help."""


class PatientScheduler(RemoteScheduler):  # type: ignore[misc]
    """Tries again for as long as luigi's settings say, and tells each time in one line; luigi itself shows a traceback."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        # With a connection of its own: pings come from another thread.
        self._once = RemoteScheduler(url)
        if fits(url):
            for scheduler in (self, self._once):
                scheduler._fetcher.close()
                scheduler._fetcher = KeepAliveFetcher()
        self._once._rpc_retry_attempts = 1
        self._once._rpc_log_retries = False

    def require(self) -> None:
        """Ask once whether anybody is there: who forgot to start luigid should not wait for minutes to hear of it.

        Raises
        ------
        ExecutorError
            Nobody answers.
        """
        try:
            self._once.is_paused()
        except (RPCError, ValueError) as error:  # what answers with anything but JSON is another service
            raise ExecutorError(
                f"no luigid at {self._url}: start it, or add --local-scheduler (another address: --scheduler-url, or "
                "[core] default-scheduler-host and -port in luigi.cfg). Nothing was begun."
            ) from error

    def ping(self, **arguments: Any) -> Any:
        """Say that the worker lives: once, since the next ping comes anyway, and luigi waits for this one when it ends."""
        try:
            return self._once.ping(**arguments)
        except RPCError:
            return None

    def close(self) -> None:
        """Let go of the connections."""
        self._once.close()
        super().close()

    def _get_retryer(self) -> Any:
        return super()._get_retryer().copy(after=lambda state: None, before_sleep=self._say)

    def _say(self, state: Any) -> None:
        logger.warning(
            "luigid at %s does not answer (%s). Start it again; jobs go on meanwhile. Next try in %d s (%d of %d).",
            self._url,
            type(state.outcome.exception()).__name__,
            self._rpc_retry_wait,
            state.attempt_number + 1,
            self._rpc_retry_attempts,
        )


class LastingWorker(luigi.worker.Worker):  # type: ignore[misc]
    """A worker that gives the scheduler its root task again, if that has lost it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._added_again = 0
        super().__init__(*args, **kwargs)

    def _get_work(self) -> Any:
        """Ask for work; also while jobs are under way, a scheduler that does not know of them may have lost everything."""
        reply = super()._get_work()
        if reply.task_id is None and self._has_unknown(reply) and self._add_root_again():
            return super()._get_work()
        return reply

    def _has_unknown(self, reply: Any) -> bool:
        known = {task["task_id"] for task in reply.running_tasks or ()}
        return bool(self._running_tasks.keys() - known)

    def _keep_alive(self, reply: Any) -> bool:
        """Whether to go on, asked where nothing is left to do: the end, unless the scheduler has lost the root task."""
        return self._add_root_again() or bool(super()._keep_alive(reply))

    def _add_root_again(self) -> bool:
        """A luigid that was killed starts without a task; it saves its state only where it ends well."""
        root = self._scheduled_tasks.get(self._first_task)
        if root is None or self._stop_requesting_work or self._added_again >= MOST_ADDED_AGAIN or self._is_known(root):
            return False
        self._added_again += 1
        logger.warning(
            "luigid has lost %s (was it restarted without its saved state?): added again, %d of at most %d times",
            root,
            self._added_again,
            MOST_ADDED_AGAIN,
        )
        self._batch_families_sent.clear()
        self._add_worker()
        self.add(root)
        return True

    def _is_known(self, root: luigi.Task) -> bool:
        """Whether the scheduler heard of the root's end from this worker, or still has it to do, or failed."""
        if any(status == DONE and task is root for task, status, _ in self._add_task_history):
            return True
        found = self._scheduler.task_search(task_str=root.task_id)
        return any(root.task_id in tasks for status, tasks in found.items() if status not in (DONE, UNKNOWN))
