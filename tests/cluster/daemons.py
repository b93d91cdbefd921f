"""The processes of a private SLURM: each known by its number and the moment it started, so that no other is ever ended for it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from osa_luigi.runner.lifeline import die_with, start_of

NODE = "OSA_CLUSTER_NODE"
"""In the environment of a node's slurmd, and so of the slurmstepds that it starts."""

GENTLE_S = 10.0


def search_path() -> str:
    """Where the daemons lie, too."""
    return f"{os.environ.get('PATH', '/usr/bin:/bin')}:/usr/sbin:/sbin"


class Daemon:
    """A process that a file names, so that another Python can end it.

    Parameters
    ----------
    name
        Of the daemon, or of its node.
    file
        Holds its process id and start.
    """

    def __init__(self, name: str, file: Path) -> None:
        self._name = name
        self._file = file
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def alive(self) -> bool:
        """Whether it runs, or was stopped for a while."""
        return self._pid() is not None

    @property
    def listens(self) -> bool:
        """Whether it takes connections."""
        pid = self._pid()
        if pid is None:
            return False
        try:
            return any(one.status == psutil.CONN_LISTEN for one in psutil.Process(pid).net_connections("tcp"))
        except psutil.NoSuchProcess:
            return False

    def start(self, command: Sequence[str], environment: Mapping[str, str], log: Path, *, lasting: bool) -> None:
        """Start it; unless it is to last, it dies with this process."""
        parent = os.getpid()
        with (log / f"{self._name}.out").open("ab") as output:
            self._child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment,
                cwd=log,
                start_new_session=True,
                preexec_fn=None if lasting else lambda: die_with(parent),
            )
        self._file.write_text(f"{self._child.pid} {start_of(self._child.pid)}")

    def pause(self) -> None:
        """Stop it where it is."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """After a pause."""
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """At once."""
        self.end(gently=False)

    def end(self, *, gently: bool) -> None:
        """And wait until it is gone; what does not go gently is killed."""
        if gently:
            self._signal(signal.SIGTERM)
            self._signal(signal.SIGCONT)
            self._gone_within(GENTLE_S)
        self._signal(signal.SIGKILL)
        self._gone_within(GENTLE_S)
        self._file.unlink(missing_ok=True)

    def _gone_within(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while self.alive and time.monotonic() < end:
            time.sleep(0.01)
        if self._child is not None:
            self._child.poll()

    def _signal(self, number: signal.Signals) -> None:
        if (pid := self._pid()) is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def _pid(self) -> int | None:
        try:
            pid, started = self._file.read_text().split()
        except FileNotFoundError:
            return None
        return int(pid) if str(start_of(int(pid))) == started else None


def end_jobs(slurm_conf: Path, node: str | None = None) -> None:
    """Kill the slurmstepds of a cluster, or of one of its nodes, with all that their jobs started; none tells slurmctld of it."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.name() == "slurmstepd" and _is_of(process, slurm_conf, node):
                process.suspend()  # it neither starts anything more nor says how its job ended
                for one in [*process.children(recursive=True), process]:
                    with contextlib.suppress(psutil.NoSuchProcess):
                        one.kill()


def _is_of(process: psutil.Process, slurm_conf: Path, node: str | None) -> bool:
    # Not by psutil: it reads no further than the gap that a process's new title tears into its environment.
    environment = Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0")
    return f"SLURM_CONF={slurm_conf}".encode() in environment and (
        node is None or f"{NODE}={node}".encode() in environment
    )
