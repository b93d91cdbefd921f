"""A night on a cluster that takes one job of an account at a time."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from slurm_site import PATIENCE_S, Site
from waiting import eventually

from tests.cluster import Cluster
from tests.drills.arrays import array_file, array_names


@pytest.fixture
def narrow(slurm_is_there: None, tmp_path: Path) -> Iterator[Site]:
    with Cluster(nodes=1, accounting="dbd", extra=["AccountingStorageEnforce=limits"]) as cluster:
        cluster.ask("sacctmgr", "-i", "add", "account", "lst")
        cluster.ask("sacctmgr", "-i", "add", "user", "root", "account=lst", "MaxSubmitJobs=1")
        eventually(lambda: "1" in cluster.ask("sacctmgr", "-nP", "show", "assoc", "user=root", "format=MaxSubmitJobs"))
        yield Site(tmp_path, cluster, {"grace_seconds": 1, "account": "lst"})


def papers_of(site: Site) -> Callable[[str], dict[str, Any]]:
    """An array's own files."""

    def read(name: str) -> dict[str, Any]:
        found = {file: array_file(site.production, name, file) for file in ("intent.json", "submitted.json")}
        return {file: json.loads(text) for file, text in found.items() if text}

    return read


def test_a_limit_on_the_number_of_jobs_only_makes_a_night_longer(narrow: Site) -> None:
    """Two runs of two subruns: each array is above the limit by itself, and comes in parts."""
    narrow.configure()
    engine = narrow.start()
    log = narrow.folder / "luigi0.log"
    eventually(lambda: "has to wait" in log.read_text() or engine.poll() is not None, PATIENCE_S)
    assert engine.wait(PATIENCE_S) == 0, log.read_text()[-3000:]
    assert "(executor.slurm.array_size)" in log.read_text()
    assert not narrow.given_up()
    done = [papers for papers in map(papers_of(narrow), array_names(narrow.production)) if "submitted.json" in papers]
    assert max(Counter(name for papers in done for name in papers["intent.json"]["jobs"]).values()) == 1
    assert {len(papers["intent.json"]["elements"]) for papers in done} == {1}
