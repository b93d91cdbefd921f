from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from ledger_nights import LedgerSite
from rights import like_anybody

from osa_luigi.cli import options
from osa_luigi.cli.app import app
from osa_luigi.cli.main_file import _as_luigi_would
from osa_luigi.cli.nights import age

LOADED = "print([name for name in ('luigi', 'alembic', 'astropy', 'numpy') if name in sys.modules])"


@pytest.fixture
def site(tmp_path: Path) -> LedgerSite:
    site = LedgerSite(tmp_path)
    site.configure()
    site.night()
    return site


def osa(site: LedgerSite, *words: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, [*words, "--config", str(site.config)])
    assert result.exit_code == code, result.output
    return result.output


def data(site: LedgerSite, *words: str, code: int = 0) -> Any:
    return json.loads(osa(site, *words, "--json", code=code))


def test_from_nothing_to_the_last_weeks(site: LedgerSite) -> None:
    assert "there is no ledger yet" in osa(site, "nights", code=3)
    assert "1 read, 0 as they were, 0 gone." in osa(site, "ledger", "update")
    head, row, said = osa(site, "nights").splitlines()
    assert head.split() == [
        "Date",
        "Production",
        "State",
        "Closed",
        "Runs",
        "Subruns",
        "Failed",
        "CPU_h",
        "GB",
        "Decisions",
    ]
    assert row.split() == ["2024-11-15", "v1", "closed", "2024-11-16", "00:01", "1", "3", "1", "0.0", "68.7", "2"]
    assert said.startswith("As the files were 0 min ago")
    [night] = data(site, "nights")["nights"]
    assert (night["state"], night["closed"], night["failed"]) == ("closed", "2024-11-16T00:01:00.123000+00:00", 1)


def test_the_newest_nights_only(site: LedgerSite) -> None:
    from datetime import date

    site.night(date(2024, 11, 17))
    site.night(date(2024, 11, 17), "v2")
    osa(site, "ledger", "update")
    found = data(site, "nights", "--last", "1")["nights"]
    assert [(night["date"], night["production"]) for night in found] == [("2024-11-17", "v1"), ("2024-11-17", "v2")]
    assert len(data(site, "nights")["nights"]) == 3


def test_update_rebuild_and_status_tell_programs_the_same(site: LedgerSite) -> None:
    read = [{"date": "2024-11-15", "production": "v1"}]
    assert data(site, "ledger", "update") == {"read": read, "unchanged": [], "gone": [], "failed": [], "unreadable": []}
    assert data(site, "ledger", "update")["unchanged"] == read
    assert data(site, "ledger", "rebuild", "--date", "2024-11-15")["read"] == read
    assert data(site, "ledger", "rebuild")["read"] == read
    status = data(site, "ledger", "status")
    assert (status["tables"], status["rows"]["products"]) == ("current", 8)
    assert "products" in osa(site, "ledger", "status")
    assert data(site, "ledger", "upgrade")["before"] == "current"
    assert "nothing to do" in osa(site, "ledger", "upgrade")


def test_what_could_not_be_read_is_an_exit_code(site: LedgerSite) -> None:
    (site.production().state / "decisions" / "0009.json").write_text("[")
    said = osa(site, "ledger", "update", code=1)
    assert "0009.json" in said
    assert "1 read" in said
    assert "1 files could not be read" in osa(site, "ledger", "status")


def test_an_empty_ledger(site: LedgerSite) -> None:
    site.remove()
    osa(site, "ledger", "update")
    assert osa(site, "nights") == "The ledger holds no nights. `osa ledger update` reads them.\n"
    assert data(site, "nights") == {"seen": None, "nights": []}


@pytest.mark.parametrize(
    ("ago", "said"),
    [
        (timedelta(seconds=5), "0 min ago"),
        (timedelta(hours=3, minutes=4), "3 h 4 min ago"),
        (timedelta(days=2, hours=1), "2 d 1 h ago"),
        (timedelta(hours=-1), "0 min ago"),
    ],
)
def test_the_age_of_the_view(ago: timedelta, said: str) -> None:
    assert said in age(datetime.now(UTC) - ago)


@pytest.mark.skipif(os.geteuid() != 0, reason="what is written here has no owner but the one who reads")
def test_reading_needs_no_right_to_write_and_not_luigi(site: LedgerSite) -> None:
    osa(site, "ledger", "update")
    (site.base / "ledger.sqlite").chmod(0o444)
    site.base.chmod(0o555)
    try:
        looking = in_a_process(site, f"app(['nights'], standalone_mode=False); {LOADED}")
        writing = in_a_process(site, "app(['ledger', 'rebuild'])")
    finally:
        site.base.chmod(0o755)
    assert "closed" in looking.stdout
    assert looking.stdout.splitlines()[-1] == "[]"  # so it answers in less than a second
    assert writing.returncode == 3
    assert "You have no right to write there" in writing.stderr
    assert len(writing.stderr.splitlines()) == 1


def in_a_process(site: LedgerSite, program: str) -> subprocess.CompletedProcess[str]:
    """Python, with the rights of anybody."""
    path = os.pathsep.join(entry for entry in sys.path if entry)
    return subprocess.run(
        [sys.executable, "-c", f"import sys; from osa_luigi.cli.app import app; {program}"],
        env={**os.environ, "OSA_CONFIG": str(site.config), "PYTHONPATH": path},
        preexec_fn=like_anybody,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_main_file_is_the_one_that_luigi_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("OSA_CONFIG", "LUIGI_CONFIG_PATH"):
        monkeypatch.delenv(name, raising=False)
    assert _as_luigi_would() == Path("osa.yaml")
    Path("luigi.cfg").write_text("[core]\nlog_level=INFO\n")
    assert _as_luigi_would() == Path("osa.yaml")
    Path("more.cfg").write_text("[osa_luigi]\nconfig = configs/mine.yaml\n")
    monkeypatch.setenv("LUIGI_CONFIG_PATH", "more.cfg")
    assert _as_luigi_would() == Path("configs/mine.yaml")


def test_what_only_luigi_understands_is_left_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LUIGI_CONFIG_PATH", raising=False)
    Path("luigi.cfg").write_text("[osa_luigi]\nconfig = %(here)s/mine.yaml\n")
    assert _as_luigi_would() is None
    assert options.the_config(Path("given.yaml")) == Path("given.yaml")
