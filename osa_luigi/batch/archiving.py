"""What a job does for the archives: the one that made the last of a run puts the run's paperwork away, closing that of all runs.

It is done in the job, on whatever machine that runs, and is not held against it: what could not be archived stays as files, which count as
much, and the next one takes them along.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Mapping
from pathlib import Path

from osa_luigi.batch.job import Job
from osa_luigi.batch.slurm.journal import Journal
from osa_luigi.batch.slurm.store import FileStore
from osa_luigi.errors import OsaError
from osa_luigi.products.archiving import archive_run, is_loose
from osa_luigi.products.disk import disk_trouble
from osa_luigi.products.paperwork import KINDS, runs_with
from osa_luigi.products.production import Production
from osa_luigi.products.receipt import ReceiptBook
from osa_luigi.steps.close import missing_products, read_listing
from osa_luigi.steps.making import NIGHT

_ARRAY_OF_A_RUN = re.compile(r".*\.g\d+\.\d+\.(Run\d{5,})\.\w+", re.ASCII)
"""The name of an array whose group is a run's."""


def archive_before(job: Job) -> dict[str, str]:
    """Before the night is closed: a kill later on then leaves only what closing itself wrote."""
    return archive_after(job) if job.declared and _run(job) == NIGHT else {}


def archive_after(job: Job) -> dict[str, str]:
    """Archive what is whole of the job's run, or (closing) of all runs; what is so already is passed over.

    Returns
    -------
    dict
        ``archive.<run>`` → why its paperwork stays as files.
    """
    if job.declared is None:
        return {}
    production, failures = Production(job.production), {}
    own = _run(job)
    try:
        declared, _ = read_listing(job.declared)
        arrays = _closed_arrays(production)
        runs = [own] if own != NIGHT else dict.fromkeys((*runs_with(production, *KINDS), *arrays, NIGHT))
        for run in runs:
            if trouble := _archive(production, run, declared, arrays.get(run, [])):
                failures[f"archive.{run}"] = trouble
        # Arrays of several runs have no better place; the night's own paperwork goes with them.
        if NIGHT in arrays and NIGHT not in runs and not is_loose(production, own):
            failures |= {
                f"archive.{NIGHT}": why for why in [_archive(production, NIGHT, declared, arrays[NIGHT])] if why
            }
    except (OSError, ValueError) as error:
        failures[f"archive.{own}"] = _said(production, own, error)
    return failures


def _run(job: Job) -> str:
    return job.calls[-1].unit.partition(".")[0]


def _archive(production: Production, run: str, declared: Mapping[str, str], arrays: list[Path]) -> str:
    """Archive a run of which all that is declared is made; why it could not be, if so."""
    try:
        if (arrays or is_loose(production, run)) and _is_whole(production, run, declared):
            archive_run(production, run, arrays)
    except (OsaError, OSError) as error:
        return _said(production, run, error)
    except Exception as error:  # a defect of ours
        traceback.print_exc()
        return _said(production, run, error)
    return ""


def _is_whole(production: Production, run: str, declared: Mapping[str, str]) -> bool:
    if run == NIGHT:
        return True  # what is made last is always to come
    wanted = {name: key for name, key in declared.items() if name.split(".")[1] == run}
    return not missing_products(ReceiptBook(production, run), wanted)


def _closed_arrays(production: Production) -> dict[str, list[Path]]:
    """Run → folders of its arrays of which nothing more is expected; those of several runs under `NIGHT`."""
    engine = production.state / "engine"
    found: dict[str, list[Path]] = {}
    for name in Journal(FileStore(engine)).closed_arrays():
        match = _ARRAY_OF_A_RUN.fullmatch(name)
        found.setdefault(match[1] if match else NIGHT, []).append(engine / "arrays" / name)
    return found


def _said(production: Production, run: str, error: Exception) -> str:
    why = str(error) if isinstance(error, OsaError) else f"{type(error).__name__}: {error}"
    text = f"failed: receipts, records and logs of {run} stay as files, which count as before ({why})."
    return f"{text} Closing the night tries it again. {disk_trouble(production.root)}".rstrip()
