from __future__ import annotations

import pytest

from osa_luigi.runner.environment import ONE_THREAD, cluster_job, host, prepare, stay_offline


def test_one_thread_and_shared_caches_before_anything_is_imported(tmp_path):
    environment = {"OMP_NUM_THREADS": "16", "HOME": "/root", "MPLBACKEND": "TkAgg"}
    prepare(environment, tmp_path / "cache")
    assert {environment[name] for name in ONE_THREAD} == {"1"}
    assert environment["MPLBACKEND"] == "Agg"
    assert environment["NUMBA_CACHE_DIR"] == str(tmp_path / "cache" / "numba")
    assert (tmp_path / "cache" / "numba").is_dir()
    assert (tmp_path / "cache" / "matplotlib").is_dir()
    assert environment["HOME"] == "/root"


def test_it_can_be_prepared_again(tmp_path):
    first: dict[str, str] = {}
    prepare(first, tmp_path)
    again = dict(first)
    prepare(again, tmp_path)
    assert again == first


def test_earth_rotation_tables_are_not_asked_for():
    from astropy.utils import iers

    before = iers.conf.auto_download
    try:
        stay_offline()
        assert not iers.conf.auto_download
    finally:
        iers.conf.auto_download = before


def test_the_machine_s_short_name():
    assert host()
    assert "." not in host()


@pytest.mark.parametrize(
    ("environment", "job"),
    [
        ({"SLURM_JOB_ID": "130", "SLURM_ARRAY_JOB_ID": "123", "SLURM_ARRAY_TASK_ID": "7"}, "123_7"),
        ({"SLURM_JOB_ID": "130"}, "130"),
        ({}, ""),
    ],
)
def test_a_job_is_named_as_the_cluster_s_commands_take_it(environment, job):
    assert cluster_job(environment) == job
