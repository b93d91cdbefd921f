"""Memory: what the machine has, or the cgroup where that is less."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from osa_luigi.config import machine
from osa_luigi.config.machine import cgroup_limits, memory_share_mb

GB = 2**30


def limit(folder: Path, name: str, text: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(f"{text}\n")


def test_version_2_and_all_groups_around(tmp_path: Path) -> None:
    limit(tmp_path / "system.slice", "memory.max", str(8 * GB))
    limit(tmp_path / "system.slice" / "job_7" / "step_0", "memory.max", "max")
    limit(tmp_path / "system.slice" / "job_7", "memory.max", str(4 * GB))
    limit(tmp_path / "elsewhere", "memory.max", str(GB))
    assert sorted(cgroup_limits("0::/system.slice/job_7/step_0\n", tmp_path)) == [4 * GB, 8 * GB]


def test_version_1_has_a_hierarchy_for_memory(tmp_path: Path) -> None:
    limit(tmp_path / "memory" / "slurm" / "job_7", "memory.limit_in_bytes", str(4 * GB))
    limit(tmp_path / "cpu" / "slurm" / "job_7", "memory.limit_in_bytes", str(GB))
    own = "9:name=systemd:/\n4:memory:/slurm/job_7\n1:cpu,cpuacct:/slurm/job_7\n0::/\n"
    assert list(cgroup_limits(own, tmp_path)) == [4 * GB]


@pytest.mark.parametrize("own", ["", "0::/\n", "0::/not/there\n", "4:memory:/\n"])
def test_no_limit(tmp_path: Path, own: str) -> None:
    assert list(cgroup_limits(own, tmp_path)) == []


def test_the_smaller_of_the_two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    monkeypatch.setattr(machine, "CGROUPS", tmp_path)
    assert memory_share_mb() == int(whole * 0.8 / 2**20)
    for folder, name in ((tmp_path, "memory.max"), (tmp_path / "memory", "memory.limit_in_bytes")):
        limit(folder, name, str(GB))
    assert memory_share_mb() == int(GB * 0.8 / 2**20)
