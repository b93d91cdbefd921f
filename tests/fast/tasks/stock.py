"""Luigi's stock command on a fake site, as an operator would meet it: what it says, its exit code, and what it leaves."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import traceback
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
from fake_nights import DAY, FakeSite, environment
from fresh import PATIENCE_S, server, until

from osa_luigi.cli.demo.engine import luigi
from osa_luigi.products.receipt import ReceiptBook

NIGHT = ("--module", "osa_luigi", "NightTask", "--date", DAY.isoformat())
LOCAL = "--local-scheduler"
IMPATIENT = "[core]\nrpc_retry_wait = 1\n[worker]\nwait_interval = 0.1\nwait_jitter = 0\n"
"""For luigi.cfg: the same behaviour, sooner."""

MARK = "OSA_TEST_MARK"


@dataclass
class Said:
    """What a command said, both streams in one, and its exit code; below 0: the signal that ended it."""

    code: int
    text: str

    def lines(self, part: str) -> list[str]:
        """The lines that hold some words."""
        return [line for line in self.text.splitlines() if part in line]


@dataclass
class Engine:
    """``with start(…) as engine``: a command that runs, and all that descends from it; leaving kills what is left."""

    log: Path
    mark: str
    process: subprocess.Popen[bytes]

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *error: object) -> None:
        for process in self.alive():
            process.kill()
        self.process.wait()

    def ended(self) -> Said:
        """Wait for its end, and for that of its descendants."""
        self.process.wait(PATIENCE_S)
        until(lambda: not self.alive(), f"nothing is left of {self.log}", 0.05)
        return Said(self.process.returncode, self.log.read_text())

    def stop(self, number: int = signal.SIGKILL) -> Said:
        """Send it a signal, as a terminal does with Ctrl-C: to all of its group; SIGKILL to the engine alone."""
        if number == signal.SIGKILL:
            self.process.kill()
        else:
            os.killpg(self.process.pid, number)
        return self.ended()

    def alive(self) -> list[psutil.Process]:
        """Its processes, by the mark that they inherited."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get(MARK) == self.mark and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """No job ends meanwhile."""
        pool = until(lambda: psutil.Process(self.process.pid).children(), "the engine has a pool")[0]
        pool.suspend()
        assert self.process.poll() is None, "the night was over before"
        try:
            yield
        finally:
            pool.resume()


def start(site: FakeSite, *arguments: str) -> Engine:
    """The installed command, in a process group of its own."""
    mark = uuid.uuid4().hex
    log = site.folder / f"luigi-{mark[:6]}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [luigi(), *NIGHT, *arguments],
            cwd=site.folder,
            env={**_environment(site), MARK: mark},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    return Engine(log, mark, process)


def run(site: FakeSite, *arguments: str, mighty: bool = True) -> Said:
    """The same to its end, by the command's own entry point in a fork of a process that has imported it: that takes a second else.

    Not `mighty`: even root is stopped by the permissions of files.
    """
    log = site.folder / "luigi.log"
    log.write_text("")
    given = (*NIGHT, *(arguments or (LOCAL,)))
    code = server("luigi.cmdline", "osa_luigi.tasks.graph").call(
        _entry, given, site.folder, _environment(site), log, mighty
    )
    return Said(code, log.read_text())


def _environment(site: FakeSite) -> dict[str, str]:
    (site.folder / "luigi.cfg").write_text(IMPATIENT)
    # The checkout first: the tests are of this one, wherever another is installed.
    return {**environment(site), "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}


def _entry(arguments: tuple[str, ...], folder: Path, given: dict[str, str], log: Path, mighty: bool) -> int:
    """In the fork: begin as the installed script does, in one more process, which may give up a right of root's."""
    if pid := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    code = 1
    try:
        output = os.open(log, os.O_WRONLY | os.O_APPEND)
        os.dup2(output, 1)
        os.dup2(output, 2)
        if not mighty:
            _obey_permissions()
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(given)
        code = _command(list(arguments), given["LUIGI_CONFIG_PATH"])
    except BaseException:
        traceback.print_exc()
    finally:
        atexit._run_exitfuncs()
        os._exit(code)


def _command(arguments: list[str], settings: str) -> int:
    import luigi.cmdline
    import luigi.configuration

    from osa_luigi.tasks.settings import prefer_environment

    luigi.configuration.add_config_path(settings)
    prefer_environment()
    sys.argv = ["luigi", *arguments]
    try:
        luigi.cmdline.luigi_run(arguments)
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def _obey_permissions() -> None:
    """Give up what lets root pass over permissions (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH), here and in what is started."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # the third version of the interface; this process
    rights = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable: low words, then high ones
    if libc.capget(header, rights):
        raise OSError(ctypes.get_errno(), "capget")
    for number in range(3):
        rights[number] &= ~0b110
    for right in (1, 2):
        libc.prctl(24, right, 0, 0, 0)  # PR_CAPBSET_DROP: or a command that root starts has them again
    if libc.capset(header, rights):
        raise OSError(ctypes.get_errno(), "capset")


def receipts(site: FakeSite) -> list[str]:
    """``<step>.<unit>`` of all that counts as made: an attempt that was killed after its commit leaves no record of it."""
    return sorted(ReceiptBook(site.production()).names())
