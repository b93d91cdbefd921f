"""Doing the parts of a night, in this process or in several."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import Any

from osa_luigi.telescope.models import ModelsJob
from osa_luigi.telescope.quiet import library_warnings_discarded
from osa_luigi.telescope.subrun import SubrunJob, write_subrun

Job = SubrunJob | ModelsJob


@dataclass(frozen=True)
class Part:
    """A part of the night and what it costs, in any unit."""

    stage: str
    job: Job
    cost: float


def do_part(part: Part) -> None:
    """Do one part."""
    with library_warnings_discarded():
        match part.job:
            case SubrunJob():
                write_subrun(part.job)
            case ModelsJob():
                from osa_luigi.telescope.training import make_models  # imports lstchain

                make_models(part.job)


def do_parts(parts: Sequence[Part], processes: int) -> Iterator[Part]:
    """Do all parts, the longest first, and give each when it is done."""
    ordered = sorted(parts, key=lambda part: -part.cost)
    if processes == 1 or len(ordered) == 1:
        for part in ordered:
            do_part(part)
            yield part
        return
    yield from _in_processes(ordered, min(processes, len(ordered)))


def _in_processes(parts: Sequence[Part], processes: int) -> Iterator[Part]:
    # A fork of this process would take its threads' locks with it (a progress display, luigi); the fork server is
    # a clean process that imports once, where spawned ones would each import for themselves.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["osa_luigi.telescope.subrun"])
    with ProcessPoolExecutor(processes, mp_context=context, initializer=_start_worker) as pool:
        futures = {pool.submit(do_part, part): part for part in parts}
        try:
            for future in as_completed(futures):
                future.result()
                yield futures[future]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _start_worker() -> None:
    """End with the parent: a killed simulation leaves no processes behind, which would wait for work for ever."""
    work_offline()
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_exit_after, args=(parent.sentinel, os._exit), daemon=True).start()


def _exit_after(sentinel: Any, leave: Callable[[int], Any]) -> None:
    wait([sentinel])
    leave(1)


def work_offline() -> None:
    """Keep astropy from asking the network for the Earth's rotation: without one, each time costs minutes."""
    from astropy.utils import iers

    iers.conf.auto_download = False
