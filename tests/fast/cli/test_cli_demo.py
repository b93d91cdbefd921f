"""``osa demo night``: luigid, luigi's own command, progress, the table; and nothing left behind."""

from __future__ import annotations

import io
import os
import re
import socket
from pathlib import Path
from typing import Any

import pytest
from cli_nights import Demo, demo_arguments
from rich.console import Console

from osa_luigi.cli.demo import show
from osa_luigi.cli.demo.luigid import ADDRESS, Luigid, free_port
from osa_luigi.cli.demo.progress import stages
from osa_luigi.errors import ExecutorError


def task(family: str, status: str, message: str | None = None, **params: str) -> dict[str, Any]:
    asked = {"date": "2024-11-15", "production": "p", **params}
    return {"name": family, "status": status, "status_message": message, "params": asked}


TASKS = {
    "a": task("MergeTask", "PENDING"),
    "b": task("ReconstructionTask", "DONE"),
    "c": task("ReconstructionTask", "RUNNING", "running dl1ab.Run02003.0001 (2 of 3 steps made)\nlog: /l"),
    "d": task("ReconstructionTask", "RUNNING", "waiting for a free core"),
    "e": task("ReconstructionTask", "FAILED"),
    "f": task("ReconstructionTask", "DONE", date="2024-11-16"),
    "g": task("ReconstructionTask", "DONE", production="another"),
    "h": task("NightTask", "RUNNING", production=""),
}


def test_stages_count_the_nights_own_tasks_in_the_order_of_the_night() -> None:
    reconstruction, merge = stages(TASKS, "2024-11-15", "p")
    assert str(merge) == "merge 0/1"
    assert str(reconstruction) == "reconstruction 1/4 (1 failed)"
    assert reconstruction.now == ("dl1ab Run02003.0001",)


def test_progress_as_a_line_and_as_a_table() -> None:
    seen = stages(TASKS, "2024-11-15", "p")
    assert show._line(seen) == "1/5 tasks; reconstruction 1/4 (1 failed); dl1ab Run02003.0001"
    assert show._line(()) == ""
    page = io.StringIO()
    Console(file=page, width=100).print(show._table(seen, 61))
    assert "reconstruction" in page.getvalue()
    assert "1 failed" in page.getvalue()
    assert "01:01 elapsed" in page.getvalue()


def test_a_night_from_nothing(closed: Demo) -> None:
    assert re.search(r"http://127\.0\.0\.1:\d+", closed.out)
    assert re.search(r"^\d\d:\d\d  \d+/\d+ tasks", closed.out, re.M)
    assert "CLOSED" in closed.out
    assert "\x1b" not in closed.out, "no colours but on a terminal"
    assert "NightTask --date 2024-11-15" in (closed.site.base / "night.log").read_text()


def test_luigid_is_stopped_and_kept_its_state(closed: Demo) -> None:
    port = int(re.findall(r"127\.0\.0\.1:(\d+)", closed.out)[0])
    with socket.socket() as probe:
        assert probe.connect_ex((ADDRESS, port)) != 0
    assert (closed.site.base / "luigid" / "state.pickle").exists()


def test_the_second_time_nothing_is_made(closed: Demo) -> None:
    def written() -> dict[Path, float]:
        found = (path for part in ("R0", "running_analysis") for path in (closed.site.base / part).rglob("*"))
        return {path: path.stat().st_mtime for path in found if path.is_file() and "engine" not in path.parts}

    before = written()
    assert "CLOSED" in closed.site.osa(*demo_arguments(closed.site, "fake")).stdout
    assert written() == before


def test_a_stopped_demo_leaves_no_process(stopped: Demo) -> None:
    assert "goes on where it was" in stopped.err
    left = [name for name in os.listdir("/proc") if name.isdigit() and _mentions(name, str(stopped.site.base))]
    assert left == []


def _mentions(pid: str, text: str) -> bool:
    try:
        return text.encode() in Path("/proc", pid, "cmdline").read_bytes()
    except OSError:
        return False


def test_other_sizes_than_those_that_are_there_are_refused(closed: Demo) -> None:
    arguments = ["demo", "night", "--base", str(closed.site.base), "--procedure", "fake", "--subruns", "7"]
    assert "not as asked for" in closed.site.osa(*arguments, code=3).stderr


def test_a_scheduler_that_does_not_start_says_where_to_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind((ADDRESS, free_port()))
        monkeypatch.setattr("osa_luigi.cli.demo.luigid.free_port", lambda: taken.getsockname()[1])
        monkeypatch.setattr("osa_luigi.cli.demo.luigid.TRIES", 1)
        with pytest.raises(ExecutorError, match=r"luigid\.log"), Luigid(tmp_path):
            pass
    assert "Address already in use" in (tmp_path / "luigid.log").read_text()
