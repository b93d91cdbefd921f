"""A private, real SLURM on this machine, for tests, drills and benchmarks.

Everything of it lies in one folder, ``/etc`` is not touched, and it ends with the process that made it::

    with Cluster(nodes=2) as cluster:
        subprocess.run(["sbatch", "--wrap", "hostname"], env=cluster.environment, check=True)
        cluster.kill_slurmctld()

It takes a second to come up, some ten with accounting ("dbd": slurmdbd on a MariaDB of its own).
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.cluster.aside import Aside
from tests.cluster.configuration import GRANT, NODES, Layout, Shape, write_configuration
from tests.cluster.daemons import NODE, Daemon, end_jobs, search_path

PORTS = range(15000, 30000, 200)
"""Below those that the kernel gives to outgoing connections."""
LAST_LINES = 40


class Cluster:
    """A SLURM of some virtual nodes, with the partitions short (default), long and scavenge (preempted by the others).

    Parameters
    ----------
    nodes, cpus, memory_mb
        Nodes ``node1`` and on, with so many CPUs and so much memory each (MB); more than this machine has is fine.
    accounting
        "light": none, and ``sacct`` says so. "dbd": slurmdbd.
    memory
        What ends a job that takes too much: "none", "poll" (looks each second: FAILED 0:9), or "cgroup" (the kernel: OUT_OF_MEMORY).
    extra
        Further lines of slurm.conf.
    folder
        For everything; a new one under the temporary folder if none is given. Keep its path short: there are sockets in it.
    lasting
        Whether it outlives this process, for `stop` by another one.
    polite
        Whether its jobs leave the CPUs to whoever else wants them. The nodes are virtual: those of a real site take nothing from the
        machine that submits.
    """

    def __init__(
        self,
        nodes: int = 2,
        cpus: int = 8,
        memory_mb: int = 6000,
        accounting: str = "light",
        memory: str = "none",
        extra: Sequence[str] = (),
        max_array_size: int = 20001,
        max_jobs: int = 100_000,
        min_job_age_s: int = 300,
        folder: Path | None = None,
        *,
        lasting: bool = False,
        polite: bool = False,
    ) -> None:
        self.folder = folder or Path(tempfile.mkdtemp(prefix="osa-slurm-"))
        self._shape = Shape(
            nodes, cpus, memory_mb, accounting, memory, tuple(extra), max_array_size, max_jobs, min_job_age_s
        )
        self._layout = Layout(self.folder)
        self._lasting = lasting
        self._aside = Aside(self.folder.name) if polite else None
        self._daemons: dict[str, Daemon] = {}

    @property
    def environment(self) -> dict[str, str]:
        """For SLURM's commands, and for whatever starts them."""
        plain = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM", "SBATCH"))}
        return {**plain, "PATH": search_path(), "SLURM_CONF": str(self._layout.slurm_conf)}

    @property
    def nodes(self) -> list[str]:
        """The names of its nodes."""
        return [f"node{number}" for number in range(1, self._shape.nodes + 1)]

    def start(self) -> None:
        """Bring up what is not up, and wait until every node takes jobs.

        Raises
        ------
        TimeoutError
            Something did not come up; its log lies in the folder's ``log``.
        """
        write_configuration(self._layout, self._shape, self._port())
        self._start_munge()
        if self._shape.accounting == "dbd":
            self._start_accounting()
        self.restart_slurmctld()
        for name in self.nodes:
            self.restart_node(name)
        self._wait(lambda: self._usable() == len(self.nodes), "its nodes")

    def stop(self, wipe: bool = True) -> None:
        """End all daemons and jobs; delete the folder, unless it is kept for another `start`."""
        running = self._known()
        # slurmctld first: it must not launch anything onto a dying slurmd.
        order = ["slurmctld", *(name for name in running if name.startswith("node")), "slurmdbd", "mariadbd", "munged"]
        for name in order:
            if name in running:
                running[name].end(gently=not wipe)
            if name == "slurmctld":
                end_jobs(self._layout.slurm_conf)
        end_jobs(self._layout.slurm_conf)  # of a slurmd that was just starting one
        self._daemons.clear()
        if self._aside:
            self._aside.remove()
        if wipe:
            shutil.rmtree(self.folder, ignore_errors=True)

    def kill_slurmctld(self) -> None:
        """As a crash would: no state is saved."""
        self._daemon("slurmctld").kill()

    def stop_slurmctld(self) -> None:
        """It hangs: takes connections and answers none."""
        self._daemon("slurmctld").pause()

    def continue_slurmctld(self) -> None:
        """It wakes, and works off what came in the meantime."""
        self._daemon("slurmctld").go_on()

    def restart_slurmctld(self, *, forget: bool = False) -> None:
        """Start it again if it was killed, and wait until it answers; without its memory of any job, if it is to forget."""
        self._start("slurmctld", ["slurmctld", "-D", *(["-c"] if forget else [])])
        self._wait(lambda: self.ask("scontrol", "ping") and self.ask("sinfo", "-h"), "slurmctld")

    def kill_slurmdbd(self) -> None:
        """The accounting is away; slurmctld keeps for it what it has to say."""
        self._daemon("slurmdbd").kill()

    def restart_slurmdbd(self) -> None:
        """The accounting is there again."""
        self._start("slurmdbd", ["slurmdbd", "-D"])
        self._wait(lambda: self.ask("sacctmgr", "-n", "show", "qos"), "slurmdbd")

    def kill_node(self, name: str, *, jobs: bool = False) -> None:
        """Kill a node's slurmd; with its jobs, as if the power failed. Otherwise what runs there runs on unseen."""
        self._daemon(name).kill()
        if jobs:
            end_jobs(self._layout.slurm_conf, name)

    def restart_node(self, name: str) -> None:
        """Start a node's slurmd, and wait until it listens: before, it would not hear that it is to end a job."""
        command = ["slurmd", "-D", "-N", name]
        self._start(name, self._aside.command(command) if self._aside else command, {NODE: name})
        self._wait(lambda: self._daemon(name).listens, name)

    def ask(self, *words: str) -> str:
        """What one of SLURM's commands prints; empty if it fails or takes too long."""
        with contextlib.suppress(subprocess.SubprocessError):
            return subprocess.run(
                words, env=self.environment, capture_output=True, text=True, timeout=10, check=True
            ).stdout
        return ""

    def condition(self) -> str:
        """How it is with nodes and jobs, and what its daemons logged last: for a person who asks why a job did not come to run."""
        logs = sorted(self._layout.log.glob("slurm*.log"))
        ends = [f"{log.name}:\n{''.join(log.open(errors='replace').readlines()[-LAST_LINES:])}" for log in logs]
        return "\n".join([self.ask("sinfo", "-N", "-l"), self.ask("squeue", "-l"), *ends])

    def _start_munge(self) -> None:
        layout = self._layout
        if not layout.key.exists():
            layout.key.write_bytes(os.urandom(128))
            layout.key.chmod(0o400)
        options = {
            "key-file": layout.key,
            "socket": layout.munge,
            "pid-file": layout.run / "munged.pid",
            "log-file": layout.log / "munged.log",
            "seed-file": layout.key.with_name("seed"),
        }
        self._start("munged", ["munged", "-F", "--force", *(f"--{name}={value}" for name, value in options.items())])
        self._wait(lambda: self.ask("munge", "-S", str(layout.munge), "-n"), "munged")

    def _start_accounting(self) -> None:
        layout = self._layout
        defaults = f"--defaults-file={layout.my_cnf}"
        if not (layout.database / "mysql").exists():
            self.ask("mariadb-install-db", defaults, "--auth-root-authentication-method=normal", "--skip-test-db")
        self._start("mariadbd", ["mariadbd", defaults])
        client = ("mariadb", "--no-defaults", "-S", str(layout.run / "mysql.sock"), "-uroot", "-e")
        self._wait(lambda: self.ask(*client, "SELECT 1"), "mariadbd")
        self.ask(*client, GRANT)
        self.restart_slurmdbd()
        if not self.ask("sacctmgr", "-nP", "show", "cluster", "lab"):
            self.ask("sacctmgr", "-i", "add", "cluster", "lab")

    def _start(self, name: str, command: Sequence[str], more: dict[str, str] | None = None) -> None:
        daemon = self._daemon(name)
        if not daemon.alive:
            daemon.start(command, {**self.environment, **(more or {})}, self._layout.log, lasting=self._lasting)

    def _daemon(self, name: str) -> Daemon:
        return self._daemons.setdefault(name, Daemon(name, self._layout.run / f"{name}.started"))

    def _known(self) -> dict[str, Daemon]:
        """Those that this or another process started."""
        return {file.stem: self._daemon(file.stem) for file in sorted(self._layout.run.glob("*.started"))}

    def _usable(self) -> int:
        return len(self.ask("sinfo", "-h", "-N", "-p", "short", "-t", "idle,mix,alloc", "-o", "%N").splitlines())

    def _wait(self, ready: Callable[[], object], what: str, seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        while not ready():
            if time.monotonic() > end:
                raise TimeoutError(f"{what} did not come up within {seconds:g} s; read {self._layout.log}")
            time.sleep(0.05)

    def _port(self) -> int:
        """The first of its ports; the same for as long as the folder is there."""
        chosen = self.folder / "port"
        if not chosen.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            chosen.write_text(str(_free_ports(self._shape.nodes)))
        return int(chosen.read_text())

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _free_ports(nodes: int) -> int:
    """The first of a stretch of ports that nobody listens on."""
    for first in random.sample(PORTS, len(PORTS)):
        if all(map(_is_free, range(first, first + NODES + nodes + 1))):
            return first
    raise OSError(f"no free ports between {PORTS.start} and {PORTS.stop}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
