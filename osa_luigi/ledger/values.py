"""Values out of JSON files as a database takes them: of the right type, no longer than the column, or nothing."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

from osa_luigi.errors import NightError
from osa_luigi.ledger.models import PATH
from osa_luigi.night.names import parse_unit

LONGEST = 8_000
"""Characters of a reason; the exit record has it all. MariaDB's TEXT takes 64 kB."""

LARGEST = 2**31 - 1
LARGEST_BYTES = 2**63 - 1


def text(value: Any, length: int = PATH) -> str:
    """At most so many characters; what PostgreSQL takes for no text (NUL, half a surrogate pair) is replaced."""
    said = "" if value is None else str(value)
    plain = said.encode("utf-8", "replace").decode().replace("\0", "?")
    return plain if len(plain) <= length else f"{plain[: length - 1]}…"


def prose(value: Any) -> str:
    """A reason; empty where there is none."""
    return text(value, LONGEST)


def number(value: Any, largest: int = LARGEST) -> int | None:
    """A whole number that fits."""
    fits = isinstance(value, int) and not isinstance(value, bool) and abs(value) <= largest
    return value if fits else None


def real(value: Any) -> float | None:
    """A finite number."""
    try:
        return float(value) if math.isfinite(value) else None
    except (TypeError, ValueError, OverflowError):
        return None


def moment(value: Any) -> datetime | None:
    """A time in ISO 8601; without a zone it is taken for UTC."""
    try:
        found = datetime.fromisoformat(value)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return None


def place_of(unit: str) -> tuple[int | None, int | None]:
    """Run and subrun of a unit; `None` for what is of no run, or of no subrun."""
    try:
        found = parse_unit(unit)
    except NightError:
        return None, None
    return number(found.run), number(found.subrun)
