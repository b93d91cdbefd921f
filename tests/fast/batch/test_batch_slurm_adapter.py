"""What the engines of a process share of SLURM: begun while it is away, and marked by the production."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from osa_luigi.batch.slurm.adapter import SharedCluster
from osa_luigi.batch.slurm.executor import array_prefix
from osa_luigi.errors import SlurmAbsent
from osa_luigi.products.production import Production

CONFIGURATION = """MaxArraySize            = 1001
MaxJobCount             = 10000
MinJobAge               = 300 sec
AccountingStorageType   = (null)
SLURM_VERSION           = 22.05.8"""


@pytest.fixture
def settings() -> Any:
    return SimpleNamespace(poll_seconds=0.05, client_timeout_seconds=5.0, environment=SimpleNamespace(archive=None))


def test_a_slurm_that_is_away_when_a_night_is_begun_is_waited_for(
    tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    scontrol, asked = tmp_path / "scontrol", tmp_path / "asked"
    answer = f"cat <<'END'\n{CONFIGURATION}\nEND"
    away = "{ echo 'slurm_load_ctl_conf error: Unable to contact slurm controller (connect failure)' >&2; exit 1; }"
    scontrol.write_text(f"#!/bin/sh\necho >> {asked}\n[ $(wc -l < {asked}) -gt 2 ] || {away}\n{answer}\n")
    scontrol.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    caplog.set_level(logging.WARNING, logger="luigi-interface")
    assert SharedCluster(settings).max_index == 1000
    first, last = caplog.messages
    assert "SLURM has not answered since" in first
    assert "Unable to contact slurm controller" in first
    assert "nothing is taken for failed" in first
    assert last.startswith("SLURM answers again")


def test_where_there_is_no_slurm_nothing_is_waited_for(
    tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SlurmAbsent, match="Is this a machine that submits to SLURM"):
        SharedCluster(settings)


def test_a_production_that_is_begun_anew_has_arrays_of_other_names(production: Production) -> None:
    """Of the one that lay there before SLURM may still know arrays."""
    first = array_prefix(production)
    assert array_prefix(production) == first
    assert first.startswith("osa.20241115.v1.")
    shutil.rmtree(production.root)
    assert array_prefix(production) != first
