from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osa_luigi.errors import NightError
from osa_luigi.night import compact, night_bounds, observation_date, parse_date

EARLIEST, LATEST = datetime.fromisoformat("1970-01-02"), datetime.fromisoformat("2100-01-01")


@given(st.dates())
def test_both_forms_round_trip(day):
    assert parse_date(day.isoformat()) == day
    assert parse_date(compact(day)) == day
    assert len(compact(day)) == 8


def test_surrounding_space_is_accepted():
    assert parse_date(" 2024-11-15\n") == date(2024, 11, 15)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2024",
        "2024-11",
        "2024-1-5",
        "15-11-2024",
        "2024/11/15",
        "20241315",
        "2024-02-30",
        "2024-W46-5",
        "2024W465",
        "202411150",
        "２０２４１１１５",
        "yesterday",
    ],
)
def test_other_forms_are_refused_with_what_to_type(text):
    with pytest.raises(NightError, match="2024-11-15 or 20241115"):
        parse_date(text)


@given(st.text())
def test_any_text_is_a_date_or_a_night_error(text):
    try:
        day = parse_date(text)
    except NightError:
        return
    assert text.strip() in (day.isoformat(), compact(day))


@pytest.mark.parametrize(
    ("instant", "expected"),
    [
        (datetime(2024, 11, 15, 12, tzinfo=UTC), date(2024, 11, 15)),
        (datetime(2024, 11, 15, 21, tzinfo=UTC), date(2024, 11, 15)),
        (datetime(2024, 11, 16, 3, tzinfo=UTC), date(2024, 11, 15)),
        (datetime(2024, 11, 16, 11, 59, 59, 999999, tzinfo=UTC), date(2024, 11, 15)),
        (datetime(2024, 11, 16, 12, tzinfo=UTC), date(2024, 11, 16)),
        (datetime(2025, 1, 1, 0, tzinfo=UTC), date(2024, 12, 31)),
        (datetime(2024, 11, 15, 13, tzinfo=timezone(timedelta(hours=2))), date(2024, 11, 14)),
    ],
)
def test_observation_date_is_the_evenings(instant, expected):
    assert observation_date(instant) == expected


@given(st.datetimes(EARLIEST, LATEST, timezones=st.just(UTC)))
def test_every_instant_is_within_its_night(instant):
    begin, end = night_bounds(observation_date(instant))
    assert begin <= instant < end


def test_a_time_without_zone_is_a_defect_of_the_caller():
    local = datetime(2024, 11, 15, 21, tzinfo=UTC).replace(tzinfo=None)
    with pytest.raises(ValueError, match="time zone"):
        observation_date(local)
