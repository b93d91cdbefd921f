"""The products of a night against those of the same lstchain commands typed by hand, table by table.

``python -m tests.drills.equal --json --site DIR``. For every step of the plan the shell that ``osa step run --print`` shows is run by
bash in an empty folder, on the products of the hand-typed steps before it, so that the two chains share raw files and models only.
Then the digests of the tables are compared with those that the night's receipts hold.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from osa_luigi.products.digest import tables_digest
from osa_luigi.products.production import Production
from osa_luigi.products.receipt import Receipt
from osa_luigi.runner.environment import ONE_THREAD
from osa_luigi.steps.behaviour import behaviour
from osa_luigi.steps.call import StepCall
from osa_luigi.steps.plan import NightPlan
from osa_luigi.steps.planner import plan_night
from osa_luigi.tasks.session import Session
from tests.drills.nights import Site, tiny_night
from tests.drills.witness import look


@dataclass(frozen=True)
class Compared:
    """What became of one step; `equal` is None where nothing can be compared."""

    name: str
    equal: bool | None
    why: str


def compare(site: Site, runs: int, tell: Callable[[str], None]) -> list[Compared]:
    """Type the chain, compare each step with its receipt."""
    session = site.session()
    receipts = look(session.plan.production).receipts
    folder = Path(tempfile.mkdtemp(prefix="osa-equal-"))
    # Named as in a site's tree: an earlier night's calibration would lie beside it.
    typed = Production(folder / "running_analysis" / session.plan.production.root.parent.name / "typed")
    typist = Typist(session, typed, folder)
    compared = []
    for production, call in _calls(session, typed, runs):
        compared.append(typist.compare(production, call, receipts.get(call.name)))
        tell(f"{call.name}: {compared[-1].why}")
    if all(one.equal is not False for one in compared):
        shutil.rmtree(folder)
    return compared


def _calls(session: Session, typed: Production, runs: int) -> Iterator[tuple[Production, StepCall]]:
    """The night's plan for another production, without what needs runs that are left out."""
    plan = plan_night(session.configuration, session.plan.night, session.plan.source, typed)
    for production, call in plan.calls.values():
        if call.step != "close" and _is_asked(plan, call, runs):
            yield production, call


def _is_asked(plan: NightPlan, call: StepCall, runs: int) -> bool:
    if len(plan.runs) <= runs:
        return True
    left_out = {f"Run{run:05d}" for run in list(plan.runs)[runs:]}
    return call.unit != "night" and call.unit.partition(".")[0] not in left_out


class Typist:
    """Types commands, and puts what they leave where the next ones look for it."""

    def __init__(self, session: Session, typed: Production, folder: Path) -> None:
        self._night = session.plan.production
        self._typed = typed
        self._folder = folder
        self._environment = _environment(session.configuration.main.site.paths.numba_cache, folder)

    def compare(self, production: Production, call: StepCall, receipt: Receipt | None) -> Compared:
        """One step."""
        if receipt is None or receipt.key != call.key:
            return Compared(call.name, None, "the night has no product of this step key")
        work = self._folder / "work" / call.name
        work.mkdir(parents=True)
        command = behaviour(call).command(call)
        typed = subprocess.run(
            ["bash", "-e", "-c", command.shell()],
            cwd=work,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if typed.returncode:
            said = typed.stdout.strip().splitlines()[-1:]
            if command.tool.mend:
                self._take_over(production, receipt)
                return Compared(call.name, None, f"fails without our work-around {command.tool.mend}: {said}")
            return Compared(call.name, False, f"exit code {typed.returncode} when typed by hand: {said}")
        return self._compare(production, call, receipt, work)

    def _compare(self, production: Production, call: StepCall, receipt: Receipt, work: Path) -> Compared:
        places = behaviour(call).produced(call)
        different, equal, without = [], [], []
        for made in receipt.outputs:
            left, place = work / places[made.role], production.root / made.path
            if not left.is_file():
                different.append(f"{made.role}: not made by hand")
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(left, place)
            group = without if not made.tables else equal if tables_digest(place) == made.tables else different
            group.append(made.role)
        shutil.rmtree(work)
        if different:
            return Compared(call.name, False, f"tables differ: {', '.join(different)}")
        words = [f"equal tables: {', '.join(equal)}"] if equal else []
        words += [f"without tables: {', '.join(without)}"] if without else []
        return Compared(call.name, True if equal else None, "; ".join(words))

    def _take_over(self, production: Production, receipt: Receipt) -> None:
        """For the steps that follow."""
        for made in receipt.outputs:
            place = production.root / made.path
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self._night.root / made.path, place)


def _environment(cache: Path, folder: Path) -> Mapping[str, str]:
    """A person's, who knows that there is no network and what threads cost."""
    config = folder / "xdg" / "astropy" / "astropy.cfg"
    config.parent.mkdir(parents=True)
    config.write_text("[utils.iers.iers]\nauto_download = False\n")
    return {
        **os.environ,
        **dict.fromkeys(ONE_THREAD, "1"),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "MPLBACKEND": "Agg",
        "NUMBA_CACHE_DIR": str(cache / "numba"),
        "XDG_CONFIG_HOME": str(folder / "xdg"),
    }


def main() -> None:
    """``python -m tests.drills.equal``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--site", type=Path, help="base of a site with a finished night; default: the tiny one, made first"
    )
    parser.add_argument("--config", type=Path, help="its main configuration, whose base is taken from the environment")
    parser.add_argument("--runs", type=int, default=1, help="how many DATA runs")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    asked = parser.parse_args()
    if asked.site:
        site = Site(asked.site.absolute(), *([asked.config.absolute()] if asked.config else []))
    else:
        site = tiny_night()
        if (done := site.run_night()).returncode:
            raise SystemExit(f"the night cannot be processed:\n{done.stdout}")
    compared = compare(site, asked.runs, lambda line: print(line, file=sys.stderr, flush=True))
    unequal = sum(one.equal is False for one in compared)
    if asked.json:
        print(json.dumps({"steps": [asdict(one) for one in compared], "unequal": unequal}))
    else:
        for one in compared:
            print(f"{one.name:32} {'-' if one.equal is None else one.equal!s:6} {one.why}")
    sys.exit(1 if unequal or not any(one.equal for one in compared) else 0)


if __name__ == "__main__":
    main()
