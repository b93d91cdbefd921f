"""Runs an engine and says what it took: CPU of its whole process tree, and memory by sampling, its luigid's too."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from osa_luigi.runner.lifeline import die_with

SAMPLE_S = 1.0
PSS_EVERY = 5
"""The memory that processes share is counted once in every so many samples: it takes the kernel a while."""
MB = 2**20


@dataclass(frozen=True)
class Usage:
    """What an engine took from its start to its end."""

    exit_code: int
    started: float
    """In seconds since 1970."""
    elapsed_s: float
    cpu_s: float
    """Of the engine and of all that it started and waited for, SLURM's commands among them; the jobs are SLURM's."""
    rss_mb: float
    """Peak of the sum over the tree: pages that forked processes share are counted in each."""
    pss_mb: float
    """The same with each shared page counted once; sampled more rarely."""
    processes: int
    """Most at a time."""
    luigid_rss_mb: float
    luigid_cpu_s: float
    cut: bool
    """Whether it was ended because its time was up."""


class Peak:
    """The largest of what was sampled."""

    def __init__(self, root: int, luigid: psutil.Process) -> None:
        self._root = root
        self._luigid = luigid
        self._samples = 0
        self.rss_mb = self.pss_mb = self.luigid_rss_mb = self.luigid_cpu_s = 0.0
        self.processes = 0

    def sample(self) -> None:
        """Look once."""
        tree = family(self._root)
        self.processes = max(self.processes, len(tree))
        # What a single process had between two samples, the kernel knows.
        self.rss_mb = max(self.rss_mb, sum(map(rss_mb, tree)), kernel_mb(self._root, "status", "VmHWM"))
        if self._samples % PSS_EVERY == 0:
            self.pss_mb = max(self.pss_mb, sum(kernel_mb(one.pid, "smaps_rollup", "Pss") for one in tree))
        self._samples += 1
        with contextlib.suppress(psutil.Error):
            times = self._luigid.cpu_times()
            self.luigid_cpu_s = times.user + times.system
            self.luigid_rss_mb = max(self.luigid_rss_mb, self._luigid.memory_info().rss / MB)


def family(root: int) -> list[psutil.Process]:
    """A process with all that came from it."""
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(root)
        return [process, *process.children(recursive=True)]
    return []


def rss_mb(process: psutil.Process) -> float:
    """0 if it has just ended."""
    with contextlib.suppress(psutil.Error):
        return float(process.memory_info().rss / MB)
    return 0.0


def kernel_mb(pid: int, file: str, name: str) -> float:
    """A size that the kernel keeps of a process, in kB, under a name in a file of ``/proc/PID``; 0 if that has just ended."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/{file}").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024 / MB
    return 0.0


def measure(command: Sequence[str], environment: Mapping[str, str], folder: Path, luigid: int, limit_s: float) -> Usage:
    """Run an engine in a folder to its end, or until its time is up; what it says goes to ``engine.log`` there.

    Parameters
    ----------
    luigid
        Process id of the scheduler that it uses.
    limit_s
        After so many seconds it is ended with all that it started.
    """
    started = time.time()
    engine = start(command, environment, folder, "engine")
    peak = Peak(engine.pid, psutil.Process(luigid))
    cut = False
    next_sample = 0.0
    while True:
        if time.time() >= next_sample:
            peak.sample()
            next_sample = time.time() + SAMPLE_S
        pid, status, usage = os.wait4(engine.pid, os.WNOHANG)
        if pid:
            break
        if not cut and time.time() > started + limit_s:
            cut = True
            end(engine.pid)
        time.sleep(0.05)
    engine.returncode = os.waitstatus_to_exitcode(status)
    return Usage(
        engine.returncode,
        started,
        time.time() - started,
        usage.ru_utime + usage.ru_stime,
        peak.rss_mb,
        peak.pss_mb,
        peak.processes,
        peak.luigid_rss_mb,
        peak.luigid_cpu_s,
        cut,
    )


def start(command: Sequence[str], environment: Mapping[str, str], folder: Path, name: str) -> subprocess.Popen[bytes]:
    """Start a process that dies with this one and writes into ``<name>.log``."""
    parent = os.getpid()
    with (folder / f"{name}.log").open("ab") as log:
        return subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            preexec_fn=lambda: die_with(parent),
        )


def end(root: int) -> None:
    """Kill a process with all that came from it: itself first, for it must not see its children go, and end as if all were well."""
    for process in family(root):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGKILL)


@contextmanager
def central_scheduler(program: Path, environment: Mapping[str, str], folder: Path) -> Iterator[tuple[int, int]]:
    """A luigid of its own; gives its process id and port.

    Raises
    ------
    TimeoutError
        It does not come up; ``luigid.log`` in the folder says why.
    """
    port = _free_port()
    state = ["--state-path", str(folder / "luigid.state")]
    luigid = start([str(program), "--address", "127.0.0.1", "--port", str(port), *state], environment, folder, "luigid")
    try:
        _wait_for(port, luigid, folder)
        yield luigid.pid, port
    finally:
        end(luigid.pid)
        luigid.wait()


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _wait_for(port: int, luigid: subprocess.Popen[bytes], folder: Path, patience_s: float = 60) -> None:
    give_up = time.monotonic() + patience_s
    while time.monotonic() < give_up and luigid.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.2)
    raise TimeoutError(f"luigid did not come up on port {port}; read {folder / 'luigid.log'}")
