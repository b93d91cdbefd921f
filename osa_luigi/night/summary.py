"""The run summary: which runs a night has (written by ``lstchain_create_run_summary``)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from osa_luigi.errors import NightError
from osa_luigi.night.dates import compact
from osa_luigi.night.ecsv import integer, read_ecsv
from osa_luigi.night.model import Json, Preprocessing, RunType
from osa_luigi.night.plain_ecsv import Ecsv

COLUMNS = (
    "run_id",
    "n_subruns",
    "run_type",
    "ucts_timestamp",
    "run_start",
    "dragon_reference_time",
    "dragon_reference_module_id",
    "dragon_reference_module_index",
    "dragon_reference_counter",
    "dragon_reference_source",
)
"""The ten columns every run summary has."""

ADDED_COLUMNS: Mapping[str, Json] = {"data_format": "ProtoR1", "evb_preprocessing": 0}
"""The two that came later, and what their absence means: data of EVBv5, which processed nothing."""

_WHAT = "run summary"


@dataclass(frozen=True)
class SummaryRow:
    """One run. ``row`` holds all columns as plain JSON types, also those the file lacks."""

    run_id: int
    n_subruns: int
    run_type: RunType
    data_format: str
    preprocessing: Preprocessing
    run_start: int
    """Nanoseconds (TAI) since 1970, -1 if unknown: always so for R1v1 data."""
    row: Mapping[str, Json] = field(hash=False)


def read_run_summary(path: Path, day: date) -> tuple[SummaryRow, ...]:
    """The runs of a night, sorted by number.

    Raises
    ------
    NightError
        The file is missing, unreadable, of another night, lists no runs or one run twice, or holds values that
        make no sense.
    """
    make = f"`osa step run run_summary --date {day.isoformat()}`"
    remedy = f"make it again with {make}"
    absent = f"luigi makes it when the night is run; to look at the night before, make it with {make}"
    table = read_ecsv(path, COLUMNS, what=_WHAT, remedy=remedy, absent=absent)
    _check_date(path, day, table, remedy)
    if not table.rows:
        raise NightError(
            f"{path}: the {_WHAT} lists no runs: if {day.isoformat()} has raw files, {remedy}; "
            "otherwise there is nothing to process"
        )
    _check_run_types(path, table)
    rows = sorted((_row(path, cells, remedy) for cells in table.rows), key=lambda row: row.run_id)
    twice = sorted(run for run, count in Counter(row.run_id for row in rows).items() if count > 1)
    if twice:
        raise NightError(f"{path}: the {_WHAT} lists {_runs(twice)} more than once: {remedy}")
    return tuple(rows)


def _check_date(path: Path, day: date, table: Ecsv, remedy: str) -> None:
    written = table.meta.get("date")
    if written is not None and str(written) not in (day.isoformat(), compact(day)):
        raise NightError(f"{path}: the {_WHAT} is of {written}, not of {day.isoformat()}: {remedy}")


def _check_run_types(path: Path, table: Ecsv) -> None:
    known = [str(run_type) for run_type in RunType]
    unknown = [f"{cells['run_id']} ({cells['run_type']})" for cells in table.rows if cells["run_type"] not in known]
    if unknown:
        raise NightError(
            f"{path}: the {_WHAT} gives unknown types to the runs {', '.join(unknown)}: "
            f"write one of {', '.join(known)} there; ERROR leaves a run out"
        )


def _row(path: Path, cells: Mapping[str, Json], remedy: str) -> SummaryRow:
    values = {**cells, **{name: default for name, default in ADDED_COLUMNS.items() if name not in cells}}

    def number(column: str) -> int:
        return integer(values, column, path=path, what=_WHAT, remedy=remedy)

    run_id, n_subruns = number("run_id"), number("n_subruns")
    for name, value in (("run_id", run_id), ("n_subruns", n_subruns)):
        if value < 0:
            raise NightError(f"{path}: {name} of run {run_id} in the {_WHAT} is negative ({value}): {remedy}")
    return SummaryRow(
        run_id=run_id,
        n_subruns=n_subruns,
        run_type=RunType(str(values["run_type"])),
        data_format=str(values["data_format"]),
        preprocessing=Preprocessing(number("evb_preprocessing")),
        run_start=number("run_start"),
        row=values,
    )


def _runs(numbers: list[int]) -> str:
    return f"run{'s' * (len(numbers) > 1)} {', '.join(map(str, numbers))}"
