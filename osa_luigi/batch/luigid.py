"""Luigi's central scheduler as the worker sees it: a service that may be away for a while, and come back without its memory.

It relies on these parts of luigi 3.8, each with a test: `RemoteScheduler._request` and `_fetch`; `_get_retryer`, which gives tenacity's
`Retrying`; the attributes ``_url``, ``_fetcher``, ``_connect_timeout``, ``_rpc_retry_attempts``, ``_rpc_retry_wait`` and
``_rpc_log_retries``; `Worker._get_work`, and `Worker._keep_alive`, asked where nothing is left to do; and what a worker knows of its
tasks (``_first_task``, ``_scheduled_tasks``, ``_running_tasks``, ``_add_task_history``, ``_batch_families_sent``).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import luigi
import luigi.worker
from luigi.rpc import RemoteScheduler, RPCError
from luigi.scheduler import DONE, FAILED, UNKNOWN

from osa_luigi.batch.connection import KeepAliveFetcher, fits
from osa_luigi.batch.others import Holder, failed_elsewhere, holders
from osa_luigi.errors import ExecutorError
from osa_luigi.jsontext import line_of, parsed

logger = logging.getLogger("luigi-interface")

MOST_ADDED_AGAIN = 10
"""How often an engine adds its root task to a scheduler that has lost it: one that loses it at once is no help."""


class PatientScheduler(RemoteScheduler):  # type: ignore[misc]
    """Tries again for as long as luigi's settings say, and tells each time in one line; luigi itself shows a traceback."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._base: str | None = None
        # With a connection of its own: pings come from another thread.
        self._once = RemoteScheduler(url)
        if fits(url):
            self._base = self._url
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

    def _request(self, url: str, data: Mapping[str, Any], attempts: int = 3, allow_null: bool = True) -> Any:
        """What luigid answers to a call, with a JSON that takes a tenth of the time: a night makes tens of thousands."""
        body = {"data": line_of(data).decode()}
        answers = (parsed(self._fetch(url, body))["response"] for _ in range(attempts))
        answer = next((answer for answer in answers if allow_null or answer is not None), None)
        if answer is None and not allow_null:
            raise RPCError(f"luigid at {self._url} has no answer to {url}")
        return answer

    def _fetch(self, url_suffix: str, body: Any) -> Any:
        """Once without further ado, as nearly all of a night's tens of thousands of calls need it; then as patiently as luigi does."""
        if self._base is None:
            return super()._fetch(url_suffix, body)
        try:
            return self._fetcher.fetch(self._base + url_suffix, body, self._connect_timeout)
        except self._fetcher.raises:
            return super()._fetch(url_suffix, body)

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
        self._others: dict[str, float] = {}
        self._told_of: set[tuple[str, bool]] = set()
        self._failed_here: set[str] = set()
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

    def _add_task(self, *args: Any, **kwargs: Any) -> None:
        if kwargs["status"] == FAILED:
            self._failed_here.add(kwargs["task_id"])
        super()._add_task(*args, **kwargs)

    def _keep_alive(self, reply: Any) -> bool:
        """Whether to go on, asked where nothing is left to do: the end, unless the scheduler is wrong about what there is to do."""
        if self._add_root_again() or self._wait_for_others() or self._take_over_from_others():
            return True
        return bool(super()._keep_alive(reply))

    def _wait_for_others(self) -> bool:
        """Whether luigid counts tasks of ours to a worker of which it hears nothing: it will let go of them soon."""
        others = [] if self._is_over() else holders(self._scheduler, self._id, self._scheduled_tasks)
        living = [other for other in others if self._is_alive(other)]
        return len(living) < len(others)

    def _is_alive(self, other: Holder) -> bool:
        """Whether another worker was heard of since it was first asked about; what can be said is said once."""
        alive = other.heard_at > self._others.setdefault(other.name, other.heard_at)
        said = _alive(other) if alive else _silent(other) if other.is_silent else ""
        if said and (other.name, alive) not in self._told_of:
            self._told_of.add((other.name, alive))
            logger.warning("%s", said)
        return alive

    def _take_over_from_others(self) -> bool:
        """Whether luigid has given up another worker, and counts its tasks as failed: they are added again."""
        if self._is_over():
            return False
        left = failed_elsewhere(self._scheduler, self._scheduled_tasks, self._failed_here)
        return bool(left) and self._add_again(f"luigid has let go of {len(left)} tasks of another worker")

    def _is_over(self) -> bool:
        """Whether the root is at its end, or there is to be none."""
        root = self._scheduled_tasks.get(self._first_task)
        return root is None or self._stop_requesting_work or self._is_done(root)

    def _add_root_again(self) -> bool:
        """A luigid that was killed starts without a task; it saves its state only where it ends well."""
        root = self._scheduled_tasks.get(self._first_task)
        if root is None or self._stop_requesting_work or self._is_known(root):
            return False
        return self._add_again(f"luigid has lost {root} (was it restarted without its saved state?)")

    def _add_again(self, why: str) -> bool:
        """Give the scheduler the root task once more; whether that was not too often yet."""
        if self._added_again >= MOST_ADDED_AGAIN:
            return False
        self._added_again += 1
        logger.warning("%s: added again, %d of at most %d times", why, self._added_again, MOST_ADDED_AGAIN)
        root = self._scheduled_tasks[self._first_task]
        self._batch_families_sent.clear()
        self._add_worker()
        self.add(root)
        return True

    def _is_known(self, root: luigi.Task) -> bool:
        """Whether the scheduler heard of the root's end from this worker, or still has it to do, or failed."""
        if self._is_done(root):
            return True
        found = self._scheduler.task_search(task_str=root.task_id)
        return any(root.task_id in tasks for status, tasks in found.items() if status not in (DONE, UNKNOWN))

    def _is_done(self, root: luigi.Task) -> bool:
        return any(status == DONE and task is root for task, status, _ in self._add_task_history)


def _silent(other: Holder) -> str:
    return (
        f"luigid counts {other.tasks} tasks of this run to another worker, of which it hears nothing: {other}. It was killed, or is cut "
        "off from luigid. This engine waits until luigid lets go of them (its worker_disconnect_delay, a minute by default), and goes "
        "on then. Nothing that is with SLURM is lost."
    )


def _alive(other: Holder) -> str:
    return (
        f"luigid counts {other.tasks} tasks of this run to another worker, which lives: {other}. They are left to it. "
        "When it has ended, start this again for what is left; if it should not work on them, end it there first."
    )
