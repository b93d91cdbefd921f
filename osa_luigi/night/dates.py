"""Observation dates: the date of the evening; an observation lasts from noon to noon, in UTC."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

from osa_luigi.errors import NightError

_FORMS = re.compile(r"\d{4}-\d{2}-\d{2}|\d{8}", re.ASCII)
_NOON = timedelta(hours=12)


def parse_date(text: str) -> date:
    """The observation date written as ``2024-11-15`` or ``20241115``.

    Raises
    ------
    NightError
        Neither of the two forms, or not a day of the calendar.
    """
    stripped = text.strip()
    try:
        if _FORMS.fullmatch(stripped):
            return date.fromisoformat(stripped)
    except ValueError:
        pass
    raise NightError(
        f"{text!r} is not an observation date: type the evening's date as 2024-11-15 or 20241115 (YYYY-MM-DD)"
    )


def compact(day: date) -> str:
    """The date as folders and file names at the telescope carry it: ``20241115``."""
    return f"{day.year:04d}{day.month:02d}{day.day:02d}"


def observation_date(instant: datetime) -> date:
    """The observation date to which an instant belongs: 2024-11-16 03:00 UTC is of the night 2024-11-15.

    Raises
    ------
    ValueError
        The instant has no time zone.
    """
    if instant.tzinfo is None:
        raise ValueError(f"{instant.isoformat()} has no time zone: observation dates are found from UTC")
    return (instant.astimezone(UTC) - _NOON).date()


def night_bounds(day: date) -> tuple[datetime, datetime]:
    """Noon of the observation date and noon of the next day (UTC): from the first, before the second."""
    begin = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    return begin, begin + timedelta(days=1)
