"""The rate of gamma rays from a source, night by night: cuts on DL2, a region around the source, and others opposite to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from osa_luigi.analysis import Data, Outputs, Run

FOCAL_LENGTH_M = 29.30565
"""Effective focal length of LST-1: camera distances to angles (ctapipe_io_lst's optics)."""

COLUMNS = (
    "gammaness",
    "intensity",
    "reco_energy",
    "event_type",
    "dragon_time",
    "delta_t",
    "alt_tel",
    "az_tel",
    "reco_src_x",
    "reco_src_y",
)
LSTCHAIN_GAP_S = 0.01
"""What lstchain takes for a break between events."""

SHOWERS = 32
"""Event type of a trigger by the camera itself (ctapipe's EventType.SUBARRAY)."""


@dataclass(frozen=True, slots=True)
class Cuts:
    """Parameters of the procedure.

    Parameters
    ----------
    source
        As the run catalog names it; other runs are passed over.
    ra, dec
        ICRS, degrees; default: the catalog's.
    gammaness_min, intensity_min, energy_min_tev
        Events below are left out; intensity in p.e.
    theta_max_deg
        Radius of the region of the source, and of each other.
    off_regions
        Number of regions at the same distance from the camera's centre as the source.
    longest_gap_s
        Longer times between events are breaks. With lstchain's own limit (0.01 s, right for rates of kHz) the effective time is lstchain's,
        corrected for dead time; else the plain elapsed time.
    """

    source: str = "Crab"
    ra: float | None = None
    dec: float | None = None
    gammaness_min: float = 0.7
    intensity_min: float = 80.0
    energy_min_tev: float = 0.0
    theta_max_deg: float = 0.2
    off_regions: int = 3
    longest_gap_s: float = LSTCHAIN_GAP_S

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> Cuts:
        """Checked.

        Raises
        ------
        ValueError
            There is a name that means nothing, or a cut that leaves nothing.
        """
        known = [field.name for field in fields(cls)]
        if unknown := [name for name in parameters if name not in known]:
            raise ValueError(f"unknown parameters {', '.join(unknown)}; known are {', '.join(known)}")
        cuts = cls(**parameters)
        if not (0 <= cuts.gammaness_min < 1 and cuts.theta_max_deg > 0 and cuts.off_regions >= 1):
            raise ValueError("gammaness_min must be in [0, 1), theta_max_deg above 0, and off_regions at least 1")
        return cuts


@dataclass(slots=True)
class Counts:
    """Of a run or a night.

    Parameters
    ----------
    theta2_on, theta2_off
        Squared distances from the centres of the regions, degrees², of all events that pass the other cuts.
    """

    time_s: float
    theta2_on: Any
    theta2_off: Any


class CrabRate:
    """Excess, significance and rate of a source, of each run and night."""

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self.cuts = Cuts.of(parameters)

    def output(self) -> Outputs:
        """Tables of nights and runs, the distribution of theta², and the light curve."""
        return {"summary": "rate.h5", "plots": ["theta2.png", "light_curve.png"]}

    def run(self, data: Data, output_dir: Path) -> None:
        """Count."""
        from astropy.table import Table
        from ctapipe.io import write_table

        of_runs = [
            (run, count(of_run, run, self.cuts))
            for run, of_run in data.by_run()
            if run.source in ("", self.cuts.source)
        ]
        if not of_runs:
            seen = sorted({run.source for run in data.runs})
            raise ValueError(f"no run of {self.cuts.source}; the run catalog has {', '.join(seen) or 'no sources'}")
        nights = [
            {"date": day.isoformat(), "runs": len(counted), **self.row(counted)}
            for day in data.dates
            if (counted := [counts for run, counts in of_runs if run.date == day])
        ]
        runs = [{"date": run.date.isoformat(), "run": run.number, **self.row([counts])} for run, counts in of_runs]
        table = Table(rows=nights)
        write_table(table, output_dir / "rate.h5", "/nights")
        write_table(Table(rows=runs), output_dir / "rate.h5", "/runs")
        _plot_theta2([counts for _, counts in of_runs], self.cuts, output_dir / "theta2.png")
        _plot_rates(table, self.cuts, output_dir / "light_curve.png")

    def row(self, several: Sequence[Counts]) -> dict[str, Any]:
        """What is known of some runs together; the rate per minute.

        The significance is that of Li and Ma (1983, ApJ 272, 317), eq. 17, by pyirf: 0 where there are fewer than expected.
        """
        from pyirf.statistics import li_ma_significance

        limit, alpha = self.cuts.theta_max_deg**2, 1 / self.cuts.off_regions
        on = sum(int(np.count_nonzero(counts.theta2_on < limit)) for counts in several)
        off = sum(int(np.count_nonzero(counts.theta2_off < limit)) for counts in several)
        minutes = sum(counts.time_s for counts in several) / 60
        excess, error = on - alpha * off, float(np.sqrt(on + alpha**2 * off))
        significance = float(li_ma_significance(on, off, alpha)) if on + off else 0.0
        return {
            "time_s": 60 * minutes,
            "on": on,
            "off": off,
            "alpha": alpha,
            "excess": excess,
            "excess_error": error,
            "significance": significance,
            "rate": excess / minutes if minutes else float("nan"),
            "rate_error": error / minutes if minutes else float("nan"),
        }


def count(data: Data, run: Run, cuts: Cuts) -> Counts:
    """The events of one run around the source, and around the regions opposite to it."""
    kept, times, gaps = [], [], []
    for chunk in data.chunks("dl2"):
        showers = chunk[list(COLUMNS)][chunk["event_type"] == SHOWERS]
        times.append(_plain(showers, "dragon_time"))
        gaps.append(_plain(showers, "delta_t"))
        kept.append({name: _plain(showers, name)[_passes(showers, cuts)] for name in COLUMNS})
    events = {name: np.concatenate([part[name] for part in kept]) for name in COLUMNS}
    on, off = _theta2(events, _position(run, cuts), cuts)
    return Counts(_seconds(np.concatenate(times), np.concatenate(gaps), cuts), on, off)


def _plain(table: Any, name: str) -> Any:
    return np.asarray(getattr(table[name], "value", table[name]))


def _passes(table: Any, cuts: Cuts) -> Any:
    return (
        (_plain(table, "gammaness") >= cuts.gammaness_min)
        & (_plain(table, "intensity") >= cuts.intensity_min)
        & (_plain(table, "reco_energy") >= cuts.energy_min_tev)
    )


def _position(run: Run, cuts: Cuts) -> tuple[float, float]:
    ra = run.source_ra if cuts.ra is None else cuts.ra
    dec = run.source_dec if cuts.dec is None else cuts.dec
    if ra is None or dec is None:
        raise ValueError(f"the run catalog gives no coordinates for run {run.number}: set the parameters ra and dec")
    return ra, dec


def _theta2(events: Mapping[str, Any], position: tuple[float, float], cuts: Cuts) -> tuple[Any, Any]:
    """Squared distances (degrees²) of each event from the source, and from each other region's centre."""
    if not len(events["gammaness"]):
        return np.empty(0), np.empty(0)
    x, y = _in_camera(events, position)
    distance = float(np.degrees(np.arctan(np.median(np.hypot(x, y)) / FOCAL_LENGTH_M)))
    if distance * np.sin(np.pi / (cuts.off_regions + 1)) < cuts.theta_max_deg:
        raise ValueError(
            f"{cuts.off_regions} regions of {cuts.theta_max_deg} degrees overlap at {distance:.2f} degrees from the camera's centre: "
            "take fewer, or smaller ones"
        )
    rings = [_distance2(events, *_turned(x, y, turn)) for turn in _turns(cuts)]
    return rings[0], np.concatenate(rings[1:])


def _turns(cuts: Cuts) -> Iterator[float]:
    """Of the source itself, and of the others: around the camera's centre, in radians."""
    return (2 * np.pi * number / (cuts.off_regions + 1) for number in range(cuts.off_regions + 1))


def _turned(x: Any, y: Any, turn: float) -> tuple[Any, Any]:
    return x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)


