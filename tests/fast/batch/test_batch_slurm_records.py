"""Records of an array's elements: whole or not there, told once, foreign files passed over."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import fake_call

from osa_luigi.batch.job import Job
from osa_luigi.batch.slurm.records import (
    JOBS,
    RECORDS,
    Record,
    RecordReader,
    jobs_of,
    output_said,
    says_memory,
    write_jobs,
    write_record,
)
from osa_luigi.errors import ExecutorError

DONE = Record(17, 0, 0, "done", "j", made=(("r0_to_dl1.Run02008.0003", "k"),), host="n", slurm_job=5, cpu_s=1.5)
FAILED = Record(3, 1, 2, "failed", "i", cause="memory", call="c", text="why", log="/x", peak_memory_mb=10.0)
ENDED = Record(17, -1, 0, "ended", riders={"datacheck.Run02008.0003": "failed: why"})


def test_names(tmp_path: Path) -> None:
    for record in (DONE, FAILED, ENDED):
        write_record(tmp_path, record)
    assert sorted(os.listdir(tmp_path / RECORDS)) == ["17.0.0.done.json", "17.0.ended.json", "3.1.2.failed.json"]
    content = json.loads((tmp_path / RECORDS / "3.1.2.failed.json").read_text())
    assert content["format"] == 1
    assert (content["cause"], content["job"], content["peak_memory_mb"]) == ("memory", "i", 10.0)


def test_each_is_told_once_and_in_order(tmp_path: Path) -> None:
    reader = RecordReader(tmp_path)
    assert reader.new() == []
    write_record(tmp_path, ENDED)
    write_record(tmp_path, DONE)
    write_record(tmp_path, FAILED)
    assert reader.new() == [FAILED, DONE, ENDED]
    assert reader.new() == []
    again = replace(DONE, restart=1)
    write_record(tmp_path, again)
    assert reader.new() == [again]
    assert RecordReader(tmp_path).new() == [FAILED, DONE, ENDED, again]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("17.0.0.done.json", ""),
        ("17.0.0.done.json", '{"format": 1, "index": 17'),
        ("17.0.0.done.json", "[]"),
        ("17.0.0.done.json", '{"format": 2}'),
        ("17.0.0.done.json", '{"format": 1, "made": [1], "riders": {}}'),
        ("17.0.0.done.json", json.dumps({"format": 1, "index": 18, "position": 0, "restart": 0, "outcome": "done"})),
        (".17.0.0.done.json.4-ab", "x"),
        ("notes.txt", "x"),
        ("17.0.0.done.json.bak", "x"),
        ("17.0.0.lost.json", "x"),
    ],
)
def test_what_is_torn_or_foreign_is_passed_over_and_looked_at_again(tmp_path: Path, name: str, content: str) -> None:
    write_record(tmp_path, FAILED)
    (tmp_path / RECORDS / name).write_text(content)
    reader = RecordReader(tmp_path)
    assert reader.new() == [FAILED]
    write_record(tmp_path, DONE)
    assert reader.new() == [DONE]


def test_only_new_files_are_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for index in range(50):
        write_record(tmp_path, replace(DONE, index=index))
    reader = RecordReader(tmp_path)
    assert len(reader.new()) == 50
    late = replace(FAILED, index=99)
    write_record(tmp_path, late)
    opened: list[Path] = []
    real = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda self: opened.append(self) or real(self))
    assert reader.new() == [late]
    assert [path.name for path in opened] == [late.name]


def test_an_element_finds_its_jobs_and_reads_no_others(tmp_path: Path) -> None:
    jobs = [Job(f"j{number}", tmp_path, (fake_call(unit=f"Run02008.{number:04}"),)) for number in range(4)]
    write_jobs(tmp_path, [(1, 1, jobs[0]), (11, 0, jobs[1]), (1, 0, jobs[2]), (111, 0, jobs[3])])
    text = (tmp_path / JOBS).read_text()
    (tmp_path / JOBS).write_text(text + '{"index": 12, torn\n')
    assert jobs_of(tmp_path, 1) == [(0, jobs[2]), (1, jobs[0])]
    assert jobs_of(tmp_path, 11) == [(0, jobs[1])]
    for index in (2, 12):
        with pytest.raises(ExecutorError, match=r"jobs\.jsonl"):
            jobs_of(tmp_path, index)


@pytest.mark.parametrize("name", ["données", "half\udcff"])
def test_a_job_s_paths_are_what_they_were_whatever_they_are_called(tmp_path: Path, name: str) -> None:
    job = Job("j", tmp_path / name, (fake_call(),))
    write_jobs(tmp_path, [(3, 0, job)])
    assert jobs_of(tmp_path, 3) == [(0, job)]


def test_slurm_says_in_the_output_that_it_killed_for_memory(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    said = "slurmstepd-node1: error: StepId=7.batch exceeded memory limit (515788800 > 314572800), being killed\n"
    (out / "0.log").write_text("a long story\n" * 1000 + said)
    (out / "1.log").write_text("slurmstepd-node1: error: *** JOB 7 ON node1 CANCELLED AT 2026-11-21T07:21:43 ***\n")
    assert [says_memory(tmp_path, index) for index in range(3)] == [True, False, False]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("one\nModuleNotFoundError: No module named 'luigi'\n\n", "ModuleNotFoundError: No module named 'luigi'"),
        ("x" * 20_000, "x" * 300),
        ("half \udcff", "half \ufffd"),
    ],
)
def test_an_output_says_how_it_ended_and_where_it_is(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "3.log").write_text(text, errors="surrogateescape")
    assert output_said(tmp_path, 3) == f"Its output ends with: {told} Read {tmp_path}/out/3.log."


def test_of_an_output_that_is_empty_or_not_there_nothing_is_said(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "0.log").write_text("\n \n")
    assert [output_said(tmp_path, index) for index in range(2)] == ["", ""]
