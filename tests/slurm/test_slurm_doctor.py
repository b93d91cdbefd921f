"""``osa doctor`` on a real SLURM: what it finds there, and a job of a second."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from slurm_site import Site

from tests.cluster import Cluster


def findings(site: Site, *arguments: str, code: int = 0) -> dict[str, list[tuple[str, str]]]:
    """Area → level and what, of all that it finds."""
    found: dict[str, list[tuple[str, str]]] = {}
    for one in json.loads(doctor(site, *arguments, code=code))["findings"]:
        found.setdefault(one["area"], []).append((one["level"], one["what"]))
    return found


def doctor(site: Site, *arguments: str, code: int) -> str:
    command = [sys.executable, "-c", "from osa_luigi.cli import main; main()", "doctor", "--json", *arguments]
    ended = subprocess.run(
        command, env=site.environment, cwd=site.folder, capture_output=True, text=True, timeout=200, check=False
    )
    assert ended.returncode == code, (ended.stdout, ended.stderr)
    return ended.stdout


def left(site: Site) -> list[Path]:
    return list(site.folder.rglob(".osa-doctor-*"))


def test_a_cluster_that_answers_and_a_job_of_a_second(site: Site) -> None:
    site.configure()
    found = findings(site, "--submit")
    said = [what for _, what in found["SLURM"]]
    assert any(what.startswith("SLURM ") and what.endswith(" answers") for what in said)
    assert "there is no accounting: receipts alone say what became of jobs" in said
    ((level, what),) = found["job"]
    assert level == "ok"
    assert " ran on " in what
    assert left(site) == []


def test_what_the_configuration_names_and_the_cluster_has_not(site: Site) -> None:
    site.settings = {"partition": "nowhere", "array_size": 10_000_000}
    site.configure()
    found = findings(site, "--submit", code=1)
    levels: dict[str, Any] = {what: level for level, what in found["SLURM"]}
    assert any(what.startswith("executor.slurm.partition: no partition nowhere") for what in levels)
    assert any(what.startswith("MaxArraySize") and level == "warn" for what, level in levels.items())
    ((level, what),) = found["job"]
    assert level == "bad"
    assert "nowhere" in what or "partition" in what
    assert left(site) == []


def test_a_node_that_lacks_the_software(site: Site) -> None:
    site.settings = {"environment": {"python": "/bin/false"}}
    site.configure()
    ((level, what),) = findings(site, "--submit", code=1)["job"]
    assert level == "bad"
    assert "without its record" in what
    assert left(site) == []


def test_a_controller_that_does_not_answer_holds_up_nothing(site: Site, cluster: Cluster) -> None:
    site.configure()
    cluster.stop_slurmctld()
    try:
        found = findings(site, "--limit", "20", code=1)
    finally:
        cluster.continue_slurmctld()
    assert ("bad", "slurmctld does not answer (scontrol ping)") in found["SLURM"]