def _distance2(events: Mapping[str, Any], x: Any, y: Any) -> Any:
    metres = np.hypot(events["reco_src_x"] - x, events["reco_src_y"] - y)
    return np.degrees(np.arctan(metres / FOCAL_LENGTH_M)) ** 2


def _in_camera(events: Mapping[str, Any], position: tuple[float, float]) -> tuple[Any, Any]:
    """Where the source is in the camera at the time of each event, in metres."""
    import astropy.units as u
    from astropy.coordinates import SkyCoord
    from astropy.time import Time
    from lstchain.reco.utils import radec_to_camera

    place = radec_to_camera(
        SkyCoord(*position, unit="deg"),
        Time(events["dragon_time"], format="unix", scale="utc"),
        events["alt_tel"] * u.rad,
        events["az_tel"] * u.rad,
        FOCAL_LENGTH_M * u.m,
    )
    return place.x.to_value(u.m), place.y.to_value(u.m)


def _seconds(times: Any, gaps: Any, cuts: Cuts) -> float:
    """Effective time of a run."""
    from lstchain.reco.utils import get_effective_time

    if len(times) < 2:
        return 0.0
    if cuts.longest_gap_s != LSTCHAIN_GAP_S:
        between = np.diff(np.sort(times))
        return float(between[between < cuts.longest_gap_s].sum())
    events = {"event_type": np.full(len(times), SHOWERS), "dragon_time": times, "delta_t": gaps}
    return float(get_effective_time(events)[0].value)


