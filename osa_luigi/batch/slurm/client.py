"""The only place that starts SLURM's commands.

Each call has a time-out, at which all that the command started is killed. "No answer" is an error of its own, and never means that
there is no such job.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from osa_luigi.batch.slurm.answers import (
    ACCOUNT_FIELDS,
    MARK,
    QUEUE_FIELDS,
    Limits,
    read_accounting,
    read_job_id,
    read_limits,
    read_queue,
    unclear_arrays,
)
from osa_luigi.batch.slurm.indices import write_indices
from osa_luigi.batch.slurm.seen import Sighting
from osa_luigi.batch.slurm.states import closed
from osa_luigi.errors import AccountingAway, ExecutorError, NoAccounting, SlurmAbsent, SlurmAway, SlurmRefused

__all__ = ["Limits", "NoAccounting", "Sighting", "SlurmAway", "SlurmClient", "SlurmRefused"]

LOOK_BACK = timedelta(days=30)
"""How long ago a job that is looked for by its name alone may have been submitted."""

_FOREIGN = ("SBATCH_", "SQUEUE_", "SACCT_", "SCANCEL_", "SCONTROL_", "SLURM_")
_KEPT = frozenset({"SLURM_CONF", "SLURM_CONF_SERVER", "SLURM_JWT"})
_OURS = {"LC_ALL": "C", "SLURM_TIME_FORMAT": "%s", "SLURM_BITSTR_LEN": "0"}

_AWAY = (
    "unable to contact",
    "timed out",
    "temporarily unavailable",
    "temporarily unable",
    "try again",
    "connection refused",
    "connection reset",
    "connection failure",
    "no route to host",
    "zero bytes were transmitted",
    "zero length message",
    "message receive failure",
    "message send failure",
    "communication shutdown failure",
    "unexpected message received",
    "protocol authentication error",
    "insane message length",
    "failed to send entire message",
    "header lengths are longer",
    "missing socket error",
    "can't find an address",
    "backup controller in standby",
    "controller is in standby",
    "slurm internal error",
    "i/o error writing script",
    "incompatible versions",
    "munge",
    "configuration source",
    "configuration file",
    "invalid user: ",  # of whom this machine does not know (now): squeue leaves his jobs out, and ends well
)
"""What commands say when the trouble is on the way to SLURM, or passes; in lower case. Anything else they say of a submission is a no."""

_REFUSED = (
    "submission failed:",
    "sbatch: error:",
    "sbatch: fatal:",
    "sbatch: unrecognized",
    "sbatch: option",
    "sbatch: invalid",
)
_PERMISSION = ("access/permission denied", "invalid user id")
_OVER = ("invalid job id", "already completing or completed", "job has already finished")
_KILL_WAIT_S = 5.0

LEAST_S = 1.0
"""A second question is given so long however long the first took."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a command printed before it ended by itself."""

    command: str
    code: int
    output: str
    errors: str

    def says(self, phrases: Iterable[str]) -> bool:
        return any(phrase in self.errors.lower() for phrase in phrases)

    def away(self) -> SlurmAway:
        words = self.errors.strip() or "it said nothing"
        return SlurmAway(
            f"{self.command} ended with {self.code}: {words[-500:]}. Nothing is known from it; it will be asked again."
        )

    def refused(self, what: str) -> SlurmRefused:
        words = self.errors.strip()[-1000:]
        advice = closed(words)
        return SlurmRefused(f"{self.command}: SLURM refuses {what}: {words}{advice and f'. {advice}'}")


