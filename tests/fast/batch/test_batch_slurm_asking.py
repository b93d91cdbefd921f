"""What jobs ask for, and what is learned for the nights to come."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from slurm_work import ASKED, Driver, seen, wish

from osa_luigi.batch.job import Job
from osa_luigi.batch.slurm import exchange as ex
from osa_luigi.batch.slurm.asking import asked_by, with_needs_of
from osa_luigi.batch.slurm.files import ProductionFiles
from osa_luigi.batch.slurm.learned import ENOUGH, first_ask, note_need, read_needs
from osa_luigi.batch.slurm.model import ArrayState, Element, JobState, Link, Phase
from osa_luigi.batch.slurm.policies import Asked
from osa_luigi.batch.slurm.records import jobs_of
from osa_luigi.batch.slurm.states import Cause
from osa_luigi.steps.call import Needs, StepCall


def learned(tmp_path: Path, *nights: list[int]) -> Asked:
    """What a job asks for after nights whose jobs needed so much memory."""
    file = tmp_path / "learned.jsonl"
    for number, needed in enumerate(nights):
        for memory in needed:
            note_need(file, f"2024111{number}", "r0_to_dl1", ASKED, replace(ASKED, memory_mb=memory))
    return first_ask(read_needs(file), "r0_to_dl1", ASKED)


@pytest.mark.parametrize(
    ("nights", "memory"),
    [
        ([], 2000),
        ([[3000] * (ENOUGH - 1)], 2000),
        ([[3000] * 50], 3000),
        ([[3000] * 50, [4500] * 50], 4500),
        ([[3000] * 50, [4500]], 3000),
        ([[4500] * 50, [3000] * 50], 4500),
    ],
)
def test_a_night_asks_for_what_sufficed_in_those_before(tmp_path: Path, nights: list[list[int]], memory: int) -> None:
    assert learned(tmp_path, *nights).memory_mb == memory


def test_what_the_second_night_learns_the_third_one_knows(tmp_path: Path) -> None:
    """It is learned beside what is configured, not beside what was asked for."""
    more, most = replace(ASKED, memory_mb=3000), replace(ASKED, memory_mb=4500)
    engine = Driver().running(wish(0, asked=more, configured=ASKED))
    engine.later(10).queue(seen("FAILED"), notes=(engine.note(cause=Cause.MEMORY),))
    engine.tick()
    engine.hear(ex.Sent(engine.now, engine.array.name, 8))
    engine.later(30).queue(seen("COMPLETED", job=8), notes=(engine.note(),))
    assert engine.asked_for(ex.Learn) == [ex.Learn("r0_to_dl1", ASKED, most)]


def call(step: str, minutes: float, memory_mb: int = 2000) -> StepCall:
    return StepCall(step, "Run02001.0000", "key", {}, (), (), needs=Needs(memory_mb, 1, 60 * minutes))


JOB = Job("dl1", Path("/p"), (call("r0_to_dl1", 40), call("dl1ab", 20, 3000)), (call("datacheck", 30),))


def test_a_job_asks_for_the_time_of_all_its_calls_and_the_most_memory_of_one() -> None:
    assert asked_by(JOB) == Asked(3000, 90 * 60.0, 1)
    assert with_needs_of(JOB, asked_by(JOB)) is JOB


def test_of_what_others_should_have_brought_along_time_for_a_few() -> None:
    checks = tuple(replace(call("datacheck", 10), unit=f"Run02001.{number:04d}") for number in range(100))
    job = Job(
        "check", Path("/p"), (*checks, call("run_datacheck", 5)), after=tuple(f"datacheck.{c.unit}" for c in checks)
    )
    assert asked_by(job).time_limit_s == 35 * 60


@pytest.mark.parametrize("wished", [90 * 60.0, 135 * 60.0])
def test_the_runner_lets_a_call_have_what_its_job_was_given(tmp_path: Path, wished: float) -> None:
    """By what the job's settings say, not by what it wished: that may be what another night has learned already."""
    asked = Asked(3000, 135 * 60.0)
    state = JobState(wish(0, asked=Asked(3000, wished)), Phase.PLACED, asked)
    files = ProductionFiles(
        tmp_path, (tmp_path / "learned.jsonl", "n"), {wish(0).name: JOB}, lambda array, folder: None
    )
    name = wish(0).name
    array = ArrayState("a", "g", "r0_to_dl1", asked, {0: Element((name,), (name,))}, Link.SENDING)
    files.prepare(array, {name: state})
    [(_, job)] = jobs_of(tmp_path / "a", 0)
    limits = [one.needs.time_limit_s for one in (*job.calls, *job.riders)]
    assert limits == [60 * 60.0, 30 * 60.0, 45 * 60.0]
    assert sum(limits) == asked.time_limit_s
