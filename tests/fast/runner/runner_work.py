"""What the processes of these tests do: behaviours of forked children, odd steps, trees of processes."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from osa_luigi.errors import NightError, StepError, VerificationError
from osa_luigi.products.production import Production
from osa_luigi.runner import attempt as attempts
from osa_luigi.runner import forked
from osa_luigi.runner.attempt import Result
from osa_luigi.runner.forked import Outcome, run_forked
from osa_luigi.runner.leg import run_calls, sweep_scratch, warm_up
from osa_luigi.runner.lifeline import die_with, die_with_every_parent
from osa_luigi.steps.call import StepCall
from osa_luigi.steps.step import Command, Step, Tool

FOREVER_S = 1e6


def impatient() -> None:
    """Look often, and wait little, so that a test of time limits takes no time."""
    forked.SAMPLE_S = 0.02
    forked.GRACE_S = 0.1


# ---- what a forked child may do ----------------------------------------------------------------------------------------


def _raise(error: BaseException) -> Callable[[], None]:
    def function() -> None:
        raise error

    return function


def _kill_me(number: int) -> Callable[[], None]:
    return lambda: os.kill(os.getpid(), number)


def _leave_children() -> None:
    """One that was forked, one that was executed: neither waited for."""
    if (pid := os.fork()) == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(FOREVER_S)
    other = subprocess.Popen(["sleep", "1000"])
    Path("pids").write_text(f"{pid} {other.pid}")


def _use_memory(megabytes: int) -> bytearray:
    block = bytearray(megabytes * 2**20)
    block[:: resource.getpagesize()] = b"x" * len(block[:: resource.getpagesize()])
    return block


def _grandchild_uses_memory() -> None:
    if (pid := os.fork()) == 0:
        _use_memory(200)
        os._exit(0)
    os.waitpid(pid, 0)


def _family_uses_memory() -> None:
    """Three at a time, none of them large."""
    for number in range(3):
        if os.fork() == 0:
            block = _use_memory(80)
            Path(f"ready{number}").touch()
            time.sleep(FOREVER_S)
            del block
    while len(list(Path().glob("ready*"))) < 3:
        time.sleep(0.01)
    time.sleep(0.5)


def _grandchild_computes() -> None:
    if (pid := os.fork()) == 0:
        end = time.process_time() + 0.2
        while time.process_time() < end:
            pass
        os._exit(0)
    os.waitpid(pid, 0)


def _read_input() -> int:
    return len(sys.stdin.read()) + len(os.read(0, 10))


def _tell_about_me() -> None:
    print("folder", Path.cwd())
    print("leads its session", os.getsid(0) == os.getpid())
    print("core", resource.getrlimit(resource.RLIMIT_CORE))
    print("signals", signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT))


def _print_much() -> None:
    print("8 p.e. → 4°, \udcff")
    print("to stderr", file=sys.stderr)
    os.write(1, b"by number\n")
    subprocess.run(["echo", "from a command"], check=True)


BEHAVIOURS: dict[str, Callable[[], Any]] = {
    "nothing": lambda: None,
    "returns 3": lambda: 3,
    "returns True": lambda: True,
    "exits": sys.exit,
    "exits 4": lambda: sys.exit(4),
    "exits with text": lambda: sys.exit("cannot go on"),
    "exits at once": lambda: os._exit(7),
    "raises": _raise(ValueError("broken")),
    "raises ours": _raise(StepError("what, where, what to do next")),
    "interrupted": _raise(KeyboardInterrupt()),
    "killed": _kill_me(signal.SIGKILL),
    "terminated": _kill_me(signal.SIGTERM),
    "crashes": _kill_me(signal.SIGSEGV),
    "real-time signal": _kill_me(40),
    "waits": lambda: time.sleep(FOREVER_S),
    "refuses SIGTERM": lambda: time.sleep(FOREVER_S),
    "stopped": _kill_me(signal.SIGSTOP),
    "leaves children": _leave_children,
    "uses 200 MB": lambda: len(_use_memory(200)) & 0,
    "grandchild uses memory": _grandchild_uses_memory,
    "family uses memory": _family_uses_memory,
    "grandchild computes": _grandchild_computes,
    "reads its input": _read_input,
    "tells": _tell_about_me,
    "prints": _print_much,
}


def outcome(behaviour: str, folder: Path, limit_s: float = 60.0) -> Outcome:
    """Run a behaviour in a forked child."""
    impatient()
    if behaviour in ("refuses SIGTERM", "stopped"):  # blocked before the fork: the child may be slow to refuse it
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    return run_forked(BEHAVIOURS[behaviour], folder / "log", folder, limit_s)


def reason(behaviour: str, folder: Path, limit_s: float = 60.0) -> str:
    """What a person reads of its end."""
    return outcome(behaviour, folder, limit_s).reason(limit_s)


def fork_with_settings_of_mine(folder: Path) -> Outcome:
    """From a parent that ignores signals, and has something unsaid."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: None)
    sys.stdout.write("said by the parent")
    return run_forked(BEHAVIOURS["tells"], folder / "log", folder, 60)


def fork_beside_a_thread(folder: Path) -> str:
    """What is said to a process with two threads."""
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        run_forked(BEHAVIOURS["nothing"], folder / "log", folder, 60)
    except RuntimeError as error:
        return str(error)
    finally:
        done.set()
        thread.join()
    return "forked"