class SlurmClient:
    """This user's way to SLURM: to his jobs, and to those of others whose arrays he goes on with.

    Parameters
    ----------
    timeout_s
        For each command. Unit: s.
    environment
        Stands for `os.environ`; ``SLURM_CONF`` in it chooses the cluster. Options that an operator's own environment holds for SLURM's
        commands do not reach them.
    others
        User ids of accounts whose jobs are asked for, too.
    """

    def __init__(
        self, timeout_s: float = 30.0, environment: Mapping[str, str] | None = None, others: Iterable[int] = ()
    ) -> None:
        self.calls: Counter[str] = Counter()
        self._timeout_s = timeout_s
        self._environment = _cleared(os.environ if environment is None else environment)
        self._users = ",".join(map(str, (os.getuid(), *sorted(others))))

    def submit(self, script: Path, options: Sequence[str]) -> int:
        """Hand a batch script to ``sbatch``.

        Returns
        -------
        int
            The job's id.

        Raises
        ------
        SlurmRefused
            Nothing was submitted; `states.passes` says whether it may be if it is tried again.
        SlurmAway
            It may have been submitted all the same: `find` its name before trying again.
        """
        answer = self._ask("sbatch", "--parsable", *options, str(script))
        if answer.code == 0:
            return read_job_id(answer.output)
        if answer.says(_REFUSED) and not answer.says(_AWAY):
            raise answer.refused(str(script))
        raise answer.away()

    def queue(self, prefix: str = "") -> list[Sighting]:
        """All jobs of these users that SLURM has in its memory, finished ones among them.

        Parameters
        ----------
        prefix
            Of the names of those that are wanted.

        Raises
        ------
        SlurmAway
            No usable answer.
        """
        return [sighting for sighting in read_queue(self.queue_text()) if sighting.name.startswith(prefix)]

    def queue_text(self, *options: str) -> str:
        """What `queue` reads, as ``squeue`` printed it: for others, who read it with `read_queue`.

        Elements of an array that wait stand in one line: with a line for each (``-r``) squeue takes 25 ms of CPU for 5,000, not 4. Where
        they wait for different things it does not say which for what, and is asked again, within what is left of the time; if it does not
        answer that, what it said first is as true.

        Parameters
        ----------
        options
            Further ones of squeue.

        Raises
        ------
        SlurmAway
            No usable answer.
        """
        began = time.monotonic()
        text = self._squeue(*options)
        if unclear := unclear_arrays(text):
            left_s = max(LEAST_S, self._timeout_s - (time.monotonic() - began))
            with contextlib.suppress(SlurmAway):  # a job that is gone since then is an error to squeue
                text += self._squeue("-r", f"--jobs={','.join(map(str, unclear))}", within_s=left_s)
        return text

    def find(self, name: str) -> list[Sighting]:
        """The elements of the job of a unique name, in the queue or, if there are none, in the accounting.

        The accounting learns of a job some seconds after ``sbatch``: an empty answer within that time proves nothing.

        Raises
        ------
        SlurmAway
            No usable answer from either.
        """
        if "," in name or not name:
            raise ExecutorError(f"{name!r}: SLURM cannot look for a job of this name; give jobs names without commas.")
        queue = read_queue(self.queue_text(f"--name={name}"))
        found = [sighting for sighting in queue if sighting.name == name]
        if found:
            return found
        with contextlib.suppress(NoAccounting):
            rows = self._accounting(datetime.now(UTC) - LOOK_BACK, f"--name={name}")
            return [sighting for sighting in rows if sighting.name == name]
        return []

    def accounting(self, jobs: Iterable[int], since: datetime) -> list[Sighting]:
        """What the accounting holds of some jobs; of a requeued one, the latest attempt.

        Ids are used again: the rows of an earlier job of the same id come along, and its name and submission tell it apart.

        Parameters
        ----------
        since
            Before their submission, with its time zone.

        Raises
        ------
        SlurmAway
            No usable answer.
        NoAccounting
            This SLURM keeps none.
        """
        wanted = sorted(set(jobs))
        return self._accounting(since, f"--jobs={','.join(map(str, wanted))}") if wanted else []

    def cancel(self, job: int, indices: Sequence[int] | None = None) -> None:
        """Cancel a job, or some elements of it. What has ended, or is not there, is none the worse.

        Raises
        ------
        SlurmAway
            Nobody knows whether it is cancelled.
        SlurmRefused
            The job is another user's.
        """
        if indices is not None and not indices:
            return  # without indices scancel would take the whole array
        # Never with --state, to spare what has just been started: SLURM 22.05 cancels the whole array then.
        answer = self._ask("scancel", str(job) if indices is None else f"{job}_[{write_indices(indices)}]")
        if answer.says(_PERMISSION):
            raise answer.refused(f"to cancel {job}")
        if answer.code and (answer.says(_AWAY) or not answer.says(_OVER)):
            raise answer.away()

    def release(self, job: int, indices: Sequence[int]) -> None:
        """Let elements start that are held. What is not held, has ended, or is not there, is none the worse.

        Raises
        ------
        SlurmAway
            Nobody knows whether they are released.
        SlurmRefused
            An administrator holds them, or they are another user's.
        """
        answer = self._ask("scontrol", "release", f"{job}_[{write_indices(indices)}]")
        if answer.says(_PERMISSION):
            raise answer.refused(f"to release {job}")
        if answer.code and (answer.says(_AWAY) or not answer.says(_OVER)):
            raise answer.away()

    def limits(self) -> Limits:
        """What this cluster's configuration allows.

        Raises
        ------
        SlurmAway
            No usable answer.
        """
        return read_limits(self._good("scontrol", "show", "config").output)

    def ping(self) -> bool:
        """Whether a slurmctld answers."""
        try:
            return " is UP" in self._ask("scontrol", "ping").output
        except SlurmAway:
            return False

    def partitions(self) -> frozenset[str]:
        """The names of all partitions.

        Raises
        ------
        SlurmAway
            No usable answer.
        """
        return frozenset(self._good("sinfo", "-h", "-a", "-o", "%R").output.split())

    def nodes(self) -> frozenset[str]:
        """The names of the machines that run jobs.

        Raises
        ------
        SlurmAway
            No usable answer.
        """
        return frozenset(self._good("sinfo", "-h", "-a", "-N", "-o", "%N").output.split())

    def accounts(self) -> frozenset[str]:
        """The accounts that this user may charge; empty where the accounting knows none.

        Raises
        ------
        SlurmAway
            No usable answer, or no accounting.
        """
        user = f"user={getpass.getuser()}"
        answer = self._good("sacctmgr", "-n", "-P", "-r", "show", "associations", user, "format=account")
        return frozenset(answer.output.split())

    def _squeue(self, *options: str, within_s: float | None = None) -> str:
        layout = ",".join(f"{field}:0{MARK}" for field in QUEUE_FIELDS)
        words = ("squeue", "-h", "-t", "all", "-u", self._users, "-O", layout, *options)
        return self._checked(self._ask(*words, within_s=within_s)).output

    def _accounting(self, since: datetime, *options: str) -> list[Sighting]:
        layout = ("-X", "-n", "-D", "-p", f"--delimiter={MARK}", "-o", ",".join(ACCOUNT_FIELDS))
        window = ("-S", since.astimezone().strftime("%Y-%m-%dT%H:%M:%S"), "-E", "now")
        try:
            answer = self._ask("sacct", *layout, *window, "-u", self._users, *options)
        except SlurmAbsent as error:
            raise NoAccounting(str(error)) from error
        except SlurmAway as error:
            raise AccountingAway(str(error)) from error
        if answer.says(("storage is disabled",)):
            raise NoAccounting(
                "sacct: this SLURM keeps no accounting. What has left its queue is judged by the jobs' own receipts."
            )
        try:
            return read_accounting(self._checked(answer).output)
        except SlurmAway as error:
            raise AccountingAway(str(error)) from error

    def _good(self, *words: str) -> _Answer:
        return self._checked(self._ask(*words))

    @staticmethod
    def _checked(answer: _Answer) -> _Answer:
        # Some commands end with 0 although half of what they asked for never came.
        if answer.code or answer.says(_AWAY):
            raise answer.away()
        return answer

    def _ask(self, *words: str, within_s: float | None = None) -> _Answer:
        timeout_s = self._timeout_s if within_s is None else within_s
        self.calls[words[0]] += 1
        try:
            process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=self._environment,
                start_new_session=True,
            )
        except OSError as error:
            kind = SlurmAbsent if isinstance(error, FileNotFoundError | PermissionError) else SlurmAway
            raise kind(f"{words[0]} cannot be started ({error}). Is this a machine that submits to SLURM?") from error
        try:
            output, errors = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired as error:
            said = _kill(process).decode(errors="replace").strip()[-500:] or "it said nothing"
            raise SlurmAway(
                f"{words[0]} did not end within {timeout_s:g} s ({said}). Nothing is known; it will be asked again."
            ) from error
        except BaseException:
            _kill(process)
            raise
        return _Answer(words[0], process.returncode, output.decode(errors="replace"), errors.decode(errors="replace"))


def _cleared(environment: Mapping[str, str]) -> dict[str, str]:
    """Without what an operator, or the job in which the engine may run, tells SLURM's commands."""
    kept = {name: value for name, value in environment.items() if name in _KEPT or not name.startswith(_FOREIGN)}
    return {**kept, **_OURS}


def _kill(process: subprocess.Popen[bytes]) -> bytes:
    """Kill a command with all that it started, also if the command itself has ended; what it said on its standard error."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    try:
        return process.communicate(timeout=_KILL_WAIT_S)[1]
    except subprocess.TimeoutExpired:  # stuck in the kernel, on a file system that is away
        return b""
