"""Observing: from the files of a site to a Night."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from osa_luigi.errors import NightError
from osa_luigi.night.catalog import read_run_catalog
from osa_luigi.night.dates import compact
from osa_luigi.night.drive import DriveLog, unix_seconds
from osa_luigi.night.model import Night, Pointing, Run, Source, Subrun
from osa_luigi.night.names import (
    DRIVE_LOG,
    RUN_CATALOG,
    RUN_SUMMARY,
    parse_pedestal_ids_name,
)
from osa_luigi.night.raw import scan_raw
from osa_luigi.night.summary import SummaryRow, read_run_summary


@dataclass(frozen=True, slots=True)
class NightPaths:
    """The folders in which a site keeps the inputs of its nights; each serves all nights."""

    r0: Path
    r0g: Path | None
    run_summary: Path
    run_catalog: Path
    drive: Path
    time_calibration: Path
    systematics: Path
    pedestal_ids: Path | None = None

    def run_summary_file(self, day: date) -> Path:
        return self.run_summary / RUN_SUMMARY.format(day)

    def run_catalog_file(self, day: date) -> Path:
        return self.run_catalog / RUN_CATALOG.format(day)

    def drive_log_file(self, day: date) -> Path:
        return self.drive / DRIVE_LOG.format(day)


def observe(paths: NightPaths, day: date) -> Night:
    """What was observed in a night, as its files say now.

    Observing reads and changes nothing. While a night is taken each observation holds what the
    earlier ones held, and more.

    Raises
    ------
    NightError
        There are no raw data, or no usable run summary; a catalog or drive log is there but cannot be used.
    """
    scan = scan_raw(paths.r0, paths.r0g, day)
    rows = read_run_summary(paths.run_summary_file(day), day)
    sources = read_run_catalog(paths.run_catalog_file(day))
    pedestal_ids = _pedestal_ids(paths, day)
    drive_log = _existing(paths.drive_log_file(day))
    pointings = _pointings(drive_log, rows)
    runs = []
    for row in rows:
        found = _with_pedestal_ids(scan.subruns.get(row.run_id, {}), pedestal_ids)
        runs.append(_run(row, found, sources.get(row.run_id), pointings.get(row.run_id)))
    return Night(
        date=day,
        runs=tuple(runs),
        drive_log=drive_log,
        unlisted_runs=tuple(sorted(scan.subruns.keys() - {row.run_id for row in rows})),
        ignored_files=scan.ignored,
    )


def _run(row: SummaryRow, found: Mapping[int, Subrun], source: Source | None, pointing: Pointing | None) -> Run:
    numbers = sorted(found.keys() | set(range(row.n_subruns)))
    return Run(
        run_id=row.run_id,
        run_type=row.run_type,
        n_subruns=row.n_subruns,
        data_format=row.data_format,
        preprocessing=row.preprocessing,
        row=row.row,
        source=source,
        subruns=tuple(found.get(number) or Subrun(row.run_id, number) for number in numbers),
        pointing=pointing,
    )


def _existing(path: Path) -> Path | None:
    return path if path.is_file() else None


def _pointings(drive_log: Path | None, rows: Iterable[SummaryRow]) -> dict[int, Pointing]:
    if drive_log is None:
        return {}
    pointings = {row.run_id: Pointing(drive_log.name) for row in rows}
    starts = sorted((start, row.run_id) for row in rows if (start := unix_seconds(row.run_start)) is not None)
    if starts:
        log = DriveLog.read(drive_log)
        following = [start for start, _ in starts[1:]]
        for (start, run_id), next_start in zip(starts, [*following, None], strict=True):
            pointings[run_id] = log.pointing(start, next_start)
    return pointings


def _pedestal_ids(paths: NightPaths, day: date) -> dict[tuple[int, int], Path]:
    if paths.pedestal_ids is None:
        return {}
    folder = paths.pedestal_ids / compact(day)
    try:
        names = [path.name for path in folder.iterdir()]
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise NightError(
            f"{folder}: cannot read the pedestal tables ({error.strerror or error}): check the mount"
        ) from error
    return {unit: folder / name for name in names if (unit := parse_pedestal_ids_name(name))}


def _with_pedestal_ids(found: Mapping[int, Subrun], pedestal_ids: Mapping[tuple[int, int], Path]) -> dict[int, Subrun]:
    return {
        number: replace(subrun, pedestal_ids=pedestal_ids.get((subrun.run, number))) if pedestal_ids else subrun
        for number, subrun in found.items()
    }
