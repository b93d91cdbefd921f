"""What a step costs above lstchain's own work, and what it costs when typed by hand.

``python -m benchmarks.steps --json``. For each real step, in one run and in one environment (warm numba cache, no network, one
thread): the bare command in an interpreter of its own; our attempt, forked from a process that has imported lstchain, with all that
belongs to it; and the tool alone, forked from the same process with nothing of ours around it. CPU seconds, children included.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from osa_luigi.night import scan_raw
from osa_luigi.products.digest import sha256, tables_digest
from osa_luigi.products.production import Production
from osa_luigi.products.receipt import current_receipt
from osa_luigi.runner.attempt import Result, lay_out, resolve
from osa_luigi.runner.environment import ONE_THREAD
from osa_luigi.runner.leg import run_calls, warm_up
from osa_luigi.steps.behaviour import behaviour
from osa_luigi.steps.call import StepCall
from osa_luigi.steps.planner import run_summary_group
from osa_luigi.steps.step import Command
from osa_luigi.tasks.opening import night_paths
from osa_luigi.tasks.session import Session
from tests.drills.nights import DAY, Site, tiny_night

STEPS = (
    "run_summary",
    "drs4_baseline",
    "charge_calibration",
    "r0_to_dl1",
    "dl1ab",
    "datacheck",
    "merge_dl1",
    "merge_muons",
    "dl2",
    "longterm",
)
BAR_S = 1.0
LARGE_MB = 200
"""Size of the file on which verification is measured by the GB."""
DOUBTFUL_S = 0.3
"""From which disagreement (s) on the difference of two runs of a tool says little."""


@dataclass
class Cost:
    """CPU seconds of one step."""

    step: str
    own_process_s: float = 0.0
    forked_s: list[float] = field(default_factory=list)
    tool_s: list[float] = field(default_factory=list)
    tool_child_s: list[float] = field(default_factory=list)
    verify_s: list[float] = field(default_factory=list)
    tables_gb: float = 0.0
    notes: list[str] = field(default_factory=list)

    def as_json(self, verify_s_per_gb: float) -> dict[str, Any]:
        """The least of each, which is what was disturbed least; what grows with the products is told apart from what is fixed."""
        difference = min(self.forked_s) - min(self.tool_s)
        growing = verify_s_per_gb * self.tables_gb
        above = min(whole - child for whole, child in zip(self.forked_s, self.tool_child_s, strict=True))
        notes = list(self.notes)
        noisy = abs(difference - above) > DOUBTFUL_S
        if noisy:
            notes.append(
                f"noise: the difference of two runs of the tool is {difference:.2f} s; "
                "taken instead is what one attempt used above its own tool's process"
            )
        return {
            "step": self.step,
            "own_process_cpu_s": round(self.own_process_s, 2),
            "forked_cpu_s": round(min(self.forked_s), 2),
            "fixed_cpu_s": round((above if noisy else difference) - growing, 2),
            "tool_cpu_s": round(min(self.tool_s), 2),
            "above_tool_cpu_s": round(difference, 2),
            "above_tool_process_cpu_s": round(above, 2),
            "verify_cpu_s": round(min(self.verify_s), 2),
            "tables_mb": round(1000 * self.tables_gb, 1),
            **({"note": "; ".join(notes)} if notes else {}),
        }


def cpu_of_child(function: Callable[[], object], log: Path) -> tuple[float, int]:
    """CPU seconds of a forked child with all its own children, and its exit code."""
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        os._exit(_in_child(function, log))
    _, status, usage = os.wait4(pid, 0)
    return usage.ru_utime + usage.ru_stime, os.waitstatus_to_exitcode(status)


def _in_child(function: Callable[[], object], log: Path) -> int:
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    try:
        code = function()
    except SystemExit as error:
        code = error.code
    except BaseException as error:
        os.write(2, repr(error).encode())
        return 1
    return int(code) if isinstance(code, int) else int(code is not None)


class Bench:
    """Measures the steps of a night whose products are there."""

    def __init__(self, site: Site, folder: Path) -> None:
        self._site = site
        self._folder = folder
        self._count = 0
        self._log = folder / "log.txt"
        self._environment = {**os.environ, **_offline(folder)}

    def cost(self, call: StepCall, repeat: int) -> Cost:
        """All three ways of running a call."""
        cost = Cost(call.step)
        command = behaviour(call).command(call)
        cost.own_process_s = self._own_process(command, cost)
        for _ in range(repeat):
            cost.tool_s.append(self._tool(command, cost))
            cost.forked_s.append(self._attempt(call, cost))
        return cost

    def _own_process(self, command: Command, cost: Cost) -> float:
        folder = self._empty()
        with contextlib.chdir(folder):
            lay_out(command)
        with self._log.open("ab") as log:
            shell = [str(Path(sys.executable).with_name(command.tool.command)), *by_hand(command.arguments)]
            process = subprocess.Popen(shell, cwd=folder, env=self._environment, stdout=log, stderr=log)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            cost.notes.append(f"the bare command ended with exit code {process.returncode}")
        return usage.ru_utime + usage.ru_stime

    def _tool(self, command: Command, cost: Cost, mend: str = "") -> float:
        folder = self._empty()

        def work() -> object:
            os.chdir(folder)
            lay_out(command)
            if mend:
                resolve(mend)()
            sys.argv = [command.tool.command, *command.arguments]
            return resolve(command.tool.entry)()

        spent, code = cpu_of_child(work, self._log)
        if code and command.tool.mend and not mend:
            note = "the tool alone fails here, and was measured with its work-around"
            cost.notes += [note] if note not in cost.notes else []
            return self._tool(command, cost, command.tool.mend)
        if code:
            raise SystemExit(f"{cost.step}: the tool alone ended with exit code {code}; read {self._log}")
        return spent

    def _attempt(self, call: StepCall, cost: Cost) -> float:
        production = Production(self._empty() / "production")
        told = production.root.parent / "told.json"

        def report(_: StepCall, result: Result | None) -> None:
            if result is not None:
                told.write_text(json.dumps({**result.record, "reason": result.reason}))

        spent, code = cpu_of_child(lambda: 0 if run_calls(production, [call], report) else 1, self._log)
        record = json.loads(told.read_text())
        if code:
            raise SystemExit(f"{call.name} failed: {record['reason']}")
        cost.tool_child_s.append(record["cpu_s"])
        cost.verify_s.append(record["verify_cpu_s"])
        receipt = current_receipt(production, call.step, call.unit)
        paths = [production.root / made.path for made in receipt.outputs] if receipt else []
        # In a child: libraries that open files may start threads, and this process has more to fork.
        cpu_of_child(lambda: told.write_text(str(sum(map(tables_gb, paths)))) and 0, self._log)
        cost.tables_gb = float(told.read_text())
        return spent

    def verify_s_per_gb(self, dl1: Path) -> float:
        """CPU seconds per 10⁹ bytes of tables for reading a DL1 file to its end and for both its hashes."""
        from osa_luigi.steps import checks

        large = self._empty() / "dl1_large.h5"
        _grow(dl1, large)

        def work() -> None:
            with checks.hdf5(large):
                pass
            tables_digest(large)
            sha256(large, sync=True)

        size = large.with_suffix(".size")
        cpu_of_child(lambda: size.write_text(str(tables_gb(large))) and 0, self._log)
        return cpu_of_child(work, self._log)[0] / float(size.read_text())

    def _empty(self) -> Path:
        self._count += 1
        folder = self._folder / str(self._count)
        folder.mkdir()
        return folder


def tables_gb(path: Path) -> float:
    """Size of a file's tables as they lie in memory; of the file itself if it is not HDF5."""
    import tables

    if path.suffix != ".h5":
        return path.stat().st_size / 1e9
    with tables.open_file(str(path)) as file:
        leaves = (leaf for leaf in file.walk_nodes("/", "Leaf") if not isinstance(leaf, tables.UnImplemented))
        return sum(int(leaf.size_in_memory) for leaf in leaves) / 1e9


