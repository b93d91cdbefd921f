from __future__ import annotations

import json
from datetime import date

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from osa_luigi.errors import NightError
from osa_luigi.night import Preprocessing, RunType, read_run_summary


def read(site, day):
    return read_run_summary(site.paths.run_summary_file(day), day)


def test_twelve_columns(site, day):
    site.summary(day, (19001, "DRS4", 1), (19003, "DATA", 3, {"evb_preprocessing": 65}))
    drs4, data = read(site, day)
    assert (drs4.run_id, drs4.run_type, drs4.n_subruns, drs4.run_start) == (19001, RunType.DRS4, 1, -1)
    assert data.data_format == "R1v1.Event"
    assert data.preprocessing == Preprocessing.GAIN_SELECTION | Preprocessing.PE_CALIBRATION
    assert data.row["dragon_reference_counter"] == 18446744073709551615


def test_ten_columns_mean_data_without_preprocessing(site, day, old_columns):
    site.summary(day, (1807, "DATA", 11, {"run_start": 1579292461000000000}), columns=old_columns)
    (row,) = read(site, day)
    assert (row.data_format, row.preprocessing) == ("ProtoR1", 0)
    assert row.run_start == 1579292461000000000
    assert row.row["data_format"] == "ProtoR1"


def test_the_row_can_be_written_as_json(site, day):
    site.summary(day, (19001, "DRS4", 1))
    (row,) = read(site, day)
    assert json.loads(json.dumps(row.row)) == row.row
    assert all(type(value) in (int, str, float, bool, type(None)) for value in row.row.values())


def test_rows_are_sorted_by_run(site, day):
    site.summary(day, (3, "DATA", 1), (1, "DRS4", 1), (2, "PEDCALIB", 1))
    assert [row.run_id for row in read(site, day)] == [1, 2, 3]


@pytest.mark.parametrize("kind", list(RunType))
def test_every_type_of_run_is_known(site, day, kind):
    site.summary(day, (1, kind.value, 1))
    assert read(site, day)[0].run_type is kind


def test_unknown_types_are_listed_with_their_runs(site, day):
    site.summary(day, (1, "DATA", 1), (2, "LASER", 1), (3, "TEST", 1))
    with pytest.raises(NightError, match=r"2 \(LASER\), 3 \(TEST\).*DRS4, PEDCALIB, DATA"):
        read(site, day)


@pytest.mark.parametrize("column", ["run_id", "n_subruns", "run_type", "run_start", "dragon_reference_source"])
def test_a_missing_column_is_named(site, day, new_columns, column):
    columns = {name: kind for name, kind in new_columns.items() if name != column}
    path = site.summary(day, (1, "DATA", 1), columns=columns)
    with pytest.raises(NightError) as error:
        read(site, day)
    message = str(error.value)
    assert str(path) in message
    assert f"lacks the column {column}" in message
    assert "evb_preprocessing" in message
    assert "osa step run run_summary --date 2024-11-15" in message


def test_several_missing_columns_are_named_at_once(site, day, make_ecsv):
    site.write(site.paths.run_summary_file(day), make_ecsv({"run_id": "int64"}, [{"run_id": 1}]))
    with pytest.raises(NightError, match="columns n_subruns, run_type"):
        read(site, day)


def test_further_columns_are_kept(site, day, new_columns):
    site.summary(day, (1, "DATA", 1, {"comment": "clouds"}), columns={**new_columns, "comment": "string"})
    assert read(site, day)[0].row["comment"] == "clouds"


def test_a_missing_file(site, day):
    with pytest.raises(
        NightError, match=r"no run summary yet: luigi makes it when the night is run.*osa step run run_summary"
    ):
        read(site, day)


@pytest.mark.parametrize(
    "content",
    [
        b"\x00\x01\x02",
        b"run_id,n_subruns\n1,2\n",
        b"# %ECSV 1.0\n# ---\n# datatype:\n# - {name: run_id",
        b"# %ECSV 1.0\n",
        b"\xff\xfe\xfd garbage",
        b"{}",
    ],
)
def test_an_unreadable_file(site, day, content):
    site.write(site.paths.run_summary_file(day), content)
    with pytest.raises(NightError, match="not a readable ECSV table"):
        read(site, day)


def test_an_empty_file(site, day):
    site.write(site.paths.run_summary_file(day), b"")
    with pytest.raises(NightError, match="the run summary is empty"):
        read(site, day)


def test_no_runs(site, day):
    site.summary(day)
    with pytest.raises(NightError, match=r"lists no runs.*nothing to process"):
        read(site, day)


def test_a_run_listed_twice(site, day):
    site.summary(day, (1, "DATA", 1), (2, "DATA", 1), (1, "DATA", 2))
    with pytest.raises(NightError, match="lists run 1 more than once"):
        read(site, day)


def test_a_negative_number_of_subruns(site, day):
    site.summary(day, (7, "DATA", -1))
    with pytest.raises(NightError, match=r"n_subruns of run 7 .* negative \(-1\)"):
        read(site, day)


def test_a_number_that_is_none(site, day, new_columns):
    site.summary(day, (7, "DATA", "three"), columns={**new_columns, "n_subruns": "string"})
    with pytest.raises(NightError, match="n_subruns of the run summary must be a whole number, not 'three'"):
        read(site, day)


def test_a_masked_number(site, day):
    site.summary(day, (7, "DATA", None), (8, "DATA", 2))
    with pytest.raises(NightError, match="n_subruns of the run summary must be a whole number, not None"):
        read(site, day)


def test_the_summary_of_another_night(site, day):
    site.summary(day, (1, "DATA", 1), meta={"date": "2024-11-14"})
    with pytest.raises(NightError, match="is of 2024-11-14, not of 2024-11-15"):
        read(site, day)


@pytest.mark.parametrize("meta", [{}, {"lstchain_version": "0.7.0"}, {"date": "20241115"}])
def test_the_date_may_be_missing_or_compact(site, day, meta):
    site.summary(day, (1, "DATA", 1), meta=meta)
    assert len(read(site, day)) == 1


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.integers(0, 99999), st.sampled_from([t.value for t in RunType]), st.integers(0, 300)),
        min_size=1,
        max_size=12,
        unique_by=lambda run: run[0],
    )
)
def test_what_is_written_is_read(site, runs):
    day = date(2020, 1, 17)
    site.summary(day, *runs)
    assert [(row.run_id, row.run_type, row.n_subruns) for row in read(site, day)] == sorted(runs)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, 1500))
def test_a_file_cut_anywhere_gives_rows_or_a_night_error(site, cut):
    day = date(2020, 1, 17)
    path = site.summary(day, (1, "DRS4", 1), (2, "PEDCALIB", 1), (3, "DATA", 12))
    path.write_bytes(path.read_bytes()[:cut])
    try:
        rows = read(site, day)
    except NightError as error:
        assert str(path) in str(error)  # noqa: PT017
    else:
        assert {row.run_id for row in rows} <= {1, 2, 3}
