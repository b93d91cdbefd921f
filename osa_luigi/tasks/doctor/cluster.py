"""SLURM: commands, controller, what the configuration names, and, if asked, a job of a second."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from osa_luigi.batch.slurm.client import SlurmClient
from osa_luigi.batch.slurm.script import script
from osa_luigi.config import SlurmExecutor, SlurmPlace
from osa_luigi.config.paths import nearest_existing
from osa_luigi.errors import ExecutorError, SlurmAway, SlurmRefused
from osa_luigi.process import host
from osa_luigi.tasks.doctor.finding import Finding, bad, ok, warn
from osa_luigi.tasks.doctor.folders import PREFIX

COMMANDS = ("sbatch", "squeue", "scancel", "scontrol", "sinfo")
ANSWER_S = 10.0
VISIBLE_S = 10.0
"""A job's file may become visible here so long after the job has ended."""

RECORD = """
import json, os, sys
from importlib.metadata import version
import osa_luigi
target = sys.argv[1]
told = {"node": os.uname().nodename, "python": sys.version.split()[0], "lstchain": version("lstchain"), "umask": os.umask(0)}
with open(target + ".new", "w") as file:
    json.dump(told, file)
os.replace(target + ".new", target)
"""


def cluster(settings: SlurmExecutor) -> Iterator[Finding]:
    """Whether the cluster answers, and has what the configuration names."""
    lacking = [command for command in COMMANDS if shutil.which(command) is None]
    if lacking:
        yield bad(
            f"no {', '.join(lacking)} here", "Run the engine on a machine that submits to SLURM, or correct PATH."
        )
        return
    client = SlurmClient(min(ANSWER_S, settings.client_timeout_seconds))
    if not client.ping():
        yield bad(
            "slurmctld does not answer (scontrol ping)", "Ask the cluster's administrators; the engine waits for it."
        )
        return
    try:
        yield from _limits(client, settings)
        yield from _names(client, settings)
        yield _own_host(client)
    except SlurmAway as error:
        yield bad(str(error), "Ask the cluster's administrators.")


def _limits(client: SlurmClient, settings: SlurmExecutor) -> Iterator[Finding]:
    found = client.limits()
    yield ok(f"SLURM {found.version} answers")
    said = f"MaxArraySize is {found.max_array_size:,}; array_size is {settings.array_size:,}"
    if found.max_array_size > settings.array_size:
        yield ok(said)
    else:
        yield warn(said, "Arrays are cut to what SLURM takes. Lower executor.slurm.array_size.")
    if found.max_jobs < settings.in_flight:
        yield warn(
            f"MaxJobCount is {found.max_jobs:,}; in_flight is {settings.in_flight:,}", "Lower executor.slurm.in_flight."
        )
    yield ok(
        "there is accounting" if found.accounting else "there is no accounting: receipts alone say what became of jobs"
    )
    if found.accounting and settings_accounts(settings):
        yield from _accounts(client, settings)


def settings_accounts(settings: SlurmExecutor) -> dict[str, str]:
    """Account → a setting that names it."""
    return {place.account: key for key, place in _places(settings).items() if place.account}


def _places(settings: SlurmExecutor) -> dict[str, SlurmPlace]:
    steps = {f"executor.slurm.steps.{step}": place for step, place in settings.steps.items()}
    return {**steps, "executor.slurm": settings.place}


def _accounts(client: SlurmClient, settings: SlurmExecutor) -> Iterator[Finding]:
    known = client.accounts()
    for account, key in settings_accounts(settings).items():
        if account in known:
            yield ok(f"account {account} may be charged")
        else:
            may = ", ".join(sorted(known)) or "none"
            yield bad(
                f"{key}.account: this user may not charge {account} (but {may})", "Correct it, or have the user added."
            )


def _names(client: SlurmClient, settings: SlurmExecutor) -> Iterator[Finding]:
    known = client.partitions()
    wanted = {place.partition: key for key, place in _places(settings).items() if place.partition}
    for names, key in wanted.items():
        for name in names.split(","):
            if name in known:
                yield ok(f"partition {name} is there")
            else:
                yield bad(f"{key}.partition: no partition {name} (there are {', '.join(sorted(known))})", "Correct it.")


