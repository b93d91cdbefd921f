"""Two operators with different accounts on one night of fake steps: ``python -m tests.drills.operators --json``, as root.

A begins a night in which a step fails and is killed in another one; B is refused while A works, and goes on when A has ended. Once on a
site that is set up for a group, and once on one that is not.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from osa_luigi.batch.lease import engine
from osa_luigi.cli.placeholder import PlaceholderNight
from osa_luigi.products.production import Production

A, B, GROUP = 41001, 41002, 41000
DAY = date(2024, 11, 15)
DATES = ("--date", "2024-11-15")
PATIENCE_S = 90
SHARED = ("running_analysis", "monitoring/RunSummary", "cache/numba", "log/osa")


@dataclass
class Site:
    """A site of fake steps that both accounts may read, and whose folders are the group's, or A's."""

    folder: Path

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def production(self) -> Production:
        return Production(self.data / "running_analysis" / "20241115" / "fake")

    def configure(self, **fake: Any) -> None:
        """Write the configuration; JSON is YAML."""
        procedure = {
            "name": "fake",
            "production_id": "fake",
            "dl2": {"enabled": False},
            "fake": {"duration_s": 0, **fake},
        }
        main = {
            "site": {"name": "drill", "base": str(self.data)},
            "procedures": ["procedures.yaml"],
            "morning": {"settle_minutes": 0},
            "executor": {"local": {"cores": 2, "memory_mb": 1_000_000}},
        }
        (self.folder / "site.yaml").write_text(json.dumps(main))
        (self.folder / "procedures.yaml").write_text(json.dumps({"procedures": [procedure]}))

    def share(self, mode: int) -> None:
        """Give the folders to A and the group."""
        for name in SHARED:
            folder = self.data / name
            folder.mkdir(parents=True, exist_ok=True)
            os.chown(folder, A, GROUP)
            folder.chmod(mode)
        for file in (self.data / "monitoring/RunSummary").iterdir():
            os.chown(file, A, GROUP)

    def start(self, account: int, umask: int, *arguments: str) -> subprocess.Popen[str]:
        """``osa`` as an account."""
        home = self.folder / f"home-{account}"
        home.mkdir(exist_ok=True)
        os.chown(home, account, GROUP)
        path = os.pathsep.join(entry for entry in sys.path if entry)
        environment = {
            **os.environ,
            "OSA_CONFIG": str(self.folder / "site.yaml"),
            "HOME": str(home),
            "PYTHONPATH": path,
        }
        # Reading is let through, since the interpreter may lie in root's own home; writing is not.
        reading = (
            "--inh-caps=+dac_read_search",
            "--ambient-caps=+dac_read_search",
            "--bounding-set=-all,+dac_read_search",
        )
        become = ["setpriv", f"--reuid={account}", f"--regid={GROUP}", "--clear-groups", *reading]
        return subprocess.Popen(
            [*become, sys.executable, "-c", "from osa_luigi.cli import main; main()", *arguments],
            env=environment,
            cwd=home,
            umask=umask,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def osa(self, account: int, umask: int, *arguments: str) -> tuple[int, str, str]:
        """The same to its end."""
        process = self.start(account, umask, *arguments)
        out, err = process.communicate(timeout=PATIENCE_S)
        return process.returncode, out, err

    def morning(self, account: int, umask: int) -> dict[str, Any]:
        """How ``osa morning`` of an account ended."""
        code, out, err = self.osa(account, umask, "morning", "--local-scheduler", "--json", *DATES)
        if not out:
            return {"code": code, "state": "", "why": err.strip()}
        (night,) = json.loads(out)["nights"]
        return {"code": code, "state": night["state"], "why": night["why"]}

    def until_at_work(self, process: subprocess.Popen[str]) -> None:
        """An engine has the night."""
        deadline = time.monotonic() + PATIENCE_S
        while not ((found := engine(self.production)) and found.alive and list(self.production.scratch.glob("*"))):
            if process.poll() is not None:
                raise RuntimeError(f"it ended: {process.communicate()}")
            if time.monotonic() > deadline:
                raise TimeoutError("nobody works on the night")
            time.sleep(0.05)


@contextmanager
def site() -> Iterator[Site]:
    """Removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="osa-operators-"))
    folder.chmod(0o755)
    made = Site(folder)
    made.configure()
    PlaceholderNight(made.data, DAY, 2, 2).write()
    try:
        yield made
    finally:
        shutil.rmtree(folder)


def shared() -> dict[str, Any]:
    """A site of the group's: what A began, B ends."""
    with site() as here:
        here.share(0o2775)
        here.configure(hang=["r0_to_dl1:Run02003.0000"])
        a = here.start(A, 0o002, "morning", "--local-scheduler", *DATES)
        here.until_at_work(a)
        refused = here.morning(B, 0o002)
        a.send_signal(signal.SIGKILL)
        a.communicate()
        here.configure(fail=["merge_dl1:Run02003"])
        failed = here.morning(A, 0o002)
        here.configure()
        ended = here.morning(B, 0o002)
        doctor = here.osa(B, 0o002, "doctor", "--json")
        owners = sorted({path.stat().st_uid for path in here.production.root.rglob("*")})
        return {
            "refused": refused,
            "failed": failed,
            "ended": ended,
            "doctor": doctor[0],
            "owners": owners,
            "good": refused["state"] == "at work"
            and failed["state"] == "incomplete"
            and ended["state"] == "closed"
            and doctor[0] == 0
            and owners == [A, B],
        }


def not_shared() -> dict[str, Any]:
    """A site of A's alone: B may look, and is told what it may not."""
    with site() as here:
        here.share(0o755)
        here.configure(fail=["r0_to_dl1:Run02004.0001"])
        here.morning(A, 0o022)
        here.configure()
        refused = here.morning(B, 0o022)
        code, _, err = here.osa(B, 0o022, "status", *DATES)
        return {
            "refused": refused,
            "status": code,
            "good": refused["code"] == 3 and "not writable" in refused["why"] and code == 1 and not err,
        }


def wrong_umask() -> dict[str, Any]:
    """A site of the group's, but A's umask keeps the group out: B is told where."""
    with site() as here:
        here.share(0o2775)
        here.configure(fail=["r0_to_dl1:Run02004.0001"])
        here.morning(A, 0o022)
        here.configure()
        no_log = here.morning(B, 0o002)
        shutil.rmtree(here.data / "log/osa/20241115")
        refused = here.morning(B, 0o002)
        _, out, _ = here.osa(B, 0o002, "doctor", "--json")
        told = [one["next"] for one in json.loads(out)["findings"] if "cannot be written by the group" in one["what"]]
        return {
            "no_log": no_log,
            "refused": refused,
            "doctor": told,
            "good": no_log["code"] == 3
            and "site.paths.logs" in no_log["why"]
            and refused["code"] == 1
            and "Traceback" not in refused["why"]
            and "ermission" in refused["why"]
            and bool(told),
        }


def main() -> None:
    """``python -m tests.drills.operators``."""
    parser = argparse.ArgumentParser(description="Two operators with different accounts")
    parser.add_argument("--json", action="store_true", help="print data for a program to read")
    parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("This needs root, to become two other accounts.")
    drills = {"shared": shared, "not_shared": not_shared, "wrong_umask": wrong_umask}
    results = [{"name": name, **drill()} for name, drill in drills.items()]
    print(json.dumps({"drills": results}, indent=1))
    if not all(result["good"] for result in results):
        sys.exit(1)


if __name__ == "__main__":
    main()