def interrupted_while_waiting(folder: Path) -> tuple[str, int]:
    """What ends the waiting, and the child's number."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    def child() -> None:
        Path("pid").write_text(str(os.getpid()))
        time.sleep(FOREVER_S)

    signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        run_forked(child, folder / "log", folder, 60)
    except KeyboardInterrupt:
        return "interrupted", int((folder / "pid").read_text())
    return "ended", 0


# ---- trees of processes ------------------------------------------------------------------------------------------------


def grow(folder: Path, kind: str) -> None:
    """A process with descendants, each of which notes its number and waits."""
    note(folder)
    if kind == "forks of forks":
        die_with_every_parent()
        for _ in range(2):
            if os.fork() == 0:
                note(folder)
                if os.fork() == 0:
                    note(folder)
                break
        time.sleep(FOREVER_S)
    if kind == "an attempt":
        run_forked(lambda: (note(folder), time.sleep(FOREVER_S)), folder / "log", folder, 1e9)
    if kind == "worker processes of a tool":
        die_with_every_parent()
        run_forked(lambda: _with_workers(folder), folder / "log", folder, 1e9)


def _with_workers(folder: Path) -> None:
    note(folder)
    with multiprocessing.get_context("fork").Pool(2, initializer=note, initargs=(folder,)) as pool:
        pool.apply(time.sleep, (FOREVER_S,))


def note(folder: Path) -> None:
    """Leave this process's number."""
    (folder / f"{os.getpid()}.pid").touch()


def orphaned() -> int:
    """Exit code of a child whose parent was gone before the kernel was asked."""
    if (pid := os.fork()) == 0:
        die_with(os.getpid())
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


# ---- attempts ----------------------------------------------------------------------------------------------------------


def attempt(root: Path, call: StepCall) -> Result:
    """One attempt, looking often."""
    impatient()
    return attempts.attempt(Production(root), call)


def run_leg(root: Path, calls: tuple[StepCall, ...]) -> list[str]:
    """Calls in order: what was reported."""
    reports = []

    def report(call: StepCall, result: Result | None) -> None:
        reports.append(f"{call.step}: {result.outcome if result else 'begins'}")

    run_calls(Production(root), calls, report)
    return reports


def sweep(root: Path) -> int:
    """Tidy up in a process of its own."""
    return sweep_scratch(Production(root))


def attempt_and_sweep(root: Path, call: StepCall) -> Result:
    """One attempt, then tidy up."""
    result = attempt(root, call)
    sweep(root)
    return result


def what_warm_up_did(calls: tuple[StepCall, ...], cache: Path) -> tuple[list[str], str]:
    """Modules of tools that were imported, and how many threads their libraries may start."""
    before = {name: sys.modules.pop(name) for name in ("osa_luigi.steps.close", "osa_luigi.steps.fake")}
    warm_up(calls, cache)
    return sorted(before.keys() & sys.modules.keys()), os.environ["OMP_NUM_THREADS"]


class Odd(Step):
    """A step whose tool is a function of this module, by name."""

    name = "odd"

    def __init__(self, tool: str, **command: Any) -> None:
        self._tool = tool
        self._command = command

    def command(self, call: StepCall) -> Command:
        return Command(Tool("odd", f"runner_work:{self._tool}"), ("--a", "b c"), **self._command)

    def produced(self, call: StepCall) -> Mapping[str, Path]:
        return {output.role: Path(output.path.name) for output in call.outputs}

    def explain(self, call: StepCall, said: str) -> str:
        return f"{call.unit} has too few segments." if "Segment" in said else ""

    def verify(self, call: StepCall, files: Mapping[str, Path]) -> Mapping[str, Any]:
        if self._tool == "verifier_dies":
            os.kill(os.getpid(), signal.SIGSEGV)
        if self._tool == "verifier_raises":
            raise ZeroDivisionError
        if self._tool == "verifier_refuses":
            raise VerificationError("dl1.h5: 3 events are missing → make it again")
        if self._tool == "verifier_names_the_file":
            raise VerificationError(f"{files['dl1']}: holds no events")
        return {"roles": sorted(files), "sizes": {role: path.stat().st_size for role, path in files.items()}}

    def check_inputs(self, call: StepCall) -> None:
        if self._tool == "cut_short":
            raise NightError("LST-1.1.Run02008.0003.fits.fz: is cut short: copy it again")


def odd(root: Path, call: StepCall, tool: str, command: Mapping[str, Any] | None = None) -> Result:
    """An attempt of an odd step."""
    attempts.behaviour = lambda _: Odd(tool, **(command or {}))
    return attempt(root, call)


def writes() -> None:
    Path("dl1.h5").write_text("events")


verifier_dies = verifier_raises = verifier_refuses = verifier_names_the_file = cut_short = writes


def writes_nothing() -> None:
    pass


def returns_2() -> int:
    writes()
    return 2


def exits_well() -> None:
    writes()
    sys.exit(0)


def says_a_last_word() -> None:
    print("reading the pedestal\n  Segment 7 is missing  \n")
    sys.exit(3)


def leaves_a_folder_in_place_of_a_file() -> None:
    Path("dl1.h5").mkdir()


def uses_what_was_laid_out() -> None:
    assert sys.argv == ["odd", "--a", "b c"]
    assert Path("in/raw").is_symlink()
    assert not Path("copied/dl1").is_symlink()
    Path("made").joinpath("x").write_text("")
    with Path("copied/dl1").open("a") as file:
        file.write(" and more")
    Path("dl1.h5").write_text(Path("in/raw").read_text() + Path("copied/dl1").read_text())


def writes_and_forks_a_writer() -> None:
    """A process that goes on writing after the tool has ended."""
    writes()
    if os.fork() == 0:
        while True:
            Path("dl1.h5").write_text("something else altogether")
            time.sleep(0.001)
