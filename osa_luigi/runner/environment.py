"""The environment of a compute node without internet, for the process that imports lstchain and all that it forks."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from pathlib import Path

from osa_luigi.process import host as host

ONE_THREAD = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMEXPR_MAX_THREADS",
    "BLOSC_NTHREADS",
    "NUMBA_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    # joblib's answer to n_jobs=-1 in a random forest's configuration
    "LOKY_MAX_CPU_COUNT",
)


def cluster_job(environment: Mapping[str, str]) -> str:
    """The cluster's name of the job that this process belongs to, as its commands take it: ``123_17``, ``123``; else empty."""
    array, index = environment.get("SLURM_ARRAY_JOB_ID"), environment.get("SLURM_ARRAY_TASK_ID")
    return f"{array}_{index}" if array and index else environment.get("SLURM_JOB_ID", "")


def prepare(environment: MutableMapping[str, str], cache: Path) -> None:
    """Set what must be set before numpy, numba, matplotlib and astropy are imported.

    Parameters
    ----------
    environment
        Usually `os.environ`.
    cache
        A folder that all jobs share: compiled numba functions (24–30 s of CPU for a process that finds none), and
        matplotlib's list of fonts.
    """
    for name in ONE_THREAD:
        environment[name] = "1"
    environment["MPLBACKEND"] = "Agg"
    environment["NUMBA_CACHE_DIR"] = str(cache / "numba")
    environment["MPLCONFIGDIR"] = str(cache / "matplotlib")
    environment["PYTHONUNBUFFERED"] = "1"
    for folder in ("NUMBA_CACHE_DIR", "MPLCONFIGDIR"):
        Path(environment[folder]).mkdir(parents=True, exist_ok=True)


def stay_offline() -> None:
    """Keep astropy from asking the network for Earth-rotation tables: minutes of waiting a night where there is none.

    The tables that come with astropy's data package hold predictions for a year.
    """
    from astropy.utils import iers

    iers.conf.auto_download = False
