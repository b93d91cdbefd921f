"""Commands that look at a night, given one of which there is nothing, or nothing yet: one clear message, and exit code 3."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cli_nights import DATE, Site

LOOKING = {
    "status": ("status",),
    "grid": ("status", "--grid"),
    "plan": ("plan",),
    "why": ("why",),
    "close": ("close", "--dry-run"),
    "logs": ("logs", "dl1ab", "Run02003.0000"),
    "step": ("step", "run", "dl1ab", "Run02003.0000", "--print"),
    "provenance": ("provenance", "2003"),
    "verify": ("verify",),
    "retry": ("retry", "--all"),
    "cancel": ("cancel", "--all", "--yes"),
}
BY_PLAN = ("status", "grid", "plan", "why", "close", "step")
"""Those that need to know what was observed."""

every = pytest.mark.parametrize("command", LOOKING.values(), ids=LOOKING)


def said(site: Site, *arguments: str) -> str:
    result = site.osa(*arguments, code=3)
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    return result.stderr


def listing(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@every
def test_a_date_of_which_there_is_nothing(site: Site, command: tuple[str, ...]) -> None:
    before = listing(site.base)
    text = said(site, *command, "--date", "2020-01-17")
    assert "2020-01-17" in text or "20200117" in text
    assert listing(site.base) == before


@every
def test_a_date_that_is_still_to_come(site: Site, command: tuple[str, ...]) -> None:
    tomorrow = (datetime.now(UTC) + timedelta(days=2)).date()
    text = said(site, *command, "--date", tomorrow.isoformat())
    assert tomorrow.isoformat() in text or f"{tomorrow:%Y%m%d}" in text


@pytest.mark.parametrize("command", [LOOKING[name] for name in BY_PLAN], ids=BY_PLAN)
def test_a_night_without_run_summary_is_told_how_to_get_one(site: Site, command: tuple[str, ...]) -> None:
    (summary,) = (site.base / "monitoring" / "RunSummary").glob("RunSummary_20241115.ecsv")
    summary.unlink()
    assert "osa step run run_summary --date 2024-11-15" in said(site, *command, *DATE)


def test_decisions_may_be_asked_for_any_date(site: Site) -> None:
    assert site.data("decisions", "--date", "2020-01-17") == []


def test_a_morning_says_that_there_is_nothing(site: Site) -> None:
    assert "no raw data: 2020-01-17" in site.osa("morning", "--dry-run", "--date", "2020-01-17").stdout
