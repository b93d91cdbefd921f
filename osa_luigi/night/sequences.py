"""Sequences: the rows of the operator's table, one for the calibration and one for each DATA run."""

from __future__ import annotations

from dataclasses import dataclass

from osa_luigi.night.model import Night, Run, RunType


@dataclass(frozen=True)
class Sequence:
    """One run to process, with its place in the order of work.

    ``parent`` is the ``seq`` that must be done first. The calibration sequence is named after its PEDCALIB
    run and brings its DRS4 run along.
    """

    seq: int
    parent: int | None
    run: Run
    drs4: Run | None = None

    @property
    def type(self) -> RunType:
        return self.run.run_type

    @property
    def run_id(self) -> int:
        return self.run.run_id

    @property
    def n_subruns(self) -> int:
        return len(self.run.subruns)

    @property
    def array(self) -> str:
        """The subruns as the indices of a job array, ``0-10``."""
        return self.run.array

    @property
    def source_name(self) -> str | None:
        return self.run.source.name if self.run.source else None


def sequences(night: Night) -> tuple[Sequence, ...]:
    """The sequences of a night, numbered from 1: its calibration, then its DATA runs as children of it.

    Without calibration runs (an earlier night's serve then) the DATA runs come first and have no parent.
    """
    found: list[Sequence] = []
    if night.pedcal is not None and night.drs4 is not None:
        found.append(Sequence(1, None, night.pedcal, night.drs4))
    parent = found[0].seq if found else None
    first = len(found) + 1
    found.extend(Sequence(first + index, parent, run) for index, run in enumerate(night.data_runs))
    return tuple(found)
