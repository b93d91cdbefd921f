"""What sbatch is given: options by the table, and a script that bash runs."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from osa_luigi.batch.slurm.script import ArrayRequest, options, script, write_script
from osa_luigi.config import SlurmEnvironment, SlurmPlace
from osa_luigi.errors import ExecutorError

NOWHERE = SlurmPlace(None, None, None, 0, None, ())
PLAIN = SlurmEnvironment((), None, None, None, Path("/tmp"))


def request(**more) -> ArrayRequest:
    asked = {
        "name": "osa-1",
        "folder": Path("/a/b"),
        "indices": [0, 1, 2, 7],
        "place": NOWHERE,
        "memory_mb": 6000,
        "cores": 1,
        "time_limit_s": 9300.0,
    }
    return ArrayRequest(**{**asked, **more})


def test_options() -> None:
    assert options(request()) == [
        "--job-name=osa-1",
        "--array=0-2,7",
        "--mem=6000",
        "--time=155",
        "--ntasks=1",
        "--cpus-per-task=1",
        "--chdir=/a/b",
        "--output=/a/b/out/%a.log",
        "--open-mode=append",
        "--requeue",
        "--export=ALL",
        "--signal=B:USR1@60",
    ]


def test_options_of_a_place() -> None:
    place = SlurmPlace("short", "lst", "high", 100, 5, ("--constraint=avx2",))
    given = options(request(place=place))
    assert given[1] == "--array=0-2,7%5"
    assert given[-5:] == ["--partition=short", "--account=lst", "--qos=high", "--nice=100", "--constraint=avx2"]


@pytest.mark.parametrize(("seconds", "minutes"), [(0.1, 1), (60, 1), (60.1, 2), (9299, 155), (9301, 156)])
def test_time_is_rounded_up_to_minutes(seconds: float, minutes: int) -> None:
    given = options(request(time_limit_s=seconds))
    assert f"--time={minutes}" in given
    assert ("--signal=B:USR1@60" in given) is (seconds >= 180)


def run(text: str, tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    file = tmp_path / "script.sh"
    file.write_text(text)
    file.chmod(0o755)
    return subprocess.run([file], env={**os.environ, **environment}, capture_output=True, text=True, timeout=60)


def shown(tmp_path: Path, *prologue: str) -> Path:
    """An interpreter that shows its arguments and its environment."""
    path = tmp_path / "shown"
    path.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n/usr/bin/env\ntrap\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_a_job_has_a_stated_environment(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PYTHONPATH", f"lib:{tmp_path}/a b")
    environment = replace(PLAIN, python=shown(tmp_path), prologue=("export LICENCE='x y'",))
    text = script(Path("/a b/c"), environment)
    foreign = {"LD_LIBRARY_PATH": "/x", "BASH_FUNC_exec%%": "() { echo taken; }", "BASH_ENV": "/x", "SLURM_JOB_ID": "7"}
    done = run(text, tmp_path, **foreign, PYTHONSTARTUP="/x", ODD="a\nb=c")
    said = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (0, "")
    assert said[:4] == ["-P", "-m", "osa_luigi.batch.slurm.element", "/a b/c"]
    variables = dict(line.partition("=")[::2] for line in said[4:])
    assert set(variables) - {"_", "PWD", "SHLVL", "OLDPWD"} <= {
        *("HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "PATH", "LANG", "LICENCE", "PYTHONPATH", "SLURM_JOB_ID"),
    }
    assert variables["LICENCE"] == "x y"
    assert variables["PATH"].startswith("/usr/local/bin:")
    assert variables["PYTHONPATH"] == f"{Path.cwd()}/lib:{tmp_path}/a b"


def test_the_engines_own_interpreter_unless_another_is_named() -> None:
    assert script(Path("/a"), PLAIN).splitlines()[-1].startswith(f"exec {sys.executable} -P -m ")


def test_an_image(tmp_path) -> None:
    """It is shown what is there, each place once: a link that leads elsewhere is a place of its own."""
    base, raw, array = tmp_path / "base", tmp_path / "raw", tmp_path / "base" / "arrays" / "a"
    for folder in (array, raw, base / "R0" / "20241115"):
        folder.mkdir(parents=True)
    (base / "linked").symlink_to(raw)
    environment = replace(PLAIN, image=Path("/i/a.sif"))
    binds = (base, base / "R0", base / "linked", raw, tmp_path / "not there")
    last = script(array, environment, binds).splitlines()[-1]
    element = f"-P -m osa_luigi.batch.slurm.element {array}"
    shown = f"--bind={base} --bind={base / 'linked'} --bind={raw}"
    assert last == f"exec apptainer exec {shown} /i/a.sif python3 {element}"
    other = script(array, replace(environment, python=Path("/opt/python"))).splitlines()[-1]
    assert f"/i/a.sif /opt/python {element}" in other


def test_the_folders_are_there_before_the_job(tmp_path) -> None:
    folder = tmp_path / "array"
    path = write_script(folder, PLAIN)
    assert path.read_text() == script(folder, PLAIN)
    assert sorted(os.listdir(folder)) == ["out", "records", "script.sh"]


def test_an_archive_that_is_none(tmp_path) -> None:
    archive = tmp_path / "env.tar"
    for content in (b"", b"x" * 5000):
        archive.write_bytes(content)
        with pytest.raises(ExecutorError, match="osa environment pack"):
            script(Path("/a"), replace(PLAIN, archive=archive))
