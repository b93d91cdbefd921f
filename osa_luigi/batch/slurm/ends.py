"""How an element ended, and what that says of its jobs."""

from __future__ import annotations

from dataclasses import replace

from osa_luigi.batch.slurm.model import ArrayState, Element
from osa_luigi.batch.slurm.policies import ENDING, Asked, Failure
from osa_luigi.batch.slurm.states import Cause, Standing, meaning


def waits(element: Element) -> bool:
    return (
        bool(element.open)
        and not element.over
        and element.state != ""
        and meaning(element.state).standing is Standing.WAITING
    )


def never_ran(element: Element) -> bool:
    """Whether an element ended without a start: there is no record to wait for."""
    return element.ended_at is not None and not element.node and meaning(element.state).standing is Standing.BAD


def comes_behind(element: Element, name: str) -> bool:
    """Whether it is not known yet what became of a job that an element works off before this one."""
    return any(job in element.open for job in element.jobs[: element.jobs.index(name)])


def never_began(element: Element, name: str) -> bool:
    """Whether a job of which there is no record was still to come when its element was ended: they are worked off one by one.

    What ended one before it that had the time to say so may have ended the element.
    """
    if meaning(element.state, element.signal).cause not in ENDING:
        return False
    before = element.jobs[: element.jobs.index(name)]
    return element.charged or any(element.failed[job].cause in ENDING for job in before if job in element.failed)


def without(element: Element, name: str) -> Element:
    return replace(element, open=tuple(job for job in element.open if job != name))


def explained(failure: Failure, element: Element) -> Failure:
    """SLURM's word beside the element's own: a kill for memory is to the killed only a signal."""
    what = meaning(element.state, element.signal)
    if failure.cause is Cause.KILLED and what.cause in (Cause.MEMORY, Cause.TIME, Cause.CANCELLED):
        return replace(failure, cause=what.cause)
    return failure


def killed_for_memory(failure: Failure) -> Failure:
    """A SLURM that looks at the memory of jobs, and has no kernel to watch over it, kills and says why in the job's output only."""
    if failure.cause is not Cause.KILLED:
        return failure
    return replace(failure, cause=Cause.MEMORY, text=f"{failure.text} By its output it took too much memory.")


def end_of(array: ArrayState, index: int, element: Element, output: str = "") -> Failure:
    """The failure of an element that left no record, by SLURM's word for its end, and by what it printed."""
    where = f"{array.name}_{index}"
    here = f"SLURM {array.job}_{index}"
    what = meaning(element.state, element.signal)
    if not element.state or what.cause is None:
        said = f"ended {element.state}" if element.state else "is not known to SLURM any more"
        return Failure(
            Cause.VANISHED, _and(f"{here} {said}, and left neither a record nor the products.", output), where
        )
    by = f" by user {element.by}" if element.by else ""
    node = f" on {element.node}" if element.node else ""
    return Failure(
        what.cause, _and(f"{here} ended {element.state}{by}{node} without a word of its own.", output), where
    )


def _and(text: str, more: str) -> str:
    return f"{text} {more}" if more else text


def more(before: Asked, after: Asked) -> str:
    if after.memory_mb != before.memory_mb:
        return f" with {after.memory_mb} MB instead of {before.memory_mb}"
    if after.time_limit_s != before.time_limit_s:
        return f" with {after.time_limit_s / 60:.0f} min instead of {before.time_limit_s / 60:.0f}"
    return ""
