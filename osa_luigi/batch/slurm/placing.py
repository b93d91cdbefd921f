"""Which jobs make an array together, and under which index each stands in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from osa_luigi.batch.slurm.model import ArrayState, Element, JobState, Link, Settings


def arrays_of(ready: Iterable[JobState], settings: Settings, made_before: int, at: float) -> list[ArrayState]:
    """The arrays that jobs make: one for each group, stage and request, as far as an array may go.

    Parameters
    ----------
    made_before
        How many arrays this engine made already: the next number of a name.
    """
    together: dict[tuple[object, ...], list[JobState]] = {}
    for job in ready:
        together.setdefault((job.wish.group, job.wish.stage, job.asked), []).append(job)
    arrays: list[ArrayState] = []
    for jobs in together.values():
        per_element = settings.runs_per_job if jobs[0].wish.index is None else settings.subruns_per_job
        for some in _chunks(jobs, settings.array_size * per_element):
            arrays.append(_array(some, per_element, settings, made_before + len(arrays), at))
    return arrays


def _array(jobs: list[JobState], per_element: int, settings: Settings, number: int, at: float) -> ArrayState:
    first = jobs[0]
    return ArrayState(
        name=f"{settings.prefix}.g{settings.generation}.{number:05d}.{first.wish.group}",
        group=first.wish.group,
        stage=first.wish.stage,
        asked=first.asked,
        elements=_elements(jobs, per_element, settings.max_index),
        link=Link.SENDING,
        sent_at=at,
        number=number,
    )


def _elements(jobs: list[JobState], per_element: int, max_index: int) -> Mapping[int, Element]:
    jobs = sorted(jobs, key=lambda job: (job.wish.index is None, job.wish.index or 0))
    bundles = list(_chunks(jobs, per_element))
    wanted = [bundle[0].wish.index for bundle in bundles]
    good = len(set(wanted)) == len(wanted) and all(index is not None and index <= max_index for index in wanted)
    indices = wanted if good else range(len(bundles))
    return {
        int(index or 0): Element(names, names)
        for index, names in zip(indices, (tuple(job.wish.name for job in bundle) for bundle in bundles), strict=True)
    }


def _chunks(jobs: list[JobState], size: int) -> Iterator[list[JobState]]:
    waiting = iter(jobs)
    while some := list(islice(waiting, size)):
        yield some
