"""The units for systemd that are shipped: systemd itself takes them, and they run a command that there is."""

from __future__ import annotations

import configparser
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from osa_luigi.cli.app import COMMANDS

UNITS = Path(__file__).parents[2] / "configs" / "systemd"
SERVICE, TIMER = UNITS / "osa-morning.service", UNITS / "osa-morning.timer"


def read(unit: Path) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(unit)
    return parser


def test_the_service_runs_a_command_that_there_is_and_lets_the_group_go_on() -> None:
    service = read(SERVICE)["Service"]
    _, command = shlex.split(service["ExecStart"])
    assert command in COMMANDS
    assert service["UMask"] == "0002"
    assert service["Type"] == "oneshot"  # its timer starts no second one beside it


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze here")
def test_systemd_takes_them(tmp_path: Path) -> None:
    text = SERVICE.read_text().replace("/data/osa/env/bin/osa", shutil.which("true") or "/bin/true")
    service, timer = tmp_path / SERVICE.name, tmp_path / TIMER.name
    service.write_text(text.replace("User=lst", "User=root").replace("Group=lst", "Group=root"))
    timer.write_text(TIMER.read_text())
    said = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", service, timer],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (said.returncode, said.stdout + said.stderr) == (0, "")
    calendar = read(TIMER)["Timer"]["OnCalendar"]
    said = subprocess.run(
        ["systemd-analyze", "calendar", calendar], capture_output=True, text=True, check=False, timeout=60
    )
    assert said.returncode == 0, said.stderr