def by_hand(arguments: Sequence[str]) -> list[str]:
    """Without an empty server for the telescope's database: the shipped tool fails on it, and waits for its default in vain."""
    empty = [index for index, argument in enumerate(arguments) if argument == ""]
    return [argument for index, argument in enumerate(arguments) if not {index, index + 1}.intersection(empty)]


def _grow(source: Path, target: Path) -> None:
    """The same tables with their rows again and again, until the file is large."""
    import tables

    times = max(1, LARGE_MB * 10**6 // source.stat().st_size)
    with tables.open_file(str(source)) as old, tables.open_file(str(target), "w") as new:
        for leaf in list(old.walk_nodes("/", "Leaf")):
            if isinstance(leaf, tables.UnImplemented) or not leaf.shape:
                continue
            where = leaf._v_parent._v_pathname
            copy = leaf.copy(_group(new, where))
            for _ in range(times - 1 if isinstance(leaf, tables.Table | tables.EArray) else 0):
                copy.append(leaf.read())


def _group(file: Any, path: str) -> Any:
    parent = file.root
    for name in path.strip("/").split("/"):
        if name:
            parent = parent._v_children[name] if name in parent._v_children else file.create_group(parent, name)
    return parent


def _offline(folder: Path) -> dict[str, str]:
    """What keeps astropy in an interpreter of its own from the network, as `stay_offline` does in ours."""
    config = folder / "xdg" / "astropy" / "astropy.cfg"
    config.parent.mkdir(parents=True)
    config.write_text("[utils.iers.iers]\nauto_download = False\n")
    return {"XDG_CONFIG_HOME": str(folder / "xdg")}


def calls_of(session: Session) -> Iterator[StepCall]:
    """The first call of each step of the night, its run summary among them."""
    paths = night_paths(session.configuration)
    found = {"run_summary": run_summary_group(session.configuration, DAY, scan_raw(paths.r0, paths.r0g, DAY)).calls[0]}
    for _, call in session.plan.calls.values():
        found.setdefault(call.step, call)
    yield from (found[step] for step in STEPS if step in found)


def measure(site: Site, repeat: int, tell: Callable[[str], None]) -> dict[str, Any]:
    """All steps of a site's night; its products are made first if they are missing."""
    done = site.run_night()
    if done.returncode:
        raise SystemExit(f"the night cannot be processed:\n{done.stdout}")
    session = site.session()
    calls = list(calls_of(session))
    warm_up(calls, session.configuration.main.site.paths.numba_cache)
    folder = Path(tempfile.mkdtemp(prefix="osa-steps-"))
    try:
        bench = Bench(site, folder)
        dl1a = next(call for call in calls if call.step == "r0_to_dl1").output("dl1").path
        per_gb = bench.verify_s_per_gb(session.plan.production.root / dl1a)
        costs = []
        for call in calls:
            costs.append(bench.cost(call, repeat).as_json(per_gb))
            tell(str(costs[-1]))
    finally:
        shutil.rmtree(folder)
    return {
        "steps": costs,
        "verify_s_per_gb": round(per_gb, 1),
        "bar_s": BAR_S,
        "within_bar": all(cost["fixed_cpu_s"] <= BAR_S for cost in costs),
        "repeat": repeat,
        "load": round(os.getloadavg()[1], 1),
    }


def show(result: dict[str, Any]) -> None:
    """As a table."""
    names = ("own_process_cpu_s", "forked_cpu_s", "tool_cpu_s", "fixed_cpu_s", "verify_cpu_s", "tables_mb")
    print(f"{'step':20}" + "".join(f"{name:>20}" for name in names))
    for cost in result["steps"]:
        print(f"{cost['step']:20}" + "".join(f"{cost[name]:20.2f}" for name in names))
        if "note" in cost:
            print(f"    {cost['note']}")
    print(
        f"verifying and hashing: {result['verify_s_per_gb']} CPU s per GB of tables; load of this machine {result['load']}"
    )


def main() -> None:
    """``python -m benchmarks.steps``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.add_argument(
        "--site", type=Path, help="base of a site with a night of raw data; default: a tiny simulated night"
    )
    parser.add_argument("--config", type=Path, help="main configuration, whose base is taken from the environment")
    parser.add_argument("--repeat", type=int, default=2)
    asked = parser.parse_args()
    if os.environ.get("OMP_NUM_THREADS") != "1":  # before numpy's threads are started, hence a process anew
        os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
        os.execv(sys.executable, [sys.executable, "-m", "benchmarks.steps", *sys.argv[1:]])
    site = (
        Site(asked.site.absolute(), *([asked.config.absolute()] if asked.config else []))
        if asked.site
        else tiny_night()
    )
    result = measure(site, asked.repeat, lambda line: print(line, file=sys.stderr, flush=True))
    if asked.json:
        print(json.dumps(result))
    else:
        show(result)


if __name__ == "__main__":
    main()