def _plot_theta2(several: Sequence[Counts], cuts: Cuts, path: Path) -> None:
    from matplotlib.figure import Figure

    on, off = (np.concatenate([getattr(counts, name) for counts in several]) for name in ("theta2_on", "theta2_off"))
    edges = np.linspace(0, 10 * cuts.theta_max_deg**2, 31)
    heights = np.histogram(off, edges)[0] / cuts.off_regions
    figure = Figure(figsize=(6, 3.8), layout="constrained")
    axes = figure.subplots()
    axes.stairs(heights, edges, fill=True, alpha=0.35, label=f"{cuts.off_regions} other regions, mean")
    centres, counted = (edges[1:] + edges[:-1]) / 2, np.histogram(on, edges)[0]
    axes.errorbar(centres, counted, yerr=np.sqrt(counted), fmt="o", markersize=3, color="k", label=cuts.source)
    axes.axvline(cuts.theta_max_deg**2, linestyle="--", color="0.4")
    axes.set_xlabel("theta², degrees²")
    axes.set_ylabel(f"events of gammaness ≥ {cuts.gammaness_min}")
    axes.legend(frameon=False)
    figure.savefig(path, dpi=120)


def _plot_rates(table: Any, cuts: Cuts, path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(max(5.0, 0.25 * len(table)), 3.6), layout="constrained")
    axes = figure.subplots()
    places = np.arange(len(table))
    axes.errorbar(places, table["rate"], yerr=table["rate_error"], fmt="o", capsize=2)
    axes.axhline(0, color="0.6", linewidth=0.8)
    for place, row in zip(places, table, strict=True):
        axes.annotate(
            f"{row['significance']:.1f} σ",
            (place, row["rate"]),
            xytext=(6, 4),
            textcoords="offset points",
            fontsize="x-small",
        )
    axes.set_xticks(places, [str(date) for date in table["date"]], rotation=60, ha="right", fontsize="small")
    axes.margins(x=0.2)
    axes.set_ylabel(f"{cuts.source}, excess events per minute")
    figure.savefig(path, dpi=120)
