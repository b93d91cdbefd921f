"""Some of a night's DATA runs, and why not the others."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from osa_luigi.night import Night, Preprocessing, Run, RunType, Selection, Source, select
from osa_luigi.night.drive import TAI_MINUS_UTC

BEGAN = 1_731_700_000


def run(number: int, kind: str = "DATA", source: str | None = "Crab Nebula", began: int | None = None) -> Run:
    start = -1 if began is None else (began + TAI_MINUS_UTC) * 10**9
    row = {"run_id": number, "run_start": start}
    found = Source(source) if source else None
    return Run(number, RunType(kind), 1, "R1v1", Preprocessing(0), row, found)


@pytest.fixture
def night(tmp_path: Path) -> Night:
    """Five runs of which the drive log knows two: one at 20 deg, one at 55."""
    log = tmp_path / "DrivePosition_log_20241115.txt"
    lines = [f"{BEGAN + second} 180.0 20.0" for second in range(1000)]
    lines += [f"{BEGAN + second} 180.0 55.0" for second in range(2000, 3000)]
    log.write_text("\n".join(lines) + "\n")
    runs = (
        run(1, "PEDCALIB"),
        run(3, began=BEGAN),
        run(4, source="Mrk 421", began=BEGAN + 2000),
        run(5, source=None),
        run(6, "EDATA"),
        run(7, began=BEGAN + 9000),
    )
    return Night(date(2024, 11, 15), runs, log)


def taken(night: Night, asked: Selection) -> list[int]:
    return [one.run_id for one in select(night, asked).data_runs]


def test_nothing_asked_all_data_runs_are_taken(night: Night) -> None:
    assert taken(night, Selection()) == [3, 4, 5, 7]


def test_each_reason_is_said_and_calibration_stays(night: Night) -> None:
    found = select(night, Selection(numbers={3, 4, 5, 6}, sources=("crab*",), zenith=(None, 60)))
    assert [one.run_id for one in found.runs] == [1, 3]
    assert found.unselected == {
        4: "its source is Mrk 421",
        5: "the run catalog gives it no source",
        6: "it is of type EDATA",
        7: "it is not in the list of runs",
    }


def test_vetoed_runs_are_taken_where_they_are_asked_for(night: Night) -> None:
    assert taken(night, Selection(types=("EDATA",))) == [6]
    assert taken(night, Selection(types=("DATA", "EDATA"))) == [3, 4, 5, 6, 7]


def test_zenith_angles_are_medians_by_the_drive_log_and_unknown_is_told(night: Night) -> None:
    found = select(night, Selection(zenith=(30, 60)))
    assert [one.run_id for one in found.data_runs] == [4]
    assert found.unselected[3] == "its zenith angle is 20.0 deg"
    assert found.unselected[5] == found.unselected[7] == "no drive log tells its zenith angle"
    assert taken(night, Selection(zenith=(30, 60), take_unknown=True)) == [4, 5, 7]


def test_without_a_drive_log_every_zenith_angle_is_unknown(night: Night) -> None:
    assert taken(replace(night, drive_log=None), Selection(zenith=(0, 90))) == []


def test_half_a_line_at_the_end_of_the_log_says_nothing(night: Night) -> None:
    assert night.drive_log
    with night.drive_log.open("a") as log:
        log.write(f"{BEGAN + 500} 180.0 8")
    assert taken(night, Selection(zenith=(19, 21))) == [3]
