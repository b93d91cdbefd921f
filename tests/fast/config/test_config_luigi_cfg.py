"""The main configuration that luigi's files name, found without luigi: the same that luigi finds."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from fresh import server
from luigi_work import setting

from osa_luigi.config.luigi_cfg import DEFAULT, FILES, OPTION, SECTION, named_config


def by_luigi(folder: Path) -> Path:
    """In a new process."""
    asked = server("luigi.configuration").call(setting, folder, dict(os.environ), SECTION, OPTION, DEFAULT)
    return Path(asked)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the operator stands."""
    for name in ("OSA_CONFIG", "LUIGI_CONFIG_PATH", "LUIGI_CONFIG_PARSER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("files", "chosen", "named"),
    [
        ({}, "", "osa.yaml"),
        ({"luigi.cfg": "[osa_luigi]\nconfig = a b.yaml  \n"}, "", "a b.yaml"),
        ({"client.cfg": "[osa_luigi]\nconfig: old.yaml\n", "luigi.cfg": "[core]\nlog_level = INFO\n"}, "", "old.yaml"),
        (
            {"luigi.cfg": "[osa_luigi]\nconfig = here.yaml\n", "mine": "[osa_luigi]\nconfig = mine.yaml\n"},
            "mine",
            "mine.yaml",
        ),
        ({"luigi.cfg": "[DEFAULT]\nconfig = all.yaml\n[osa_luigi]\n"}, "", "all.yaml"),
        ({"luigi.cfg": "[osa_luigi]\nConfig = big.yaml\n"}, "nowhere", "osa.yaml"),
    ],
)
def test_it_is_the_one_that_luigi_finds(
    folder: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], chosen: str, named: str
) -> None:
    for name, text in files.items():
        (folder / name).write_text(text)
    if chosen:
        monkeypatch.setenv("LUIGI_CONFIG_PATH", str(folder / chosen))
    assert named_config() == by_luigi(folder) == Path(named)


@pytest.mark.parametrize(
    "text", ["[osa_luigi]\nconfig = ${HOME}/a.yaml\n", "[osa_luigi]\nconfig = %(x)s\n", "[osa_luigi\n", "config = 1"]
)
def test_what_luigi_alone_understands_is_left_to_it(folder: Path, text: str) -> None:
    (folder / "luigi.cfg").write_text(text)
    assert named_config() is None


@pytest.mark.parametrize(("name", "value"), [("LUIGI_CONFIG_PARSER", "toml"), ("LUIGI_CONFIG_PATH", "/etc/luigi.toml")])
def test_toml_is_left_to_luigi(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    assert named_config() is None


def test_luigi_looks_in_the_same_files() -> None:
    from luigi.configuration import LuigiConfigParser

    assert tuple(LuigiConfigParser._config_paths[: len(FILES)]) == FILES


def test_commands_that_need_no_luigi_do_not_import_it() -> None:
    names = ("status", "plan", "why", "jobs", "step", "logs", "config", "replay")
    imports = ", ".join(f"osa_luigi.cli.{name}" for name in names)
    found = subprocess.run(
        [sys.executable, "-c", f"import sys, {imports}; print('luigi' in sys.modules)"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)},
        check=True,
        capture_output=True,
        text=True,
    )
    assert found.stdout.strip() == "False"
