from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osa_luigi.errors import NightError
from osa_luigi.night import (
    BENDING_LOG,
    DRIVE_LOG,
    RUN_CATALOG,
    RUN_SUMMARY,
    SYSTEMATICS,
    parse_pedestal_ids_name,
    parse_raw_name,
    parse_time_calibration_name,
    parse_unit,
    pedestal_ids_name,
    raw_name,
    run_label,
    time_calibration_name,
    unit_label,
)

runs = st.integers(0, 2_000_000)
subruns = st.integers(0, 20_000)
DATED = [RUN_SUMMARY, RUN_CATALOG, DRIVE_LOG, BENDING_LOG, SYSTEMATICS]


@given(runs, subruns, st.integers(1, 4))
def test_raw_names_round_trip(run, subrun, stream):
    assert parse_raw_name(raw_name(run, subrun, stream)) == (run, subrun, stream)


def test_a_raw_name_is_written_as_the_event_builder_does():
    assert raw_name(2008, 3, 1) == "LST-1.1.Run02008.0003.fits.fz"


@pytest.mark.parametrize(
    "name",
    [
        "LST-1.1.Run2008.0003.fits.fz",
        "LST-1.1.Run002008.0003.fits.fz",
        "LST-1.1.Run02008.003.fits.fz",
        "LST-1.1.Run02008.00003.fits.fz",
        "LST-1.5.Run02008.0003.fits.fz",
        "LST-1.0.Run02008.0003.fits.fz",
        "LST-2.1.Run02008.0003.fits.fz",
        "LST-1.1.Run02008.0003.fits",
        "LST-1.1.Run02008.0003.fits.fz.part",
        ".LST-1.1.Run02008.0003.fits.fz",
        "LST-1.1.Run02008.0003.fits.fz\n",
        "LST-1.1.Run02008.0003_old.fits.fz",
        "LST-1x1.Run02008.0003.fits.fz",
        "",
    ],
)
def test_look_alikes_are_not_raw_files(name):
    assert parse_raw_name(name) is None


@given(st.text() | st.from_regex(r"LST-1\.\d\.Run\d+\.\d+\.fits\.fz", fullmatch=True))
def test_what_is_parsed_is_written_again_letter_by_letter(name):
    parsed = parse_raw_name(name)
    assert parsed is None or raw_name(*parsed) == name


@given(runs, st.none() | subruns)
def test_labels_round_trip(run, subrun):
    assert parse_unit(unit_label(run, subrun)) == (run, subrun)


def test_labels_are_written_as_in_file_names():
    assert run_label(2008) == unit_label(2008) == "Run02008"
    assert unit_label(2008, 3) == "Run02008.0003"


@pytest.mark.parametrize("label", ["2008", "Run2008", "Run02008.", "Run02008.3", "run02008", "Run02008.0003.h5", ""])
def test_other_labels_are_refused_with_what_to_type(label):
    with pytest.raises(NightError, match=r"Run02008 or Run02008\.0003"):
        parse_unit(label)


@given(runs, subruns)
def test_pedestal_tables_round_trip(run, subrun):
    assert parse_pedestal_ids_name(pedestal_ids_name(run, subrun)) == (run, subrun)


@given(runs)
def test_time_calibrations_round_trip(run):
    assert parse_time_calibration_name(time_calibration_name(run)) == run


@pytest.mark.parametrize("name", ["time_calibration.Run01625.0001.h5", "calibration.Run01625.0000.h5", "pro"])
def test_other_names_are_no_time_calibrations(name):
    assert parse_time_calibration_name(name) is None
    assert parse_pedestal_ids_name(name) is None


@pytest.mark.parametrize("kind", DATED, ids=lambda kind: kind.prefix)
@given(day=st.dates())
def test_dated_names_round_trip(kind, day):
    assert kind.parse(kind.format(day)) == day


@pytest.mark.parametrize("name", ["RunSummary_2024-11-15.ecsv", "RunSummary_20241315.ecsv", "RunSummary_20241115xecsv"])
def test_other_names_are_no_run_summaries(name):
    assert RUN_SUMMARY.parse(name) is None


def test_dated_names_are_written_as_at_the_telescope(day):
    assert RUN_SUMMARY.format(day) == "RunSummary_20241115.ecsv"
    assert RUN_CATALOG.format(day) == "RunCatalog_20241115.ecsv"
    assert DRIVE_LOG.format(day) == "DrivePosition_log_20241115.txt"