def _own_host(client: SlurmClient) -> Finding:
    if job := os.environ.get("SLURM_JOB_ID"):
        return warn(f"this runs in the SLURM job {job}", "An engine there ends with the job: start it on a login node.")
    if host() in client.nodes():
        return warn(
            f"this machine, {host()}, is a compute node", "Jobs would take the engine's memory: use a login node."
        )
    return ok(f"this machine, {host()}, is no compute node")


def job(settings: SlurmExecutor, running_analysis: Path, wait_s: float) -> Iterator[Finding]:
    """A job of a second, by the very script that a night's jobs have, and its record read back.

    Parameters
    ----------
    wait_s
        For so long it may wait in the queue.
    """
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=nearest_existing(running_analysis)))
    client = SlurmClient(min(ANSWER_S, settings.client_timeout_seconds))
    submitted: int | None = None
    try:
        submitted = client.submit(_written(folder, settings), _options(folder, settings))
        yield _record(client, submitted, folder, wait_s)
    except (SlurmRefused, SlurmAway) as error:
        yield bad(str(error), "SLURM's own words say why.")
    except ExecutorError as error:
        yield bad(str(error), "Correct executor.slurm.environment.")
    finally:
        if submitted is not None and not (folder / "record.json").exists():
            client.cancel(submitted)
        shutil.rmtree(folder, ignore_errors=True)


def _written(folder: Path, settings: SlurmExecutor) -> Path:
    (folder / "record.py").write_text(RECORD)
    element = ["-P", str(folder / "record.py"), str(folder / "record.json")]
    path = folder / "job.sh"
    path.write_text(script(folder, settings.environment, (), element))
    return path


def _options(folder: Path, settings: SlurmExecutor) -> list[str]:
    place = settings.place
    named = {"partition": place.partition, "account": place.account, "qos": place.qos}
    return [
        *("--job-name=osa-doctor", "--time=1", "--mem=500", f"--chdir={folder}", f"--output={folder / 'log'}"),
        "--export=ALL",
        *(f"--{name}={value}" for name, value in named.items() if value),
        *place.extra,
    ]


def _record(client: SlurmClient, submitted: int, folder: Path, wait_s: float) -> Finding:
    """The job's own record; or why there is none."""
    began, ended, state = time.monotonic(), None, "unknown"
    while time.monotonic() - began < wait_s and (ended is None or time.monotonic() - ended < VISIBLE_S):
        if (folder / "record.json").exists():
            told = json.loads((folder / "record.json").read_text())
            return _ran(submitted, told, time.monotonic() - began)
        seen = [one for one in client.queue("osa-doctor") if one.job == submitted]
        state = seen[0].state if seen else state
        reason = seen[0].reason if seen else ""
        if seen and state not in ("PENDING", "CONFIGURING", "RUNNING", "COMPLETING"):
            ended = ended or time.monotonic()
        time.sleep(0.5)
    if ended is None:
        return warn(
            f"job {submitted} did not start within {wait_s:g} s ({state} {reason})",
            "It was cancelled. Try again later.",
        )
    log = folder / "log"
    said = log.read_text(errors="replace").strip()[-500:] if log.exists() else "it left no output"
    return bad(f"job {submitted} ended {state} without its record: {said}", "Correct executor.slurm.environment.")


def _ran(submitted: int, told: Mapping[str, Any], seconds: float) -> Finding:
    """What a job found on its node; it takes the umask along, unless the site sets another."""
    umask = os.umask(0)
    os.umask(umask)
    said = (
        f"job {submitted} ran on {told['node']} with Python {told['python']} and lstchain {told['lstchain']}, "
        f"{seconds:.0f} s after its submission"
    )
    if told["umask"] == umask:
        return ok(said)
    return warn(
        f"{said}; its umask was {told['umask']:04o}, here it is {umask:04o}",
        "Set it in executor.slurm.environment.prologue.",
    )
