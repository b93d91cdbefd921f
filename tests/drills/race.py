"""Two copies of one attempt at once, as a batch system that runs a job twice would start them, and one of them killed.

``python -m tests.drills.race --call 7 --delay 0.1``, in the environment of a site: makes what the plan has before its call number
7, then lets two processes make that call, kills the first after the delay, and prints what was seen before as JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time

from osa_luigi.products.production import Production
from osa_luigi.runner.attempt import attempt
from osa_luigi.runner.leg import run_calls, warm_up
from osa_luigi.steps.call import StepCall
from osa_luigi.tasks.opening import config_path, open_session
from tests.drills.nights import DAY


def main() -> None:
    """Prepare, race, tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--call", type=int, required=True)
    parser.add_argument("--delay", type=float, required=True)
    parser.add_argument("--procedure", default="fake")
    asked = parser.parse_args()
    session = open_session(config_path(), DAY, procedure=asked.procedure)
    session.plan.write_configs()
    calls = list(session.plan.calls.values())[:-1]  # all but closing, which needs all others
    index = asked.call % len(calls)
    for production, call in calls[:index]:
        warm_up([call], session.configuration.main.site.paths.numba_cache)
        if not run_calls(production, [call], lambda *_: None):
            sys.exit(f"{call.name} failed before the race")
    survivor = race(*calls[index], asked.delay)
    print(json.dumps({"call": calls[index][1].name, "survivor": survivor}))


def race(production: Production, call: StepCall, delay_s: float) -> bool:
    """Start two at once, kill one; returns whether the other ended well."""
    gate, go = os.pipe()
    pids = [_racer(production, call, gate, go) for _ in range(2)]
    os.close(gate)
    os.close(go)  # the gate is open when nobody can write any more
    time.sleep(delay_s)
    os.kill(pids[0], signal.SIGKILL)
    statuses = [os.waitpid(pid, 0)[1] for pid in pids]
    return os.waitstatus_to_exitcode(statuses[1]) == 0


def _racer(production: Production, call: StepCall, gate: int, go: int) -> int:
    pid = os.fork()
    if pid == 0:
        os.close(go)
        os.read(gate, 1)
        os._exit(0 if attempt(production, call).good else 1)
    return pid


if __name__ == "__main__":
    main()
