"""How the data went over a campaign: quantities of the datacheck, run by run, as a table and a plot each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from osa_luigi.analysis import Data, Outputs, Run


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number of each run, from a table of its datacheck that has a row per subrun.

    Parameters
    ----------
    events
        Kind of events: the table's name.
    found
        From the table to a value per subrun.
    label
        With unit, for the plot.
    """

    events: str
    found: Callable[[Any], Any]
    label: str


def _pixels(column: str) -> Callable[[Any], Any]:
    """The mean over the pixels that have a value."""
    return lambda table: np.nanmean(np.asarray(table[column], dtype=float), axis=1)


def _rate(table: Any) -> Any:
    return np.asarray(table["num_events"], dtype=float) / np.asarray(table["elapsed_time"], dtype=float)


QUANTITIES: Mapping[str, Quantity] = {
    "pedestal_std": Quantity("pedestals", _pixels("charge_stddev"), "spread of the pedestal charge, p.e."),
    "cosmics_rate": Quantity("cosmics", _rate, "cosmics, events/s"),
    "cosmics_charge": Quantity("cosmics", _pixels("charge_mean"), "mean charge of a pixel in cosmics, p.e."),
    "flatfield_charge": Quantity(
        "flatfield", _pixels("charge_mean"), "mean charge of a pixel in flat-field events, p.e."
    ),
}

TABLE = "/trend"


class DatacheckTrend:
    """The datacheck's trend over runs and nights.

    Parameters (of the procedure)
    -----------------------------
    quantities
        Names out of `QUANTITIES`; all if left out.
    """

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self._quantities = list(parameters.get("quantities", QUANTITIES))
        if unknown := [name for name in self._quantities if name not in QUANTITIES]:
            raise ValueError(f"unknown quantities {', '.join(unknown)}; known are {', '.join(QUANTITIES)}")

    def output(self) -> Outputs:
        """A table with a row per run, and a plot of each quantity."""
        return {"summary": "datacheck_trend.h5", "plots": [f"{name}.png" for name in self._quantities]}

    def run(self, data: Data, output_dir: Path) -> None:
        """Read each run's datacheck."""
        from astropy.table import Table
        from ctapipe.io import write_table

        rows = [self._row(run, of_run) for run, of_run in data.by_run()]
        table = Table(rows=rows)
        write_table(table, output_dir / "datacheck_trend.h5", TABLE)
        for name in self._quantities:
            _plot(table, name, output_dir / f"{name}.png")

    def _row(self, run: Run, data: Data) -> dict[str, Any]:
        row: dict[str, Any] = {"date": run.date.isoformat(), "run": run.number, "source": run.source}
        for name in self._quantities:
            row[name], row[f"{name}_spread"] = _of_run(QUANTITIES[name], data)
        return row


def _of_run(quantity: Quantity, data: Data) -> tuple[float, float]:
    """Mean over the subruns, and their spread; not a number where a run has no such events."""
    table = f"/dl1datacheck/{quantity.events}"
    if not data.has_table("datacheck", table):
        return float("nan"), float("nan")
    values = quantity.found(data.read_table("datacheck", table))
    return float(np.nanmean(values)), float(np.nanstd(values))


def _plot(table: Any, name: str, path: Path) -> None:
    """Runs in the order taken, nights apart from each other."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(max(6.0, 0.12 * len(table)), 3.6), layout="constrained")
    axes = figure.subplots()
    places = np.arange(len(table))
    axes.errorbar(places, table[name], yerr=table[f"{name}_spread"], fmt="o", markersize=4, capsize=2)
    for place, date in _begins(table):
        axes.axvline(place - 0.5, color="0.8", zorder=0)
        axes.annotate(date, (place - 0.5, 1.0), xycoords=("data", "axes fraction"), va="bottom", fontsize="x-small")
    shown = places[:: max(1, len(table) // 30)]
    axes.set_xticks(shown, [str(table["run"][place]) for place in shown], rotation=90, fontsize="small")
    axes.set_xlim(-0.5, len(table) - 0.5)
    axes.set_xlabel("run")
    axes.set_ylabel(QUANTITIES[name].label, fontsize="small")
    figure.savefig(path, dpi=120)


def _begins(table: Any) -> Iterator[tuple[int, str]]:
    """Where each night begins."""
    before = ""
    for place, date in enumerate(map(str, table["date"])):
        if date != before:
            yield place, date
        before = date
