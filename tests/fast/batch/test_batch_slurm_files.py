"""What the engine reads of a production, and what it makes of a disk in trouble."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from slurm_work import ASKED, wish

from osa_luigi.batch.job import Job
from osa_luigi.batch.slurm import files as module
from osa_luigi.batch.slurm.files import ProductionFiles
from osa_luigi.batch.slurm.model import JobState, Phase
from osa_luigi.batch.slurm.records import Record, write_record
from osa_luigi.batch.slurm.states import Cause
from osa_luigi.steps.call import StepCall

IO = OSError(errno.EIO, "Input/output error")


@pytest.fixture
def files(tmp_path: Path) -> ProductionFiles:
    call = StepCall("r0_to_dl1", "Run02001.0000", "key", {}, (), ())
    jobs = {wish(0).name: Job(wish(0).name, tmp_path / "20241115" / "v1", (call,))}
    return ProductionFiles(tmp_path / "arrays", (tmp_path / "learned", "20241115"), jobs, lambda array, folder: None)


def placed() -> JobState:
    return JobState(wish(0), Phase.PLACED, ASKED, array="a", index=3)


def test_what_was_read_before_the_disk_failed_is_told_later(
    files: ProductionFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for array in ("a", "b"):
        write_record(tmp_path / "arrays" / array, Record(0, 0, 0, "done", f"job.{array}", log=f"/logs/{array}"))
    scandir: Callable[..., Any] = os.scandir
    asked: list[str] = []

    def failing(folder: Path) -> Any:
        asked.append(str(folder))
        if len(asked) == 2:
            raise IO
        return scandir(folder)

    monkeypatch.setattr("osa_luigi.batch.slurm.records.os.scandir", failing)
    with pytest.raises(OSError, match="Input/output"):
        files.notes(["a", "b"])
    notes = files.notes(["a", "b"])
    assert sorted((note.job, note.log) for note in notes) == [("job.a", "/logs/a"), ("job.b", "/logs/b")]
    assert files.notes(["a", "b"]) == []


def test_a_failure_tells_its_log_in_words_and_as_a_link(files: ProductionFiles, tmp_path: Path) -> None:
    record = Record(0, 0, 0, "failed", "job", cause=Cause.TOOL, text="no light.", log="/logs/x")
    write_record(tmp_path / "arrays" / "a", record)
    [note] = files.notes(["a"])
    assert note.failure
    assert (note.failure.text, note.log) == ("no light. Read /logs/x.", "/logs/x")


@pytest.mark.parametrize("error", [PermissionError(), FileNotFoundError()])
def test_what_is_closed_to_the_engine_is_not_made(
    files: ProductionFiles, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    """An attempt finds out, and says so."""
    monkeypatch.setattr(module, "made_as", lambda *_: (_ for _ in ()).throw(error))
    assert files.made([placed()]) == {wish(0).name: False}


def test_of_a_disk_that_fails_nobody_knows(files: ProductionFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "made_as", lambda *_: (_ for _ in ()).throw(IO))
    assert files.made([placed()]) == {wish(0).name: None}


def test_an_element_s_output_is_told_of(files: ProductionFiles, tmp_path: Path) -> None:
    output = tmp_path / "arrays" / "a" / "out" / "3.log"
    output.parent.mkdir(parents=True)
    output.write_text("script.sh: line 7: /env/bin/python: No such file or directory\n")
    [said] = files.output([placed()]).values()
    assert said == f"Its output ends with: script.sh: line 7: /env/bin/python: No such file or directory Read {output}."
