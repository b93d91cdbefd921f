"""``osa close`` on a finished night, and on one that is not."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from fake_nights import FakeSite
from fresh import server

DATE = ("--date", "2024-11-15", "--production", "fake")


def osa(config: Path, arguments: tuple[str, ...]) -> tuple[int, str, str]:
    """``osa`` in a process of one thread, since closing forks."""
    from osa_luigi.cli.app import app

    os.environ["OSA_CONFIG"] = str(config)
    done = CliRunner().invoke(app, list(arguments))
    return done.exit_code, done.stdout, done.stderr


def close(site: FakeSite, *arguments: str, code: int = 0) -> str:
    done, out, err = server("osa_luigi.cli.close").call(osa, site.config, ("close", *DATE, *arguments))
    assert done == code, (out, err)
    return str(out) + str(err)


def data(site: FakeSite, *arguments: str, code: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(close(site, "--json", *arguments, code=code))
    return found


def test_a_closed_night_is_left_alone(finished: FakeSite) -> None:
    before = len(finished.attempts())
    assert "nothing was done" in close(finished)
    assert data(finished)["closed"] is True
    assert len(finished.attempts()) == before


def test_a_night_without_its_marker_is_closed_again(finished: FakeSite) -> None:
    for name in ("NightFinished.txt", "NightFinished.json"):
        (finished.production().root / name).unlink()
    assert "not closed yet, and can be" in close(finished, "--dry-run")
    assert data(finished, "--dry-run")["closed"] is False
    assert not finished.is_closed()
    page = finished.production().root / "NightReport.html"
    assert not page.exists()
    finished.set_main(report={"after_closing": True})
    for outcome in ("made", "present"):  # twice: it can be repeated
        assert data(finished)["outcome"] == outcome
        assert finished.is_closed()
    assert json.loads((finished.production().root / "NightFinished.json").read_text())["verdict"] == "COMPLETE"
    assert "Closed at" in page.read_text()


def test_what_is_missing_is_said_with_the_reason_and_a_command(finished: FakeSite) -> None:
    lost = finished.production().root / "tailcut84" / "dl1_LST-1.Run02003.h5"
    lost.unlink()
    said = close(finished, code=1)
    assert "INCOMPLETE, the products of 1 of 22 steps are missing" in said
    assert "merge_dl1 Run02003: its files are gone, or of another size" in said
    assert "next: luigi --module osa_luigi NightTask --date 2024-11-15 --production fake --procedure fake" in said
    found = data(finished, "--dry-run", code=1)
    assert (found["verdict"], found["closed"]) == ("INCOMPLETE", False)
    assert [(one["step"], one["unit"]) for one in found["missing_products"]] == [("merge_dl1", "Run02003")]


def test_closing_that_fails_says_so(finished: FakeSite) -> None:
    (finished.production().root / "NightFinished.txt").unlink()
    (finished.production().root / "NightFinished.txt").mkdir()  # in its place, and not the marker
    said = close(finished, code=1)
    assert "Closing failed: " in said
    assert "Is a directory" in said
    assert data(finished, code=1)["outcome"] == "failed"
