"""How the night's data went, subrun by subrun, from the tables of the night's check."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from osa_luigi.errors import VerificationError
from osa_luigi.ledger.report.model import Trend
from osa_luigi.night.names import run_label
from osa_luigi.steps import longterm
from osa_luigi.steps.checks import Hdf5, hdf5
from osa_luigi.tasks.outlook import Outlook

QUANTITIES: tuple[tuple[str, str, Callable[[Callable[[str], Any]], Any]], ...] = (
    ("cosmics", "cosmics, events/s", lambda column: column("events") / column("elapsed_time")),
    ("cosmics", "cosmics, fraction of pulses above 30 p.e.", lambda column: column("fraction_pulses_above30")),
    ("cosmics", "muon rings, efficiency", lambda column: column("mu_effi_mean")),
    ("pedestals", "pedestals, spread of the charge, p.e.", lambda column: column("charge_stddev")),
    ("flatfield", "flat-field events, mean charge, p.e.", lambda column: column("charge_mean")),
)
"""Kind of events, what is shown, and how it is found from the columns of their table."""


def trends(made: Iterable[Outlook]) -> Iterator[Trend]:
    """None where there is no check, or it cannot be read: `osa verify` says why."""
    for item in made:
        check = item.receipt.made("h5") if item.call.step == longterm.Longterm.name and item.receipt else None
        if check and item.call.fake is None:
            yield from read_trends(item.production.root / check.path)


def read_trends(path: Path) -> list[Trend]:
    """Of a night's check; none if it cannot be read."""
    try:
        with hdf5(path) as file:
            return list(_read(file))
    except VerificationError:
        return []


def _read(file: Hdf5) -> Iterator[Trend]:
    import numpy as np

    for kind, quantity, found in QUANTITIES:
        node = longterm.table(kind)
        if not file.rows.get(node):
            continue
        runs, times = file.column(node, "runnumber"), file.column(node, "time")
        order = np.lexsort((times, runs))
        with np.errstate(divide="ignore", invalid="ignore"):
            values = found(partial(file.column, node))[order]
        begins = np.unique(runs[order], return_index=True)
        yield Trend(
            quantity,
            tuple(float(value) for value in values),
            tuple((int(place), run_label(int(run))) for run, place in zip(*begins, strict=True)),
        )
