"""What SLURM says of one element of an array, whichever of its commands was asked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

NO_INDEX = -1
"""Of a job that is no array; and of what squeue keeps of an array whose waiting elements were all cancelled: it is none of them."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """What SLURM says of one element of an array.

    Parameters
    ----------
    name
        The job's name.
    job, index
        The array's job id and the element's index in it; `NO_INDEX` for a job that is no array.
    state
        SLURM's long name of it, without suffixes: ``COMPLETED``, ``CANCELLED``, ``NODE_FAIL``.
    reason
        Why it waits or what became of it, in SLURM's word; empty if SLURM gives none.
    exit_code, signal
        Of the batch script; both 0 before its end.
    by
        The user id that cancelled it, where SLURM says so (``sacct`` alone does).
    node
        Where it runs or ran; empty before its start.
    submitted
        In UTC, to the second, from the accounting: with the job's id and name it tells a job from a later one of the same id.
    """

    name: str
    job: int
    index: int
    state: str
    reason: str
    exit_code: int
    signal: int
    by: str
    node: str
    submitted: datetime | None
